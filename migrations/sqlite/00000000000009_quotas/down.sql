DROP TABLE usage_days;
DROP TABLE creations;
DROP TABLE group_members;
DROP TABLE groups;
DROP TABLE user_grants;
