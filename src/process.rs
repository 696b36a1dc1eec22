//! Placeholder.
pub mod launch;
