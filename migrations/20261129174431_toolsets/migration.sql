CREATE TABLE "toolsets" (
	"id" text PRIMARY KEY,
	"name" text NOT NULL,
	"description" text,
	"tools" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_by" text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "toolsets_name_unique" ON "toolsets" ("name");