CREATE TABLE "deleted_keys" (
	"hash" text PRIMARY KEY,
	"key_alias" text,
	"user_id" text,
	"team_id" text,
	"row" jsonb NOT NULL,
	"deleted_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_by" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mcp_servers" (
	"id" text PRIMARY KEY,
	"name" text NOT NULL,
	"alias" text,
	"settings" jsonb NOT NULL,
	"sealed_secrets" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_by" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "server_list_items" (
	"server_id" text,
	"kind" text,
	"name" text,
	"position" integer NOT NULL,
	"hash" text NOT NULL,
	"definition" jsonb NOT NULL,
	"first_seen_at" timestamp with time zone NOT NULL,
	"last_changed_at" timestamp with time zone NOT NULL,
	"removed_at" timestamp with time zone,
	CONSTRAINT "server_list_items_pkey" PRIMARY KEY("server_id","kind","name")
);
--> statement-breakpoint
CREATE TABLE "server_list_versions" (
	"server_id" text,
	"kind" text,
	"version" integer,
	"at" timestamp with time zone NOT NULL,
	"hash" text NOT NULL,
	"added" jsonb NOT NULL,
	"changed" jsonb NOT NULL,
	"removed" jsonb NOT NULL,
	CONSTRAINT "server_list_versions_pkey" PRIMARY KEY("server_id","kind","version")
);
--> statement-breakpoint
CREATE TABLE "server_lists" (
	"server_id" text,
	"kind" text,
	"source" text NOT NULL,
	"version" integer NOT NULL,
	"hash" text NOT NULL,
	"changed_at" timestamp with time zone NOT NULL,
	"listed_at" timestamp with time zone NOT NULL,
	CONSTRAINT "server_lists_pkey" PRIMARY KEY("server_id","kind")
);
--> statement-breakpoint
CREATE TABLE "superseded_keys" (
	"hash" text PRIMARY KEY,
	"successor_hash" text NOT NULL,
	"valid_until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "virtual_keys" ADD COLUMN "rotation_count" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "virtual_keys" ADD COLUMN "last_rotation_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "virtual_keys" ADD COLUMN "key_rotation_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "deleted_keys_deleted_at" ON "deleted_keys" ("deleted_at");--> statement-breakpoint
CREATE UNIQUE INDEX "mcp_servers_name_unique" ON "mcp_servers" ("name");--> statement-breakpoint
CREATE UNIQUE INDEX "mcp_servers_alias_unique" ON "mcp_servers" ("alias");--> statement-breakpoint
CREATE INDEX "superseded_keys_successor_hash" ON "superseded_keys" ("successor_hash");--> statement-breakpoint
CREATE INDEX "virtual_keys_key_rotation_at" ON "virtual_keys" ("key_rotation_at");