//! HTTP: every route on one screen.

pub mod api;
pub mod error;
pub mod extract;
mod framework;
mod gateway;
pub mod origin;
pub mod state;

use actix_web::{
    Scope, middleware,
    web::{ServiceConfig, delete, get, patch, post, resource, scope, to},
};

use self::api::{auth, credentials, instances, logs, operations, services, sessions, system, tokens, users};

/// All routes. Instances come last: the first segment of their URLs is a variable.
pub fn configure(config: &mut ServiceConfig) {
    framework::configure(config);
    config
        .service(resource("/health").route(get().to(system::health)))
        .service(resource("/health/sessions").route(get().to(sessions::health)))
        .service(resource("/metrics").route(get().to(system::metrics)))
        .service(resource("/openapi.json").route(get().to(api::openapi::document)))
        .service(session_routes("/sessions"))
        .service(api_routes());
    gateway::configure(config);
}

fn api_routes() -> impl actix_web::dev::HttpServiceFactory {
    scope("/api/v1")
        .wrap(middleware::from_fn(framework::security_headers))
        .service(resource("/auth/login").route(post().to(auth::login)))
        .service(resource("/auth/logout").route(post().to(auth::logout)))
        .service(resource("/me").route(get().to(auth::me)))
        .service(resource("/services").route(get().to(services::list)).route(post().to(services::create)))
        .service(resource("/services/{name}").route(get().to(services::show)).route(delete().to(services::remove)))
        .service(resource("/mcps").route(get().to(instances::list)).route(post().to(instances::create)))
        .service(
            resource("/mcps/{id}")
                .route(get().to(instances::show))
                .route(patch().to(operations::change))
                .route(delete().to(instances::delete)),
        )
        .service(resource("/mcps/{id}/toggle").route(post().to(operations::toggle)))
        .service(resource("/mcps/{id}/restart").route(post().to(operations::restart)))
        .service(resource("/mcps/{id}/renew").route(post().to(operations::renew)))
        .service(resource("/mcps/{id}/restore").route(post().to(operations::restore)))
        .service(resource("/mcps/{id}/clone").route(post().to(operations::clone)))
        .service(resource("/mcps/{id}/logs").route(get().to(logs::lines)))
        .service(resource("/mcps/{id}/logs/stream").route(get().to(logs::follow)))
        .service(resource("/mcps/{id}/stats").route(get().to(operations::stats)))
        .service(resource("/mcps/{id}/events").route(get().to(operations::events)))
        .service(resource("/credentials").route(get().to(credentials::list)).route(post().to(credentials::create)))
        .service(resource("/credentials/{id}").route(delete().to(credentials::delete)))
        .service(resource("/credentials/{id}/rotate").route(post().to(credentials::rotate)))
        .service(resource("/tokens").route(get().to(tokens::list)).route(post().to(tokens::create)))
        .service(resource("/tokens/{id}").route(delete().to(tokens::revoke)))
        .service(resource("/users").route(get().to(users::list)).route(post().to(users::create)))
        .service(resource("/users/{id}").route(patch().to(users::change)).route(delete().to(users::remove)))
        .service(resource("/audit").route(get().to(users::audit_list)))
        .service(session_routes("/sessions"))
        .default_service(to(framework::not_found))
}

fn session_routes(prefix: &str) -> Scope {
    scope(prefix)
        .service(resource("").route(get().to(sessions::list)))
        .service(resource("/{id}").route(get().to(sessions::show)).route(delete().to(sessions::end)))
        .service(resource("/{id}/state").route(get().to(sessions::show)))
}
