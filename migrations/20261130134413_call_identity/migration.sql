ALTER TABLE "calls" ADD COLUMN "client" text;--> statement-breakpoint
ALTER TABLE "calls" ADD COLUMN "credential_scope" text;