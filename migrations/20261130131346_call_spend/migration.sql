ALTER TABLE "calls" ADD COLUMN "deployment_id" text;--> statement-breakpoint
ALTER TABLE "calls" ADD COLUMN "attempts" integer;--> statement-breakpoint
ALTER TABLE "calls" ADD COLUMN "spend" double precision;--> statement-breakpoint
ALTER TABLE "calls" ADD COLUMN "decisions" jsonb;