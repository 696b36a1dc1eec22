//! The way to what somebody else names: every URL and host that a user, a client or a server gives is
//! reached through here and nowhere else.
//!
//! - [`Guard`] dials: a name is resolved here, its address is checked, and exactly that address is
//!   connected to. A name that leads into a private network is refused, whoever's resolver says so.
//! - [`Fetcher`] makes HTTP requests over it: no redirects, bounded time and size.
//!
//! Owner of state: the guard's places; the fetcher's idle connections.

mod asking;
mod fetcher;
mod guard;

pub use self::{
    asking::asking,
    fetcher::{FetchError, Fetcher, Limits, Request, Response},
    guard::{Guard, Refusal},
};
