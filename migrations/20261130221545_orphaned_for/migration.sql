ALTER TABLE "user_tokens" ADD COLUMN "server_name" text;--> statement-breakpoint
ALTER TABLE "user_tokens" ADD COLUMN "orphaned_for" interval;