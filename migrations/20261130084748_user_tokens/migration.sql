CREATE TABLE "user_tokens" (
	"id" text PRIMARY KEY,
	"owner" text NOT NULL,
	"server_id" text NOT NULL,
	"identity" text NOT NULL,
	"sealed" text NOT NULL,
	"scopes" text[] NOT NULL,
	"expires_at" timestamp with time zone,
	"refreshable" boolean NOT NULL,
	"needs_sign_in" boolean DEFAULT false NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"refreshing_until" timestamp with time zone,
	"connected_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "user_tokens_owner_server_id" ON "user_tokens" ("owner","server_id");