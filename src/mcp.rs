//! The protocol data plane: what happens to a call between the HTTP worker and the child.
//!
//! A [`front::Front`] speaks to the client in its era, an [`upstream::Upstream`] to the child in
//! its own, and where those differ a [`bridge`] stands between. What travels are JSON-RPC messages
//! whose `params` and `result` stay the bytes that they came as: this module peeks at ids, methods and
//! `_meta`, and replaces or adds members in place.
//!
//! Owner of state: [`session::Sessions`] (client sessions of one instance, outlives its processes),
//! the pending map of a [`stdio::Pipe`] and the parked calls and listeners of a [`bridge`] (die with
//! the process).
//!
//! Invariants: no actor, no database, no lock held across an await, no re-serialisation of a
//! payload; where clients share a conversation with a child, ids and progress tokens on the wire to
//! it are minted here, so two clients can never collide; what is kept for a client is bound to it,
//! bounded in number and size, and expires.

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
pub mod limited;
mod members;
pub mod meta;
pub mod mirrored;
pub mod session;
pub mod sse;
pub mod stdio;
pub mod upstream;
pub mod version;
