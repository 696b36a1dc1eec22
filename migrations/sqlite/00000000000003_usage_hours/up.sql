-- What each instance used, one row per hour in which it ran.
CREATE TABLE usage_hours (
    instance_id   TEXT    NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    hour          INTEGER NOT NULL,
    samples       INTEGER NOT NULL,
    memory_sum    INTEGER NOT NULL,
    memory_max    INTEGER NOT NULL,
    cpu_ms        INTEGER NOT NULL,
    processes_max INTEGER NOT NULL,
    requests      INTEGER NOT NULL,
    PRIMARY KEY (instance_id, hour)
) STRICT;
CREATE INDEX usage_hours_by_hour ON usage_hours (hour);
