CREATE TABLE "mcp_session_mail" (
	"id" text PRIMARY KEY,
	"body" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mcp_sessions" (
	"id" text PRIMARY KEY,
	"owner" text NOT NULL,
	"protocol_version" text NOT NULL,
	"capabilities" jsonb NOT NULL,
	"names" jsonb,
	"log_level" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"used_at" timestamp with time zone DEFAULT now() NOT NULL,
	"held_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "mcp_stream_events" (
	"stream_id" text,
	"position" integer,
	"session_id" text NOT NULL,
	"message" text NOT NULL,
	"last" boolean NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "mcp_stream_events_pkey" PRIMARY KEY("stream_id","position")
);
--> statement-breakpoint
CREATE INDEX "mcp_session_mail_at_index" ON "mcp_session_mail" ("at");--> statement-breakpoint
CREATE INDEX "mcp_sessions_owner_used_at_index" ON "mcp_sessions" ("owner","used_at");--> statement-breakpoint
CREATE INDEX "mcp_sessions_used_at_index" ON "mcp_sessions" ("used_at");--> statement-breakpoint
CREATE INDEX "mcp_stream_events_at_index" ON "mcp_stream_events" ("at");