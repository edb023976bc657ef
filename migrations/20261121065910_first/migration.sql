CREATE TABLE "calls" (
	"id" text PRIMARY KEY,
	"trace_id" text NOT NULL,
	"kind" text NOT NULL,
	"method" text NOT NULL,
	"door" text NOT NULL,
	"request_id" text NOT NULL,
	"principal_id" text NOT NULL,
	"key_hash" text NOT NULL,
	"key_alias" text,
	"user_id" text,
	"team_id" text,
	"server_id" text,
	"server_name" text,
	"public_name" text,
	"target_name" text,
	"credential_type" text,
	"model" text,
	"provider" text,
	"round" integer,
	"prompt_tokens" integer,
	"completion_tokens" integer,
	"stage" text,
	"outcome" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"duration_ms" double precision NOT NULL
);
--> statement-breakpoint
CREATE TABLE "management_events" (
	"id" text PRIMARY KEY,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"object_type" text NOT NULL,
	"object_id" text NOT NULL,
	"details" jsonb DEFAULT '{}' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sealing_keys" (
	"key_id" text PRIMARY KEY,
	"check_value" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "virtual_keys" (
	"hash" text PRIMARY KEY,
	"key_name" text NOT NULL,
	"key_alias" text,
	"origin" text NOT NULL,
	"blocked" boolean DEFAULT false NOT NULL,
	"disabled_reason" text,
	"expires" timestamp with time zone,
	"user_id" text,
	"team_id" text,
	"organization_id" text,
	"project_id" text,
	"agent_id" text,
	"key_type" text DEFAULT 'default' NOT NULL,
	"models" jsonb DEFAULT '[]' NOT NULL,
	"object_permission_id" text,
	"object_permission" jsonb,
	"auto_tools" boolean DEFAULT false NOT NULL,
	"allowed_routes" jsonb DEFAULT '[]' NOT NULL,
	"access_group_ids" jsonb,
	"spend" double precision DEFAULT 0 NOT NULL,
	"max_budget" double precision,
	"soft_budget" double precision,
	"budget_id" text,
	"budget_duration" text,
	"budget_reset_at" timestamp with time zone,
	"budget_limits" jsonb,
	"budget_fallbacks" jsonb,
	"model_max_budget" jsonb DEFAULT '{}' NOT NULL,
	"max_parallel_requests" bigint,
	"tpm_limit" bigint,
	"rpm_limit" bigint,
	"aliases" jsonb DEFAULT '{}' NOT NULL,
	"config" jsonb DEFAULT '{}' NOT NULL,
	"permissions" jsonb DEFAULT '{}' NOT NULL,
	"metadata" jsonb DEFAULT '{}' NOT NULL,
	"allowed_cache_controls" jsonb DEFAULT '[]' NOT NULL,
	"router_settings" jsonb,
	"auto_rotate" boolean DEFAULT false NOT NULL,
	"rotation_interval" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_by" text NOT NULL
);
--> statement-breakpoint
CREATE INDEX "calls_started_at" ON "calls" ("started_at");--> statement-breakpoint
CREATE INDEX "calls_trace_id" ON "calls" ("trace_id");--> statement-breakpoint
CREATE INDEX "calls_key_hash_started_at" ON "calls" ("key_hash","started_at");--> statement-breakpoint
CREATE INDEX "management_events_object_type_at" ON "management_events" ("object_type","at");--> statement-breakpoint
CREATE UNIQUE INDEX "virtual_keys_key_alias_unique" ON "virtual_keys" ("key_alias");--> statement-breakpoint
CREATE INDEX "virtual_keys_created_at" ON "virtual_keys" ("created_at");--> statement-breakpoint
CREATE INDEX "virtual_keys_user_id" ON "virtual_keys" ("user_id");--> statement-breakpoint
CREATE INDEX "virtual_keys_team_id" ON "virtual_keys" ("team_id");