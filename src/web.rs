//! HTTP: every route on one screen.

pub mod api;
pub mod error;
pub mod extract;
mod framework;
mod gateway;
pub mod origin;
pub mod pages;
pub mod state;

use actix_web::web::{self, ServiceConfig};

use self::{
    api::{
        auth, credentials, debug, diagnose, instances, logs, openapi, operations, services, sessions, shares, system,
        tokens, users,
    },
    framework::{at, delete, get, head, patch, post},
};

/// All routes. Instances come last: the first segment of their URLs is a variable.
pub fn configure(config: &mut ServiceConfig) {
    framework::configure(config);
    config
        .service(at("/health", [get(system::health), head(system::health)]))
        .service(at("/health/sessions", [get(sessions::health)]))
        .service(at("/metrics", [get(system::metrics)]))
        .service(at("/openapi.json", [get(openapi::document)]))
        .service(at("/assets/pages.css", [get(pages::style)]))
        .service(at("/api/v1/auth/login", [post(auth::login)]))
        .service(at("/api/v1/auth/logout", [post(auth::logout)]))
        .service(at("/api/v1/auth/me", [get(auth::me)]))
        .service(at("/api/v1/me", [get(auth::me)]))
        .service(at("/api/v1/services", [get(services::list), post(services::create)]))
        .service(at("/api/v1/services/{name}", [get(services::show), delete(services::remove)]))
        .service(at("/api/v1/mcps", [get(instances::list), post(instances::create)]))
        .service(at("/api/v1/mcps/{id}", [get(instances::show), patch(operations::change), delete(instances::delete)]))
        .service(at("/api/v1/mcps/{id}/toggle", [post(operations::toggle)]))
        .service(at("/api/v1/mcps/{id}/restart", [post(operations::restart)]))
        .service(at("/api/v1/mcps/{id}/renew", [post(operations::renew)]))
        .service(at("/api/v1/mcps/{id}/restore", [post(operations::restore)]))
        .service(at("/api/v1/mcps/{id}/clone", [post(operations::clone)]))
        .service(at("/api/v1/mcps/{id}/debug", [post(debug::set)]))
        .service(at("/api/v1/mcps/{id}/diagnose", [get(diagnose::report)]))
        .service(at("/api/v1/mcps/{id}/logs", [get(logs::lines)]))
        .service(at("/api/v1/mcps/{id}/logs/stream", [get(logs::follow)]))
        .service(at("/api/v1/mcps/{id}/stats", [get(operations::stats)]))
        .service(at("/api/v1/mcps/{id}/events", [get(operations::events)]))
        .service(at("/api/v1/credentials", [get(credentials::list), post(credentials::create)]))
        .service(at("/api/v1/credentials/{id}", [delete(credentials::delete)]))
        .service(at("/api/v1/credentials/{id}/rotate", [post(credentials::rotate)]))
        .service(at("/api/v1/tokens", [get(tokens::list), post(tokens::create)]))
        .service(at("/api/v1/tokens/{id}", [patch(tokens::rename), delete(tokens::revoke)]))
        .service(at("/api/v1/shares", [get(shares::received)]))
        .service(at("/api/v1/mcps/{id}/shares", [get(shares::list), post(shares::create)]))
        .service(at("/api/v1/mcps/{id}/shares/{share}", [delete(shares::delete)]))
        .service(at("/api/v1/users", [get(users::list), post(users::create)]))
        .service(at("/api/v1/users/{id}", [get(users::show), patch(users::change), delete(users::remove)]))
        .service(at("/api/v1/audit", [get(users::audit_list)]))
        .service(at("/api/v1/admin/limits", [get(system::limits)]))
        .service(at("/api/v1/admin/refresh", [post(system::refresh)]));
    for prefix in ["/api/v1", ""] {
        config
            .service(at(&format!("{prefix}/sessions"), [get(sessions::list)]))
            .service(at(&format!("{prefix}/sessions/{{id}}"), [get(sessions::show), delete(sessions::end)]))
            .service(at(&format!("{prefix}/sessions/{{id}}/state"), [get(sessions::inspect)]));
    }
    gateway::configure(config);
    config.default_service(web::to(framework::not_found));
}
