//! The data plane: MCP sessions, streams, faults of clients and of children, the REST forms.

mod asked_across;
mod asks;
mod bad_children;
mod batches;
mod bridge;
mod clients;
mod disconnects;
mod ends;
mod eras;
mod faults;
mod http_child;
mod http_sse;
mod levels;
mod listening;
mod mixing;
mod questions;
mod rest;
mod restarts;
mod resuming;
mod sessions;
mod stateless;
mod statuses;
mod streams;
