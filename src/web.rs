//! HTTP: every route on one screen.

pub mod error;
mod gateway;
pub mod origin;
pub mod state;

use actix_web::web::ServiceConfig;

/// All routes.
pub fn configure(config: &mut ServiceConfig) {
    gateway::configure(config);
}
