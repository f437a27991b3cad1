-- For listing and ending the sessions of a user, in pages by id.
CREATE INDEX "sessions_user_id_idx" ON "sessions" ("user_id", "id") WHERE "user_id" IS NOT NULL;
