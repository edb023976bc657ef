ALTER TABLE "oauth_codes" ADD COLUMN "person" jsonb;--> statement-breakpoint
ALTER TABLE "oauth_grants" ADD COLUMN "person" jsonb;