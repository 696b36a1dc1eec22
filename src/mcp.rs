//! The protocol data plane: what happens to a call between the HTTP worker and the child.
//!
//! A [`front::Front`] speaks to the client in its era, an [`upstream::Upstream`] to the child in
//! its own; between them travel JSON-RPC messages whose `params` and `result` stay the bytes that
//! they came as. This module peeks at id, method and progress token and replaces those in place.
//!
//! Owner of state: [`session::Sessions`] (client sessions of one instance, outlives its processes)
//! and the pending map of [`stdio::StdioUpstream`] (dies with its process).
//!
//! Invariants: no actor, no database, no lock held across an await, no re-serialisation of a
//! payload; ids on the wire to a child are minted here, so two clients can never collide.

pub mod ask;
pub mod bridge;
pub mod capabilities;
mod clock;
mod discovery;
pub mod era;
pub mod error;
pub mod front;
pub mod http;
pub mod jsonrpc;
mod members;
pub mod meta;
pub mod mirrored;
pub mod session;
pub mod sse;
pub mod stdio;
pub mod upstream;
pub mod version;
