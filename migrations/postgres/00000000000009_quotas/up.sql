-- What a user was given apart from everybody: figures as JSON (the number of instances stays in
-- users.instance_quota), and the services that they may use as a JSON list; NULL leaves both to their
-- groups and the installation.
CREATE TABLE user_grants (
    user_id  TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    quota    TEXT NOT NULL,
    services TEXT
);

CREATE TABLE groups (
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    quota       TEXT   NOT NULL,
    services    TEXT,
    created_at  BIGINT NOT NULL,
    CONSTRAINT groups_name UNIQUE (name)
);

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT group_members_key PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_by_user ON group_members (user_id);

-- Instances that were made, for as long as they count; without a foreign key, as deleting one takes
-- nothing back.
CREATE TABLE creations (
    instance_id TEXT   NOT NULL PRIMARY KEY,
    user_id     TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at          BIGINT NOT NULL
);
CREATE INDEX creations_by_user ON creations (user_id, at);

-- Requests to instances per user, service and day (days since 1970-01-01, UTC). The address is kept, and no
-- foreign key: what was used outlives the account, for whoever bills by it.
CREATE TABLE usage_days (
    user_id    TEXT   NOT NULL,
    service    TEXT   NOT NULL,
    day        BIGINT NOT NULL,
    email      TEXT   NOT NULL,
    calls      BIGINT NOT NULL,
    errors     BIGINT NOT NULL,
    micros_sum BIGINT NOT NULL,
    latency    TEXT   NOT NULL,
    CONSTRAINT usage_days_key PRIMARY KEY (user_id, service, day)
);
CREATE INDEX usage_days_by_day ON usage_days (day);
