-- What people are told, the ways in which they are told it, and what is still on its way.
CREATE TABLE notifications (
    id      TEXT    NOT NULL PRIMARY KEY,
    user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    -- What it is about: the same kind about the same thing is told once in a while only.
    subject TEXT    NOT NULL,
    title   TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    -- Whether it is listed in the app; if not, it is kept for what is on its way, and not told twice.
    listed  INTEGER NOT NULL,
    read_at INTEGER
) STRICT;
CREATE INDEX notifications_by_user ON notifications (user_id, id);
CREATE INDEX notifications_by_subject ON notifications (user_id, kind, subject, at);
CREATE INDEX notifications_by_time ON notifications (at);

-- Only what differs from the default of its kind.
CREATE TABLE notification_preferences (
    user_id TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind    TEXT    NOT NULL,
    app     INTEGER NOT NULL,
    mail    INTEGER NOT NULL,
    webhook INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind)
) STRICT;

CREATE TABLE webhooks (
    id            TEXT    NOT NULL PRIMARY KEY,
    user_id       TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    url           TEXT    NOT NULL,
    sealed        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    -- Since when every attempt fails; NULL after a success.
    failing_since INTEGER,
    disabled_at   INTEGER,
    last_at       INTEGER,
    last_status   TEXT
) STRICT;
CREATE INDEX webhooks_by_user ON webhooks (user_id);

-- The queue. A row goes when it was delivered or given up.
CREATE TABLE deliveries (
    id              TEXT    NOT NULL PRIMARY KEY,
    notification_id TEXT    NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- NULL: by mail.
    webhook_id      TEXT REFERENCES webhooks (id) ON DELETE CASCADE,
    -- Of one way at most one is under way: `mail:{user}` or `webhook:{id}`.
    way             TEXT    NOT NULL,
    attempts        INTEGER NOT NULL,
    next_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_time ON deliveries (next_at);
CREATE INDEX deliveries_by_way ON deliveries (way);
CREATE INDEX deliveries_by_notification ON deliveries (notification_id);
CREATE INDEX deliveries_by_user ON deliveries (user_id);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id);

-- Accounts that are removed and can still be brought back.
CREATE TABLE removals (
    user_id     TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    removed_at  INTEGER NOT NULL,
    erase_at    INTEGER NOT NULL,
    -- Since when the account was disabled before.
    disabled_at INTEGER,
    -- A JSON array: the instances that were wanted.
    running     TEXT    NOT NULL
) STRICT;
CREATE INDEX removals_by_time ON removals (erase_at);

-- The audit log is filtered by these, and its own rules hold for whoever comes by SQL as well: nothing
-- is changed, and nothing is removed but from the front, up to where a checkpoint in the chain says.
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_target ON audit (target, seq);
CREATE INDEX audit_by_time ON audit (at, seq);
INSERT INTO counters (name, value) VALUES ('audit_purged', 0);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT value FROM counters WHERE name = 'audit_purged')
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
