-- Programs that may ask users for access: made by an administrator or a user (origin `fixed`), or by
-- themselves (origin `registered`, RFC 7591). Clients that are described by a document are not kept.
CREATE TABLE oauth_clients (
    id                TEXT   NOT NULL CONSTRAINT oauth_clients_id PRIMARY KEY,
    origin            TEXT   NOT NULL,
    name              TEXT   NOT NULL,
    redirect_uris     TEXT   NOT NULL,
    grant_types       TEXT   NOT NULL,
    -- As `token_endpoint_auth_method` of RFC 7591 names it.
    authentication    TEXT   NOT NULL,
    -- SHA-256 of the secret, hex.
    secret_hash       TEXT,
    -- A JSON Web Key Set, or where there is one.
    jwks              TEXT,
    jwks_uri          TEXT,
    homepage          TEXT,
    -- Whom a machine acts for.
    owner_id          TEXT REFERENCES users (id) ON DELETE CASCADE,
    -- Further members of the registration, as JSON.
    metadata          TEXT   NOT NULL,
    -- SHA-256 of the registration access token, hex.
    registration_hash TEXT,
    created_at        BIGINT NOT NULL,
    last_used_at      BIGINT
);
CREATE INDEX oauth_clients_by_owner ON oauth_clients (owner_id);
CREATE INDEX oauth_clients_by_origin ON oauth_clients (origin, last_used_at, created_at);

-- Terminals that wait for a user to let them in (RFC 8628); the codes are hashes.
CREATE TABLE oauth_devices (
    device_hash    TEXT   NOT NULL CONSTRAINT oauth_devices_device_hash PRIMARY KEY,
    user_hash      TEXT   NOT NULL CONSTRAINT oauth_devices_user_hash UNIQUE,
    client_id      TEXT   NOT NULL,
    -- As it was asked for, before anybody knew whether there is one: no foreign key.
    instance_id    TEXT   NOT NULL,
    scopes         TEXT   NOT NULL,
    resource       TEXT   NOT NULL,
    -- `pending`, `allowed`, `denied`.
    state          TEXT   NOT NULL,
    -- Who has answered.
    user_id        TEXT REFERENCES users (id) ON DELETE CASCADE,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    -- The least time between two polls, seconds, and the last of them.
    pace_seconds   BIGINT NOT NULL,
    polled_at      BIGINT
);
CREATE INDEX oauth_devices_by_expiry ON oauth_devices (expires_at);
CREATE INDEX oauth_devices_by_user ON oauth_devices (user_id);

-- Ids of client assertions that were used (RFC 7523, section 3, item 7), until they expire.
CREATE TABLE oauth_assertions (
    client_id  TEXT   NOT NULL,
    jti_hash   TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT oauth_assertions_client_id_jti_hash PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX oauth_assertions_by_expiry ON oauth_assertions (expires_at);
