//! The data plane: MCP sessions, streams, faults of clients and of children, the REST forms.

mod asks;
mod batches;
mod clients;
mod ends;
mod faults;
mod http_child;
mod http_sse;
mod listens;
mod mixing;
mod rest;
mod restarts;
mod resuming;
mod sessions;
mod statuses;
mod streams;
