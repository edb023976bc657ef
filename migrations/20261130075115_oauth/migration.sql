CREATE TABLE "oauth_clients" (
	"id" text PRIMARY KEY,
	"name" text,
	"redirect_uris" text[] NOT NULL,
	"grant_types" text[] NOT NULL,
	"token_endpoint_auth_method" text NOT NULL,
	"secret_hash" text,
	"metadata" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "oauth_access_tokens" (
	"hash" text PRIMARY KEY,
	"grant_id" text NOT NULL,
	"issued_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "oauth_codes" (
	"hash" text PRIMARY KEY,
	"client_id" text NOT NULL,
	"redirect_uri" text NOT NULL,
	"code_challenge" text NOT NULL,
	"key_hash" text NOT NULL,
	"audience" text NOT NULL,
	"scope" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"grant_id" text,
	"spent_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "oauth_grants" (
	"id" text PRIMARY KEY,
	"client_id" text NOT NULL,
	"key_hash" text NOT NULL,
	"audience" text NOT NULL,
	"scope" text NOT NULL,
	"family_hash" text,
	"refresh_hash" text,
	"refresh_expires_at" timestamp with time zone,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "oauth_clients_created_at" ON "oauth_clients" ("created_at");--> statement-breakpoint
CREATE INDEX "oauth_clients_used_at" ON "oauth_clients" ("used_at");--> statement-breakpoint
CREATE INDEX "oauth_access_tokens_grant_id" ON "oauth_access_tokens" ("grant_id","issued_at");--> statement-breakpoint
CREATE INDEX "oauth_access_tokens_expires_at" ON "oauth_access_tokens" ("expires_at");--> statement-breakpoint
CREATE INDEX "oauth_codes_expires_at" ON "oauth_codes" ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "oauth_grants_family_hash" ON "oauth_grants" ("family_hash");--> statement-breakpoint
CREATE INDEX "oauth_grants_key_hash" ON "oauth_grants" ("key_hash","created_at");--> statement-breakpoint
CREATE INDEX "oauth_grants_expires_at" ON "oauth_grants" ("expires_at");--> statement-breakpoint
ALTER TABLE "oauth_access_tokens" ADD CONSTRAINT "oauth_access_tokens_grant_id_oauth_grants_id_fkey" FOREIGN KEY ("grant_id") REFERENCES "oauth_grants"("id") ON DELETE CASCADE;