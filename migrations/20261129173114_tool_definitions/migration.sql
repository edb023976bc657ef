CREATE TABLE "tool_definitions" (
	"server_id" text,
	"name" text,
	"hash" text,
	"definition" jsonb NOT NULL,
	"verdict" text NOT NULL,
	"first_seen_at" timestamp with time zone NOT NULL,
	"decided_at" timestamp with time zone,
	"decided_by" text,
	CONSTRAINT "tool_definitions_pkey" PRIMARY KEY("server_id","name","hash")
);
