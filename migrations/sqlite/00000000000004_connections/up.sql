-- Seconds without use after which the instance sleeps; 0: never; absent: as the service or Berth says.
ALTER TABLE instances ADD COLUMN idle_seconds INTEGER;

-- Clients of instances in session mode, each with processes and files of its own.
CREATE TABLE connections (
    id           TEXT    NOT NULL PRIMARY KEY,
    instance_id  TEXT    NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    -- With which grant a client without a session comes; absent: the id is the session's.
    client       TEXT,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connections_by_instance ON connections (instance_id);
