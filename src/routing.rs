//! From a URL to an instance: a lock-free snapshot of routes, and what a call needs of each.
//!
//! Owner of state: the supervisor is the only writer of the [`RouteTable`]; an instance's actor is
//! the only writer of its route's link and status. Readers take no lock and send no message.

mod access;
mod connections;
mod route;
mod shares;
mod table;
mod trace;
mod traffic;

pub use self::{
    access::{AccessBuffer, AccessEntry},
    connections::{Connections, Order, Seat},
    route::{Link, Route, unavailable},
    shares::{Share, Shares},
    table::RouteTable,
    trace::{Trace, word},
    traffic::Traffic,
};
