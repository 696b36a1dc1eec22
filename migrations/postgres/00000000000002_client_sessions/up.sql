-- Sessions of MCP clients: a client goes on with its session when Berth was restarted.
CREATE TABLE client_sessions (
    id            TEXT   NOT NULL CONSTRAINT client_sessions_id PRIMARY KEY,
    instance_id   TEXT   NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    transport     TEXT   NOT NULL,
    version       TEXT   NOT NULL,
    hello         TEXT   NOT NULL,
    subscriptions TEXT   NOT NULL,
    level         TEXT,
    opened_at     BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL
);
CREATE INDEX client_sessions_by_instance ON client_sessions (instance_id);
CREATE INDEX client_sessions_by_user ON client_sessions (user_id);
