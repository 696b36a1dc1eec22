-- Tools that a token is limited to, as a JSON array of names; all when NULL.
ALTER TABLE tokens ADD COLUMN tools TEXT;
-- Whether a token may call no tool at all.
ALTER TABLE tokens ADD COLUMN read_only BOOLEAN NOT NULL DEFAULT FALSE;
-- When a token was last refused, and what for.
ALTER TABLE tokens ADD COLUMN last_refused_at BIGINT;
ALTER TABLE tokens ADD COLUMN last_refusal TEXT;

-- The one proof that a session opens to, where that is limited to tools; to all of its user's when NULL.
ALTER TABLE client_sessions ADD COLUMN bound_to TEXT;

-- Instances that their owners share with others.
CREATE TABLE shares (
    id          TEXT NOT NULL CONSTRAINT shares_id PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    guest_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- A JSON array of names; all tools when NULL.
    tools       TEXT,
    read_only   BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    -- Until the owner ends it when NULL.
    expires_at  BIGINT,
    CONSTRAINT shares_instance_id_guest_id UNIQUE (instance_id, guest_id)
);
CREATE INDEX shares_by_guest ON shares (guest_id);
