//! HTTP: every route on one screen.

pub mod api;
pub mod error;
pub mod extract;
mod gateway;
pub mod origin;
pub mod state;

use actix_web::web::{ServiceConfig, delete, get, patch, post, resource, scope};

use self::api::{auth, instances, services, tokens, users};

/// All routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(resource("/health").route(get().to(health))).service(
        scope("/api/v1")
            .service(resource("/auth/login").route(post().to(auth::login)))
            .service(resource("/auth/logout").route(post().to(auth::logout)))
            .service(resource("/me").route(get().to(auth::me)))
            .service(resource("/services").route(get().to(services::list)).route(post().to(services::create)))
            .service(resource("/services/{name}").route(get().to(services::show)))
            .service(resource("/mcps").route(get().to(instances::list)).route(post().to(instances::create)))
            .service(resource("/mcps/{id}").route(get().to(instances::show)).route(delete().to(instances::delete)))
            .service(resource("/mcps/{id}/toggle").route(post().to(instances::toggle)))
            .service(resource("/mcps/{id}/restart").route(post().to(instances::restart)))
            .service(resource("/tokens").route(get().to(tokens::list)).route(post().to(tokens::create)))
            .service(resource("/tokens/{id}").route(delete().to(tokens::revoke)))
            .service(resource("/users").route(get().to(users::list)).route(post().to(users::create)))
            .service(resource("/users/{id}").route(patch().to(users::change)).route(delete().to(users::remove)))
            .service(resource("/audit").route(get().to(users::audit_list))),
    );
    gateway::configure(config);
}

async fn health() -> &'static str {
    "{\"status\":\"ok\"}"
}
