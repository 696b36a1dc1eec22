//! `/openapi.json`: every route with what it takes and answers, made when it is asked for.

use actix_web::HttpResponse;
use utoipa::openapi::{
    HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    response::ResponseBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

/// Method, path, summary, status of success.
const ROUTES: &[(HttpMethod, &str, &str, &str)] = &[
    (HttpMethod::Post, "/api/v1/auth/login", "Sign in with {email, password}", "200"),
    (HttpMethod::Post, "/api/v1/auth/logout", "Sign out", "204"),
    (HttpMethod::Get, "/api/v1/auth/me", "The caller's account", "200"),
    (HttpMethod::Get, "/api/v1/me", "The caller's account", "200"),
    (HttpMethod::Get, "/api/v1/services", "The catalog; ?search=", "200"),
    (HttpMethod::Post, "/api/v1/services", "Add a service: a manifest", "201"),
    (HttpMethod::Get, "/api/v1/services/{name}", "One service", "200"),
    (HttpMethod::Delete, "/api/v1/services/{name}", "Remove a service that was added", "204"),
    (HttpMethod::Get, "/api/v1/mcps", "Instances; for administrators ?all=true or ?user=EMAIL", "200"),
    (
        HttpMethod::Post,
        "/api/v1/mcps",
        "Make an instance: {service, label?, mode?, config?, env?, credential?: {value}|{id}, \
         expires_in_minutes?, idle_seconds?}",
        "201",
    ),
    (HttpMethod::Get, "/api/v1/mcps/{id}", "One instance", "200"),
    (
        HttpMethod::Patch,
        "/api/v1/mcps/{id}",
        "Change an instance: {label?, mode?, config?, env?, credential_id?, limits?, expires_in_minutes?, \
         idle_seconds?}",
        "200",
    ),
    (HttpMethod::Delete, "/api/v1/mcps/{id}", "Delete an instance and everything it has", "204"),
    (HttpMethod::Post, "/api/v1/mcps/{id}/toggle", "Off when it is wanted, on when it is not", "200"),
    (HttpMethod::Post, "/api/v1/mcps/{id}/restart", "A new process", "200"),
    (HttpMethod::Post, "/api/v1/mcps/{id}/renew", "Another expiry: {expires_in_minutes} or {never: true}", "200"),
    (HttpMethod::Post, "/api/v1/mcps/{id}/restore", "Bring back what has expired, failed or stopped", "200"),
    (HttpMethod::Post, "/api/v1/mcps/{id}/clone", "A second instance like this one", "201"),
    (
        HttpMethod::Post,
        "/api/v1/mcps/{id}/debug",
        "Debug it for a time, which starts it anew: {minutes?: 1 to 1440, 30 when absent} or {off: true}",
        "200",
    ),
    (HttpMethod::Get, "/api/v1/mcps/{id}/diagnose", "What is wrong with it, why, and what to do next", "200"),
    (HttpMethod::Get, "/api/v1/mcps/{id}/logs", "The last lines; ?stream=error, access or debug, &tail=100", "200"),
    (HttpMethod::Get, "/api/v1/mcps/{id}/logs/stream", "New lines as server-sent events", "200"),
    (HttpMethod::Get, "/api/v1/mcps/{id}/stats", "What it uses and used, and how its limits are enforced", "200"),
    (HttpMethod::Get, "/api/v1/mcps/{id}/events", "What happened to it; ?limit=&before=", "200"),
    (HttpMethod::Get, "/api/v1/credentials", "Stored credentials, without their values", "200"),
    (HttpMethod::Post, "/api/v1/credentials", "Store a credential: {service, label?, value}", "201"),
    (HttpMethod::Delete, "/api/v1/credentials/{id}", "Delete a credential", "204"),
    (HttpMethod::Post, "/api/v1/credentials/{id}/rotate", "A new value: {value}", "200"),
    (HttpMethod::Get, "/api/v1/tokens", "API tokens, without their text", "200"),
    (
        HttpMethod::Post,
        "/api/v1/tokens",
        "Make a token: {name?, instances?, tools?, read_only?, expires_in_days?}; its text is in this answer alone",
        "201",
    ),
    (HttpMethod::Patch, "/api/v1/tokens/{id}", "Rename a token: {name}", "200"),
    (HttpMethod::Delete, "/api/v1/tokens/{id}", "Revoke a token, and end what is under way with it", "204"),
    (HttpMethod::Get, "/api/v1/shares", "What others share with the caller", "200"),
    (HttpMethod::Get, "/api/v1/mcps/{id}/shares", "With whom an instance is shared", "200"),
    (
        HttpMethod::Post,
        "/api/v1/mcps/{id}/shares",
        "Share an instance: {email, tools?, read_only?, expires_at? or expires_in_days?}",
        "201",
    ),
    (HttpMethod::Delete, "/api/v1/mcps/{id}/shares/{share}", "End a share, and what is under way by it", "204"),
    (HttpMethod::Get, "/api/v1/users", "Accounts (administrators)", "200"),
    (HttpMethod::Post, "/api/v1/users", "Make an account: {email, password?, role?}", "201"),
    (HttpMethod::Get, "/api/v1/users/{id}", "One account", "200"),
    (
        HttpMethod::Patch,
        "/api/v1/users/{id}",
        "Change an account: {disabled?, role?, password?, instance_quota?}",
        "200",
    ),
    (HttpMethod::Delete, "/api/v1/users/{id}", "Remove an account with all it has", "204"),
    (HttpMethod::Get, "/api/v1/audit", "The audit log, newest first; ?limit=&before=", "200"),
    (HttpMethod::Get, "/api/v1/admin/limits", "By what limits hold on this machine (administrators)", "200"),
    (HttpMethod::Post, "/api/v1/admin/refresh", "Read the services directory again (administrators)", "200"),
    (HttpMethod::Get, "/api/v1/sessions", "Sessions and connections of the instances that one manages", "200"),
    (HttpMethod::Delete, "/api/v1/sessions/{id}", "End a session; a connection with its process and files", "204"),
    (HttpMethod::Get, "/api/v1/sessions/{id}/state", "One of them: process, files, last failure, log", "200"),
    (HttpMethod::Get, "/health", "Whether Berth serves", "200"),
    (
        HttpMethod::Get,
        "/health/sessions",
        "Sessions, connections and what they use, parked calls, calls in flight",
        "200",
    ),
    (HttpMethod::Get, "/metrics", "OpenMetrics", "200"),
    (HttpMethod::Post, "/{service}/{id}/mcp", "MCP, Streamable HTTP, with a session or without: one message", "200"),
    (HttpMethod::Get, "/{service}/{id}/mcp", "MCP, Streamable HTTP: the stream of the server's own messages", "200"),
    (HttpMethod::Delete, "/{service}/{id}/mcp", "MCP, Streamable HTTP: end the session", "204"),
    (HttpMethod::Get, "/{service}/{id}/sse", "MCP, HTTP+SSE of 2024-11-05: the stream", "200"),
    (HttpMethod::Post, "/{service}/{id}/messages", "MCP, HTTP+SSE of 2024-11-05: one message", "202"),
    (HttpMethod::Get, "/{service}/{id}/health", "Check the instance now", "200"),
    (HttpMethod::Get, "/{service}/{id}/mcp/tools", "Its tools", "200"),
    (HttpMethod::Post, "/{service}/{id}/mcp/call", "Call a tool: {name, arguments}", "200"),
];

/// The document.
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().json(build())
}

fn build() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for (method, path, summary, status) in ROUTES.iter().cloned() {
        let mut operation = OperationBuilder::new()
            .summary(Some(summary))
            .response(status, ResponseBuilder::new().description(summary).build());
        operation = operation.response(
            "default",
            ResponseBuilder::new().description("an RFC 9457 problem with a stable `code`").build(),
        );
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            operation = operation.parameter(ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).build());
        }
        paths = paths.path(path, PathItem::new(method, operation.build()));
    }
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = utoipa::openapi::ComponentsBuilder::new().security_scheme("bearer", bearer).build();
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Berth").version(env!("CARGO_PKG_VERSION")).build())
        .paths(paths.build())
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", Vec::<String>::new())]))
        .build()
}
