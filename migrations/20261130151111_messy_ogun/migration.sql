DROP INDEX "user_tokens_owner_server_id";--> statement-breakpoint
ALTER TABLE "user_tokens" ADD COLUMN "kind" text DEFAULT 'credential' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "user_tokens_owner_server_id_kind" ON "user_tokens" ("owner","server_id","kind");