ALTER TABLE "oauth_grants" ADD COLUMN "former_refresh_hash" text;--> statement-breakpoint
ALTER TABLE "oauth_grants" ADD COLUMN "rotated_at" timestamp with time zone;