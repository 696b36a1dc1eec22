//! The REST API through the real binary; one file per kind of thing.

mod accounts;
mod audit;
mod credentials;
mod curated;
mod dashboard;
mod debug;
mod diagnose;
mod import;
mod instances;
mod lean;
mod lifecycle;
mod logs;
mod malformed;
mod notices;
mod remotes;
mod removal;
mod routes;
mod services;
mod sign_in;
mod slow;
mod system;
mod tokens;
mod updates;
mod vault;
