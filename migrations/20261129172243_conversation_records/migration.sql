CREATE TABLE "conversation_records" (
	"id" text PRIMARY KEY,
	"kind" text NOT NULL,
	"owner" text NOT NULL,
	"names" text[] NOT NULL,
	"value" text NOT NULL,
	"size" integer NOT NULL,
	"saved_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "conversation_records_names" ON "conversation_records" USING gin ("names");--> statement-breakpoint
CREATE INDEX "conversation_records_owner_saved_at" ON "conversation_records" ("owner","saved_at");--> statement-breakpoint
CREATE INDEX "conversation_records_expires_at" ON "conversation_records" ("expires_at");