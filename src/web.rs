//! HTTP: every route on one screen.

pub mod api;
pub mod connect;
pub mod dashboard;
pub mod error;
pub mod extract;
mod framework;
mod gateway;
pub mod oauth;
pub mod oauth_clients;
pub mod origin;
pub mod pages;
mod rate_limit;
pub mod sign_in;
pub mod state;

use actix_web::web::{self, ServiceConfig};

use self::{
    api::{
        admin_health, audit_log, auth, client_config, credentials, curated, debug, diagnose, grants, groups, import,
        instance_stream, instances, logs, me, notifications, oauth_clients as clients, openapi, operations,
        outside_clients, removal, second_factor, services, sessions, shares, system, tokens, updates, usage, users,
        webhooks,
    },
    framework::{at, delete, get, head, open, patch, post, put, secret},
    gateway::rest,
    oauth::{authorize, consent, discovery, introspect, revoke, token},
    oauth_clients::{device, device_page, manage, register},
    sign_in::{code, home, link, password, providers, reset, setup},
};

/// All routes. Of instances, calls come first, as they are many, and the rest last: their first segment is a variable.
pub fn configure(config: &mut ServiceConfig) {
    framework::configure(config);
    gateway::configure_calls(config);
    config
        .service(at("/health", [get(system::health), head(system::health)]))
        .service(at("/health/sessions", [get(sessions::health)]))
        .service(at("/metrics", [get(system::metrics)]))
        .service(at("/openapi.json", [get(openapi::document)]))
        .service(at("/assets/pages.css", [get(pages::style)]))
        .service(at("/assets/{version}/{name:.*}", [get(dashboard::asset)]))
        .service(at("/", [get(home::show)]))
        .service(at("/app", [get(dashboard::home)]))
        .service(at("/app/{tail:.*}", [get(dashboard::page)]))
        .service(at("/login", [get(password::show), post(password::submit)]))
        .service(at("/login/code", [post(code::check)]))
        .service(at("/login/link", [post(link::ask)]))
        .service(at("/login/link/{token}", [get(link::show), post(link::open)]))
        .service(at("/login/reset", [get(reset::show_ask), post(reset::ask)]))
        .service(at("/login/reset/{token}", [get(reset::show), post(reset::set)]))
        .service(at("/login/oidc/{provider}", [get(providers::begin)]))
        .service(at("/login/oidc/{provider}/callback", [get(providers::finish)]))
        .service(at("/logout", [post(password::sign_out)]))
        .service(at("/setup/{token}", [get(setup::show), post(setup::create)]))
        .service(at("/api/v1/auth/login", [post(auth::login)]))
        .service(at("/api/v1/auth/link", [post(auth::link)]))
        .service(at("/api/v1/auth/reset", [post(auth::reset)]))
        .service(at("/api/v1/auth/logout", [post(auth::logout)]))
        .service(at("/api/v1/auth/me", [get(auth::me)]))
        .service(at("/api/v1/me", [get(auth::me)]))
        .service(at("/api/v1/me/logins", [get(me::logins), delete(me::end_other_logins)]))
        .service(at("/api/v1/me/logins/{id}", [delete(me::end_login)]))
        .service(at("/api/v1/me/password", [post(me::set_password)]))
        .service(at("/api/v1/me/totp", [post(second_factor::begin), delete(second_factor::remove)]))
        .service(at("/api/v1/me/totp/confirm", [post(second_factor::confirm)]))
        .service(at("/api/v1/services", [get(services::list), post(services::create)]))
        .service(secret(
            "/api/v1/services/{name}/oauth-client",
            [get(outside_clients::show), put(outside_clients::put), delete(outside_clients::remove)],
        ))
        .service(secret("/api/v1/services/import", [post(import::import)]))
        .service(at("/api/v1/services/{name}", [get(services::show), delete(services::remove)]))
        .service(at("/api/v1/services/{name}/updates", [get(updates::show), post(updates::compare)]))
        .service(at("/api/v1/services/{name}/updates/{version}/apply", [post(updates::apply)]))
        .service(at("/api/v1/services/{name}/rollback", [post(updates::roll_back)]))
        .service(at("/api/v1/services/{name}/pin", [post(updates::pin)]))
        .service(at("/api/v1/catalog", [get(curated::list)]))
        .service(secret("/api/v1/mcps", [get(instances::list), post(instances::create)]))
        .service(at("/api/v1/mcps/stream", [get(instance_stream::follow)]))
        .service(secret(
            "/api/v1/mcps/{id}",
            [get(instances::show), patch(operations::change), delete(instances::delete)],
        ))
        .service(at("/api/v1/mcps/{id}/toggle", [post(operations::toggle)]))
        .service(at("/api/v1/mcps/{id}/restart", [post(operations::restart)]))
        .service(at("/api/v1/mcps/{id}/renew", [post(operations::renew)]))
        .service(at("/api/v1/mcps/{id}/restore", [post(operations::restore)]))
        .service(at("/api/v1/mcps/{id}/clone", [post(operations::clone)]))
        .service(at("/api/v1/mcps/{id}/debug", [post(debug::set)]))
        .service(at("/api/v1/mcps/{id}/diagnose", [get(diagnose::report)]))
        .service(at("/api/v1/mcps/{id}/client-config", [get(client_config::of_one), post(client_config::mint_of_one)]))
        .service(at("/api/v1/client-config", [get(client_config::of_all), post(client_config::mint_of_all)]))
        .service(at("/api/v1/mcps/{id}/tools", [get(rest::own_tools)]))
        .service(at("/api/v1/mcps/{id}/tools/call", [post(rest::own_call)]))
        .service(at("/api/v1/mcps/{id}/logs", [get(logs::lines)]))
        .service(at("/api/v1/mcps/{id}/logs/stream", [get(logs::follow)]))
        .service(at("/api/v1/mcps/{id}/stats", [get(operations::stats)]))
        .service(at("/api/v1/mcps/{id}/events", [get(operations::events)]))
        .service(secret("/api/v1/credentials", [get(credentials::list), post(credentials::create)]))
        .service(at("/api/v1/credentials/{id}", [delete(credentials::delete)]))
        .service(at("/api/v1/credentials/{id}/test", [post(credentials::trying::test)]))
        .service(secret("/api/v1/credentials/{id}/rotate", [post(credentials::rotation::rotate)]))
        .service(at("/api/v1/credentials/{id}/rollback", [post(credentials::rotation::roll_back)]))
        .service(at("/api/v1/tokens", [get(tokens::list), post(tokens::create)]))
        .service(at("/api/v1/tokens/{id}", [patch(tokens::rename), delete(tokens::revoke)]))
        .service(at("/api/v1/grants", [get(grants::list)]))
        .service(at("/api/v1/grants/{id}", [delete(grants::revoke)]))
        .service(at("/api/v1/oauth/clients", [get(clients::list), post(clients::create)]))
        .service(at(
            "/api/v1/oauth/clients/{id}",
            [get(clients::show), patch(clients::change), delete(clients::remove)],
        ))
        .service(at("/api/v1/shares", [get(shares::received)]))
        .service(at("/api/v1/mcps/{id}/shares", [get(shares::list), post(shares::create)]))
        .service(at("/api/v1/mcps/{id}/shares/{share}", [delete(shares::delete)]))
        .service(at("/api/v1/users", [get(users::list), post(users::create)]))
        .service(at("/api/v1/users/{id}", [get(users::show), patch(users::change), delete(removal::remove)]))
        .service(at("/api/v1/users/{id}/restore", [post(removal::restore)]))
        .service(at("/api/v1/users/{id}/totp", [delete(second_factor::reset)]))
        .service(at("/api/v1/audit", [get(audit_log::list)]))
        .service(at("/api/v1/audit/export", [get(audit_log::export)]))
        .service(at("/api/v1/audit/verify", [get(audit_log::verify)]))
        .service(at("/api/v1/me/activity", [get(audit_log::activity)]))
        .service(at(
            "/api/v1/me/notification-settings",
            [get(notifications::settings), patch(notifications::change_settings)],
        ))
        .service(at("/api/v1/notifications", [get(notifications::list), patch(notifications::mark)]))
        .service(at("/api/v1/notifications/stream", [get(notifications::follow)]))
        .service(secret("/api/v1/webhooks", [get(webhooks::list), post(webhooks::create)]))
        .service(at("/api/v1/webhooks/{id}", [delete(webhooks::delete)]))
        .service(at("/api/v1/webhooks/{id}/test", [post(webhooks::test)]))
        .service(at("/api/v1/users/{id}/usage", [get(usage::of)]))
        .service(at("/api/v1/me/usage", [get(usage::mine)]))
        .service(at("/api/v1/usage", [get(usage::list)]))
        .service(at("/api/v1/groups", [get(groups::list), post(groups::create)]))
        .service(at("/api/v1/groups/{id}", [get(groups::show), patch(groups::change), delete(groups::remove)]))
        .service(at("/api/v1/groups/{id}/members/{user}", [put(groups::add_member), delete(groups::remove_member)]))
        .service(at("/api/v1/admin/health", [get(admin_health::show)]))
        .service(at("/api/v1/admin/limits", [get(system::limits)]))
        .service(at("/api/v1/admin/refresh", [post(system::refresh)]));
    for prefix in ["/api/v1", ""] {
        config
            .service(at(&format!("{prefix}/sessions"), [get(sessions::list)]))
            .service(at(&format!("{prefix}/sessions/{{id}}"), [get(sessions::show), delete(sessions::end)]))
            .service(at(&format!("{prefix}/sessions/{{id}}/state"), [get(sessions::inspect)]));
    }
    for path in discovery::SERVER_PATHS {
        config.service(open(path, [get(discovery::server)]));
    }
    config
        .service(open("/.well-known/jwks.json", [get(discovery::keys)]))
        .service(open("/.well-known/oauth-protected-resource", [get(discovery::resource)]))
        .service(open("/.well-known/oauth-protected-resource/{tail:.*}", [get(discovery::resource)]))
        .service(at("/oauth/consent", [post(consent::decide)]))
        .service(open("/oauth/revoke", [post(revoke::revoke)]))
        .service(open("/oauth/register/{id}", [get(manage::show), put(manage::replace), delete(manage::remove)]))
        .service(open("/oauth/device", [post(device::begin)]))
        .service(at("/device", [get(device_page::show), post(device_page::decide)]))
        .service(at("/oauth/introspect", [post(introspect::introspect)]));
    config
        .service(at("/connect/{service}", [get(connect::begin)]))
        .service(at("/connect/{service}/callback", [get(connect::finish)]));
    // The short paths are where clients of 2025-03-26 look when they find no metadata.
    for prefix in ["/oauth", ""] {
        config
            .service(at(&format!("{prefix}/authorize"), [get(authorize::authorize)]))
            .service(open(&format!("{prefix}/token"), [post(token::token)]))
            .service(open(&format!("{prefix}/register"), [post(register::register)]));
    }
    gateway::configure(config);
    config.default_service(web::to(framework::not_found));
}
