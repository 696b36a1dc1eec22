-- Ids are UUIDs as text, times milliseconds since the epoch, enums and JSON text.
-- A foreign key without ON DELETE refuses: what runs or is shared is never deleted in passing.

-- Numbers that are handed out once and never again.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('users', 0), ('audit', 0);

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id             TEXT    NOT NULL PRIMARY KEY,
    number         INTEGER NOT NULL UNIQUE,
    email          TEXT    NOT NULL UNIQUE,
    password_hash  TEXT,
    role           TEXT    NOT NULL,
    instance_quota INTEGER,
    created_at     INTEGER NOT NULL,
    disabled_at    INTEGER
) STRICT;

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash         TEXT    NOT NULL UNIQUE,
    csrf_hash    TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    user_agent   TEXT
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE services (
    name       TEXT    NOT NULL PRIMARY KEY,
    owner_id   TEXT REFERENCES users (id),
    manifest   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX services_by_owner ON services (owner_id);

CREATE TABLE credentials (
    id              TEXT    NOT NULL PRIMARY KEY,
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service         TEXT    NOT NULL,
    label           TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    hint            TEXT    NOT NULL,
    sealed          TEXT    NOT NULL,
    key_id          TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    rotated_at      INTEGER,
    previous_sealed TEXT,
    previous_until  INTEGER
) STRICT;
CREATE INDEX credentials_by_user ON credentials (user_id);

CREATE TABLE instances (
    id            TEXT    NOT NULL PRIMARY KEY,
    user_id       TEXT    NOT NULL REFERENCES users (id),
    service       TEXT    NOT NULL,
    number        INTEGER NOT NULL,
    slug          TEXT    NOT NULL UNIQUE,
    label         TEXT    NOT NULL,
    mode          TEXT    NOT NULL,
    desired       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    port          INTEGER,
    config        TEXT    NOT NULL,
    env_sealed    TEXT,
    credential_id TEXT REFERENCES credentials (id) ON DELETE SET NULL,
    limits        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    expires_at    INTEGER,
    restarts      INTEGER NOT NULL,
    last_error    TEXT,
    last_good     TEXT,
    UNIQUE (user_id, service, number)
) STRICT;
CREATE INDEX instances_by_credential ON instances (credential_id);

CREATE TABLE tokens (
    id           TEXT    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    hash         TEXT    NOT NULL UNIQUE,
    hint         TEXT    NOT NULL,
    -- Kept apart from token_instances: a token whose last instance is gone reaches nothing, not all.
    scoped       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT;
CREATE INDEX tokens_by_user ON tokens (user_id);

CREATE TABLE token_instances (
    token_id    TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    PRIMARY KEY (token_id, instance_id)
) STRICT;
CREATE INDEX token_instances_by_instance ON token_instances (instance_id);

CREATE TABLE events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    instance_id TEXT    NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    detail      TEXT    NOT NULL
) STRICT;
CREATE INDEX events_by_instance ON events (instance_id, id);
CREATE INDEX events_by_time ON events (at);

-- Append-only; each row's hash covers the row before it. The actor has no foreign key: the record
-- outlives the account.
CREATE TABLE audit (
    seq       INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    actor     TEXT,
    action    TEXT    NOT NULL,
    target    TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    prev_hash TEXT    NOT NULL,
    hash      TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_by_actor ON audit (actor, seq);
