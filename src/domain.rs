//! Pure types and rules: ids, the lifecycle state machine, restart policy, ports, limits, manifests.
//!
//! Invariants: no I/O, no async, no clock but the one that is passed in, no dependency on any
//! other module of the crate. Everything here is tested by tables and properties beside the code.

pub mod connection;
pub mod crash;
pub mod credential;
pub mod diagnosis;
pub mod fingerprint;
pub mod ids;
pub mod instance;
pub mod lifecycle;
pub mod limits;
pub mod manifest;
pub mod metering;
pub mod names;
pub mod network;
pub mod notice;
pub mod ports;
pub mod quota;
pub mod restart;
pub mod secret;
pub mod template;
pub mod time;
pub mod tool_changes;
pub mod tools;
pub mod uids;
pub mod usage;
pub mod walls;
