//! The authorization server's core: what a user allows a client, and the codes and tokens that come of it.
//!
//! From OAuth 2.1 (draft-ietf-oauth-v2-1) with RFC 7636 (PKCE, S256 alone), RFC 8707 (every grant is for one
//! instance), RFC 9207 (`iss`), RFC 9700 (rotation, one use). Which programs may ask at all is
//! [`super::oauth_clients`]'s; how it looks over HTTP is the web layer's.
//!
//! Owner of state: the database. Invariants: codes and tokens are kept as hashes; a code and a refresh token
//! work once, and a second use ends everything that came of the same consent; whoever revokes tells the
//! authenticator before they answer.

pub mod codes;
pub mod grants;
pub mod metadata;
pub mod resource;
pub mod scopes;
pub mod user_code;

pub use self::scopes::{Scope, Scopes};
