//! Signing in: by password, by a link in a mail, by another provider; with a second factor where there is one.
//!
//! The pages of all this work without a script. However somebody proves who they are, they go through
//! [`entry`]: the account must not be disabled, its second factor is asked for, every sign-in has a cookie of
//! its own, and the one that the browser had before is over.
//!
//! Owner of state: [`providers::UsedStates`] (answers of providers that were taken); the rest is in the database,
//! in cookies, and sealed in forms.
//!
//! Invariants: a form is taken only with the token of the cookie that it was made for; a page leads only to
//! paths of our own ([`next`]); whether an account exists shows neither in what is answered nor in how long
//! that takes.

pub mod account;
pub mod code;
pub mod cookies;
pub mod entry;
pub mod form;
pub mod home;
pub mod link;
pub mod mails;
pub mod next;
pub mod password;
pub mod providers;
mod refusal;
pub mod reset;
pub mod setup;
mod ticket;

pub use self::{providers::UsedStates, refusal::Refusal};
