//! Everything through the public surface: real server, real processes, real clients.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod catalog;
mod db;
mod layering;
mod process;
