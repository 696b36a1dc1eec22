-- What users have allowed OAuth clients, each on one instance. Clients have no foreign key: those that are
-- known by a document have no row.
CREATE TABLE oauth_grants (
    id             TEXT   NOT NULL CONSTRAINT oauth_grants_id PRIMARY KEY,
    user_id        TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    instance_id    TEXT   NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    client_id      TEXT   NOT NULL,
    -- As the user saw it when they consented.
    client_name    TEXT   NOT NULL,
    resource       TEXT   NOT NULL,
    scopes         TEXT   NOT NULL,
    -- A JSON list of names; all when null.
    tools          TEXT,
    created_at     BIGINT NOT NULL,
    -- When the last code or token of it ends; moves on with each refresh.
    expires_at     BIGINT NOT NULL,
    revoked_at     BIGINT,
    revoked_reason TEXT,
    last_used_at   BIGINT
);
CREATE INDEX oauth_grants_by_user ON oauth_grants (user_id);
CREATE INDEX oauth_grants_by_instance ON oauth_grants (instance_id);
CREATE INDEX oauth_grants_by_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_by_expiry ON oauth_grants (expires_at);

-- Authorization codes by their SHA-256. One that was used stays, so that its second use is noticed.
CREATE TABLE oauth_codes (
    hash         TEXT   NOT NULL CONSTRAINT oauth_codes_hash PRIMARY KEY,
    grant_id     TEXT   NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    redirect_uri TEXT   NOT NULL,
    challenge    TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT
);
CREATE INDEX oauth_codes_by_grant ON oauth_codes (grant_id);

-- Access and refresh tokens by their SHA-256. A refresh token that was used stays likewise.
CREATE TABLE oauth_tokens (
    hash       TEXT   NOT NULL CONSTRAINT oauth_tokens_hash PRIMARY KEY,
    grant_id   TEXT   NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
    kind       TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT,
    revoked_at BIGINT
);
CREATE INDEX oauth_tokens_by_grant ON oauth_tokens (grant_id);
CREATE INDEX oauth_tokens_by_expiry ON oauth_tokens (expires_at);
