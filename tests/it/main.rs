//! Everything through the public surface: real server, real processes, real clients.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod api;
mod canary;
mod catalog;
mod cli;
mod db;
mod fuzz_corpus;
mod gateway;
mod hostile;
mod layering;
mod oauth;
mod oauth_clients;

mod process;
mod quotas;
mod shared;
mod sharing;
mod sign_in;
mod soak;
mod soak_rooms;
mod supervision;
mod support;
mod tool_limits;
