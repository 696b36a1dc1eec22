-- Ids are UUIDs as text, times milliseconds since the epoch, enums and JSON text.
-- Unique constraints are named table_columns, as SQLite's messages name them.
-- A foreign key without ON DELETE refuses: what runs or is shared is never deleted in passing.

-- Numbers that are handed out once and never again.
CREATE TABLE counters (
    name  TEXT    NOT NULL CONSTRAINT counters_name PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('users', 0), ('audit', 0);

CREATE TABLE settings (
    key   TEXT NOT NULL CONSTRAINT settings_key PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id             TEXT    NOT NULL CONSTRAINT users_id PRIMARY KEY,
    number         BIGINT NOT NULL CONSTRAINT users_number UNIQUE,
    email          TEXT    NOT NULL CONSTRAINT users_email UNIQUE,
    password_hash  TEXT,
    role           TEXT    NOT NULL,
    instance_quota BIGINT,
    created_at     BIGINT NOT NULL,
    disabled_at    BIGINT
);

CREATE TABLE sessions (
    id           TEXT    NOT NULL CONSTRAINT sessions_id PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash         TEXT    NOT NULL CONSTRAINT sessions_hash UNIQUE,
    csrf_hash    TEXT,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    user_agent   TEXT
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE services (
    name       TEXT    NOT NULL CONSTRAINT services_name PRIMARY KEY,
    owner_id   TEXT REFERENCES users (id),
    manifest   TEXT    NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX services_by_owner ON services (owner_id);

CREATE TABLE credentials (
    id              TEXT    NOT NULL CONSTRAINT credentials_id PRIMARY KEY,
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service         TEXT    NOT NULL,
    label           TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    hint            TEXT    NOT NULL,
    sealed          TEXT    NOT NULL,
    key_id          TEXT    NOT NULL,
    created_at      BIGINT NOT NULL,
    rotated_at      BIGINT,
    previous_sealed TEXT,
    previous_until  BIGINT
);
CREATE INDEX credentials_by_user ON credentials (user_id);

CREATE TABLE instances (
    id            TEXT    NOT NULL CONSTRAINT instances_id PRIMARY KEY,
    user_id       TEXT    NOT NULL REFERENCES users (id),
    service       TEXT    NOT NULL,
    number        BIGINT NOT NULL,
    slug          TEXT    NOT NULL CONSTRAINT instances_slug UNIQUE,
    label         TEXT    NOT NULL,
    mode          TEXT    NOT NULL,
    desired       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    port          BIGINT,
    config        TEXT    NOT NULL,
    env_sealed    TEXT,
    credential_id TEXT REFERENCES credentials (id) ON DELETE SET NULL,
    limits        TEXT    NOT NULL,
    created_at    BIGINT NOT NULL,
    started_at    BIGINT,
    expires_at    BIGINT,
    restarts      BIGINT NOT NULL,
    last_error    TEXT,
    last_good     TEXT,
    CONSTRAINT instances_user_id_service_number UNIQUE (user_id, service, number)
);
CREATE INDEX instances_by_credential ON instances (credential_id);

CREATE TABLE tokens (
    id           TEXT    NOT NULL CONSTRAINT tokens_id PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    hash         TEXT    NOT NULL CONSTRAINT tokens_hash UNIQUE,
    hint         TEXT    NOT NULL,
    -- Kept apart from token_instances: a token whose last instance is gone reaches nothing, not all.
    scoped       BOOLEAN NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);
CREATE INDEX tokens_by_user ON tokens (user_id);

CREATE TABLE token_instances (
    token_id    TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    CONSTRAINT token_instances_token_id_instance_id PRIMARY KEY (token_id, instance_id)
);
CREATE INDEX token_instances_by_instance ON token_instances (instance_id);

CREATE TABLE events (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id TEXT    NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    at          BIGINT NOT NULL,
    kind        TEXT    NOT NULL,
    detail      TEXT    NOT NULL
);
CREATE INDEX events_by_instance ON events (instance_id, id);
CREATE INDEX events_by_time ON events (at);

-- Append-only; each row's hash covers the row before it. The actor has no foreign key: the record
-- outlives the account.
CREATE TABLE audit (
    seq       BIGINT NOT NULL CONSTRAINT audit_seq PRIMARY KEY,
    at        BIGINT NOT NULL,
    actor     TEXT,
    action    TEXT    NOT NULL,
    target    TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    prev_hash TEXT    NOT NULL,
    hash      TEXT    NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor, seq);
