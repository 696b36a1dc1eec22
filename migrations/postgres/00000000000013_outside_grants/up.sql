-- Berth as a client of outside services, and what people have granted it there.
CREATE TABLE outside_clients (
    service       TEXT    NOT NULL PRIMARY KEY,
    client_id     TEXT    NOT NULL,
    -- None for a public client.
    sealed_secret TEXT,
    -- The only place where the secret is sent.
    token_url     TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL
);

-- The access token is the credential's value.
CREATE TABLE outside_grants (
    credential_id  TEXT    NOT NULL PRIMARY KEY REFERENCES credentials (id) ON DELETE CASCADE,
    -- None where the service gave no refresh token.
    sealed_refresh TEXT,
    -- The only place where the refresh token is sent.
    token_url      TEXT    NOT NULL,
    scope          TEXT    NOT NULL,
    expires_at     BIGINT,
    refresh_at     BIGINT,
    failures       BIGINT  NOT NULL,
    lapsed_at      BIGINT,
    lapsed_why     TEXT,
    -- Who is refreshing it, and until when nobody else may.
    lease          TEXT,
    leased_until   BIGINT
);
CREATE INDEX outside_grants_by_refresh ON outside_grants (refresh_at);
