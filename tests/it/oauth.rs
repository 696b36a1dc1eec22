//! The authorization server through the real binary, as a client and a browser see it.

mod challenges;
mod consent;
mod discovery;
mod ending;
mod requests;
mod tokens;
mod way;
