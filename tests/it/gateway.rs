//! The data plane: MCP sessions, streams, faults of clients and of children, the REST forms.

mod clients;
mod faults;
mod http_child;
mod mixing;
mod rest;
mod restarts;
mod sessions;
mod streams;
