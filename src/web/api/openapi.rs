//! `/openapi.json`: every route with what it takes and answers, made when it is asked for.

mod routes;
mod takes;

use actix_web::HttpResponse;
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref,
    Required, Response, Schema, Type,
    path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn},
    response::ResponseBuilder,
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use self::{
    routes::ROUTES,
    takes::{Takes, text},
};
/// Method, path, summary, statuses of success, comma-separated.
const ROUTES: &[(HttpMethod, &str, &str, &str)] = &[
    (HttpMethod::Post, "/api/v1/auth/login", "Sign in with {email, password, code?}", "200"),
    (HttpMethod::Post, "/api/v1/auth/logout", "Sign out", "204"),
    (HttpMethod::Post, "/api/v1/auth/link", "Have a link to sign in sent: {email}", "202"),
    (HttpMethod::Post, "/api/v1/auth/reset", "Have a link to set a new password sent: {email}", "202"),
    (HttpMethod::Get, "/api/v1/auth/me", "The caller's account", "200"),
    (HttpMethod::Get, "/api/v1/me", "The caller's account", "200"),
    (HttpMethod::Get, "/api/v1/me/logins", "The caller's sign-ins: device, address, when, which is this one", "200"),
    (HttpMethod::Delete, "/api/v1/me/logins", "End all sign-ins but this one", "200"),
    (HttpMethod::Delete, "/api/v1/me/logins/{id}", "End a sign-in", "204"),
    (HttpMethod::Post, "/api/v1/me/password", "Set another password: {current, new}", "204"),
    (HttpMethod::Post, "/api/v1/me/totp", "Ask for a second factor; its secret is in this answer alone", "201"),
    (HttpMethod::Delete, "/api/v1/me/totp", "Take the second factor away: {password, code}", "204"),
    (
        HttpMethod::Post,
        "/api/v1/me/totp/confirm",
        "Put the second factor in force: {code}; the recovery codes are in this answer alone",
        "200",
    ),
    (HttpMethod::Get, "/api/v1/services", "The catalog; ?search=", "200"),
    (HttpMethod::Post, "/api/v1/services", "Add a service: a manifest", "201"),
    (HttpMethod::Get, "/api/v1/services/{name}", "One service", "200"),
    (HttpMethod::Delete, "/api/v1/services/{name}", "Remove a service that was added", "204"),
    (HttpMethod::Get, "/api/v1/mcps", "Instances; for administrators ?all=true or ?user=EMAIL", "200"),
    (
        HttpMethod::Post,
        "/api/v1/mcps",
        "Make an instance: {service, label?, mode?, config?, env?, credential?: {value, validate?}|{id}, \
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
    (
        HttpMethod::Get,
        "/api/v1/credentials",
        "Stored credentials, without their values; ?user= (administrators)",
        "200",
    ),
    (
        HttpMethod::Post,
        "/api/v1/credentials",
        "Store a credential: {service, label?, value, validate?}; it is tried at the service first, where that says how",
        "201",
    ),
    (
        HttpMethod::Delete,
        "/api/v1/credentials/{id}",
        "Delete a credential for good; refused while instances use it, unless ?force=true, which stops them",
        "204",
    ),
    (HttpMethod::Post, "/api/v1/credentials/{id}/test", "Try a credential at its service now", "200"),
    (
        HttpMethod::Post,
        "/api/v1/credentials/{id}/rotate",
        "A new value: {value, grace_minutes?, validate?}; the one before is kept for the grace period",
        "200",
    ),
    (
        HttpMethod::Post,
        "/api/v1/credentials/{id}/rollback",
        "The value before the last rotation again, while it is kept",
        "200",
    ),
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
        "Change an account: {disabled?, role?, password?, instance_quota?, quota?: {instances, running, memory_bytes, \
         calls_per_day, creations_per_hour, calls_per_second, service_calls_per_second, token_calls_per_second}, \
         services?}",
        "200",
    ),
    (HttpMethod::Delete, "/api/v1/users/{id}/totp", "Take an account's second factor away", "204"),
    (HttpMethod::Get, "/api/v1/users/{id}/usage", "What an account has used of what it may (administrators)", "200"),
    (HttpMethod::Get, "/api/v1/me/usage", "What the caller has used of what they may", "200"),
    (
        HttpMethod::Get,
        "/api/v1/usage",
        "Calls per user, service and day (administrators); ?from=&to=&group_by=day,user,service&format=csv",
        "200",
    ),
    (HttpMethod::Get, "/api/v1/groups", "Groups of people (administrators)", "200"),
    (HttpMethod::Post, "/api/v1/groups", "Make a group: {name, description?, quota?, services?}", "201"),
    (HttpMethod::Get, "/api/v1/groups/{id}", "One group with its members", "200"),
    (HttpMethod::Patch, "/api/v1/groups/{id}", "Change a group: {name?, description?, quota?, services?}", "200"),
    (HttpMethod::Delete, "/api/v1/groups/{id}", "Remove a group; its members stay", "204"),
    (HttpMethod::Put, "/api/v1/groups/{id}/members/{user}", "Take a user into a group", "204"),
    (HttpMethod::Delete, "/api/v1/groups/{id}/members/{user}", "Take a user out of a group", "204"),
    (HttpMethod::Get, "/api/v1/admin/health", "The system's health on one screen (administrators)", "200"),
    (
        HttpMethod::Delete,
        "/api/v1/users/{id}",
        "Remove an account: it can be restored for a time, then all it has is erased; at once with ?now=true",
        "204",
    ),
    (HttpMethod::Post, "/api/v1/users/{id}/restore", "Bring a removed account back (administrators)", "200"),
    (
        HttpMethod::Get,
        "/api/v1/audit",
        "The audit log, newest first; ?actor=&action=&target=&from=&to=&limit=&before= (administrators)",
        "200",
    ),
    (
        HttpMethod::Get,
        "/api/v1/audit/export",
        "The audit log, oldest first, as JSON lines; ?actor=&action=&target=&from=&to= (administrators)",
        "200",
    ),
    (HttpMethod::Get, "/api/v1/audit/verify", "Whether its chain holds; ?expect_hash= (administrators)", "200"),
    (HttpMethod::Get, "/api/v1/me/activity", "What the caller did and what was done to them; ?limit=&before=", "200"),
    (HttpMethod::Get, "/api/v1/notifications", "What the caller was told; ?unread=&limit=&before=", "200"),
    (HttpMethod::Patch, "/api/v1/notifications", "Mark as read or unread: {ids} or {all: true}, and {read}", "200"),
    (HttpMethod::Get, "/api/v1/notifications/stream", "Notifications as server-sent events", "200"),
    (HttpMethod::Get, "/api/v1/me/notification-settings", "In which ways the caller is told, by kind", "200"),
    (
        HttpMethod::Patch,
        "/api/v1/me/notification-settings",
        "Change the ways: {KIND: {app?, mail?, webhook?}, …}",
        "200",
    ),
    (HttpMethod::Get, "/api/v1/webhooks", "The caller's webhooks, without their secrets", "200"),
    (HttpMethod::Post, "/api/v1/webhooks", "Make a webhook: {url}; its secret is in this answer alone", "201"),
    (HttpMethod::Delete, "/api/v1/webhooks/{id}", "Delete a webhook", "204"),
    (HttpMethod::Post, "/api/v1/webhooks/{id}/test", "Post a message for trial to a webhook", "200"),
    (HttpMethod::Get, "/api/v1/admin/limits", "By what limits hold on this machine (administrators)", "200"),
    (HttpMethod::Post, "/api/v1/admin/refresh", "Read the services directory again (administrators)", "200"),
    (HttpMethod::Get, "/api/v1/sessions", "Sessions and connections of the instances that one manages", "200"),
    (HttpMethod::Delete, "/api/v1/sessions/{id}", "End a session; a connection with its process and files", "204"),
    (HttpMethod::Get, "/api/v1/sessions/{id}/state", "One of them: process, files, last failure, log", "200"),
    (HttpMethod::Get, "/api/v1/grants", "Connected apps: what one has allowed OAuth clients", "200"),
    (HttpMethod::Delete, "/api/v1/grants/{id}", "Take it back; the next request of that client is refused", "204"),
    (HttpMethod::Get, "/oauth/authorize", "OAuth 2.1: asks the user; also at /authorize", "200"),
    (HttpMethod::Post, "/oauth/consent", "OAuth 2.1: the user's answer to that page", "303"),
    (HttpMethod::Post, "/oauth/token", "OAuth 2.1: a code or a refresh token for tokens; also at /token", "200"),
    (
        HttpMethod::Post,
        "/oauth/register",
        "RFC 7591: a client registers itself with its metadata; also at /register",
        "201",
    ),
    (HttpMethod::Get, "/oauth/register/{id}", "RFC 7592: a client reads its registration", "200"),
    (HttpMethod::Put, "/oauth/register/{id}", "RFC 7592: a client replaces its registration", "200"),
    (HttpMethod::Delete, "/oauth/register/{id}", "RFC 7592: a client ends its registration", "204"),
    (HttpMethod::Post, "/oauth/device", "RFC 8628: a device begins, and gets its codes", "200"),
    (HttpMethod::Get, "/device", "The page where a user types a device's code; ?user_code=", "200"),
    (HttpMethod::Post, "/device", "The code, and the user's answer", "200"),
    (
        HttpMethod::Get,
        "/api/v1/oauth/clients",
        "OAuth clients of the caller, all for administrators; ?registered=true: those that registered themselves",
        "200",
    ),
    (
        HttpMethod::Post,
        "/api/v1/oauth/clients",
        "Make an OAuth client: {name, redirect_uris?, grant_types?, authentication?, jwks?, jwks_uri?, homepage?, \
         owner?}; its secret is in this answer alone",
        "201",
    ),
    (HttpMethod::Get, "/api/v1/oauth/clients/{id}", "One OAuth client", "200"),
    (
        HttpMethod::Patch,
        "/api/v1/oauth/clients/{id}",
        "Change an OAuth client: {name?, redirect_uris?, homepage?, new_secret?}",
        "200",
    ),
    (HttpMethod::Delete, "/api/v1/oauth/clients/{id}", "Delete an OAuth client; what users allowed it ends", "204"),
    (HttpMethod::Post, "/oauth/revoke", "RFC 7009: a client gives a token back", "200"),
    (HttpMethod::Post, "/oauth/introspect", "RFC 7662: what a token is good for (administrators)", "200"),
    (HttpMethod::Get, "/.well-known/oauth-authorization-server", "RFC 8414: authorization server metadata", "200"),
    (HttpMethod::Get, "/.well-known/jwks.json", "The keys of id tokens, of which there are none", "200"),
    (HttpMethod::Get, "/.well-known/openid-configuration", "The same where OpenID Connect has it", "200"),
    (
        HttpMethod::Get,
        "/.well-known/oauth-protected-resource/{service}/{id}/mcp",
        "RFC 9728: who gives tokens for this endpoint",
        "200",
    ),
    (HttpMethod::Get, "/", "Page: who is signed in", "200"),
    (HttpMethod::Get, "/login", "Page: sign in; ?next=", "200"),
    (HttpMethod::Post, "/login", "Form: e-mail and password", "303"),
    (HttpMethod::Post, "/login/code", "Form: the code of the second factor", "303"),
    (HttpMethod::Post, "/login/link", "Form: have a link to sign in sent", "200"),
    (HttpMethod::Get, "/login/link/{token}", "Page: what a link in a mail opens", "200"),
    (HttpMethod::Post, "/login/link/{token}", "Form: sign in by the link", "303"),
    (HttpMethod::Get, "/login/reset", "Page: forgotten password", "200"),
    (HttpMethod::Post, "/login/reset", "Form: have a link to set a new password sent", "200"),
    (HttpMethod::Get, "/login/reset/{token}", "Page: a new password", "200"),
    (HttpMethod::Post, "/login/reset/{token}", "Form: set the new password", "200"),
    (HttpMethod::Get, "/login/oidc/{provider}", "To a sign-in provider; ?next=", "303"),
    (HttpMethod::Get, "/login/oidc/{provider}/callback", "Back from a sign-in provider", "303"),
    (HttpMethod::Post, "/logout", "Form: sign out", "303"),
    (HttpMethod::Get, "/setup/{token}", "Page: the first account", "200"),
    (HttpMethod::Post, "/setup/{token}", "Form: make the first account", "303"),
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

/// Routes that ask for no token and no cookie: where one signs in, and what says how.
const OPEN: &[&str] =
    &["/", "/health", "/openapi.json", "/api/v1/auth/login", "/api/v1/auth/link", "/api/v1/auth/reset"];

/// Folders of such routes.
const OPEN_BELOW: &[&str] = &["/oauth/", "/.well-known/", "/login", "/logout", "/device", "/setup/"];

/// Whether somebody without a proof may ask there.
fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || (OPEN_BELOW.iter().any(|folder| path.starts_with(folder)) && path != "/oauth/introspect")
}

/// Where people are answered, and not programs.
const PAGES: &[&str] = &["/login", "/logout", "/device", "/setup/", "/oauth/authorize", "/oauth/consent"];

fn is_page(path: &str) -> bool {
    path == "/" || PAGES.iter().any(|page| path.starts_with(page))
}

/// What any route of ours may answer instead of success: a status, and when.
const REFUSALS: &[(&str, &str)] = &[
    ("400", "the request cannot be understood or accepted; the detail names the field"),
    ("403", "known, but not allowed to do this; or a page of another site asked"),
    ("404", "there is no such thing, or it is somebody else's"),
    ("405", "the path has not this method"),
    ("409", "the state of things does not allow it, or a quota is reached"),
    ("413", "the body is too large"),
    ("415", "the body is not JSON"),
    ("429", "too much in too little time; `Retry-After` says when to come back"),
    ("503", "not available now; `Retry-After` says when to come back"),
];

/// What routes may answer besides that ask an outside service whether it takes a credential.
const OF_CREDENTIALS: &[(&str, &str)] =
    &[("422", "the service refuses the credential"), ("502", "the service could not be asked")];

/// Those routes.
const CHECKING: &[&str] = &["/api/v1/credentials", "/api/v1/credentials/{id}/rotate", "/api/v1/mcps"];

/// What routes of instances may answer besides.
const OF_INSTANCES: &[(&str, &str)] = &[
    ("406", "the client does not accept what would be answered"),
    ("422", "the instance's server refused the request"),
    ("502", "the instance's server failed"),
    ("504", "the instance's server did not answer in time"),
];

/// The document.
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().json(build())
}

fn build() -> OpenApi {
    let paths = ROUTES.iter().fold(PathsBuilder::new(), |paths, (method, path, summary, success, takes)| {
        paths.path(*path, PathItem::new(method.clone(), operation(path, summary, success, takes)))
    });
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", bearer)
        .schema("Problem", problem())
        .schema("OAuthError", oauth_error())
        .build();
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Berth").version(env!("CARGO_PKG_VERSION")).build())
        .paths(paths.build())
        .components(Some(components))
        .security(Some([SecurityRequirement::new("bearer", Vec::<String>::new())]))
        .build()
}

fn operation(path: &str, summary: &str, success: &str, takes: &Takes) -> Operation {
    let mut operation = takes.describe(OperationBuilder::new().summary(Some(summary)));
    for status in success.split(',') {
        operation = operation.response(status, ResponseBuilder::new().description(summary).build());
    }
    let further = match path {
        path if path.starts_with("/{service}") => OF_INSTANCES,
        path if CHECKING.contains(&path) => OF_CREDENTIALS,
        _ => &[],
    };
    for (status, when) in REFUSALS.iter().chain(further).filter(|(status, _)| !success.contains(status)) {
        operation = operation.response(*status, refusal(path, when));
    }
    if is_open(path) {
        operation = operation.securities(Some(Vec::<SecurityRequirement>::new()));
        if !success.contains("303") {
            operation = operation.response("303", ResponseBuilder::new().description("on to another page").build());
        }
    }
    operation = operation.response("401", refusal(path, "nobody, or nobody known any more"));
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(text())).build());
    }
    operation.build()
}

/// RFC 9457, and what we add to it.
fn problem() -> Schema {
    let whole = || ObjectBuilder::new().schema_type(Type::Integer).build();
    ObjectBuilder::new()
        .property("type", text())
        .property("title", text())
        .property("status", whole())
        .property("detail", text())
        .property("code", text())
        .property("request_id", text())
        .required("status")
        .required("detail")
        .required("code")
        .into()
}

/// An error of RFC 6749, section 5.2, which RFC 7009, 7591 and 8628 take over.
fn oauth_error() -> Schema {
    ObjectBuilder::new().property("error", text()).property("error_description", text()).required("error").into()
}

/// What `path` says instead of success. What the framework refuses before it is asked is a problem everywhere.
fn refusal(path: &str, when: &str) -> Response {
    let named = |name| Content::new(Some(Ref::from_schema_name(name)));
    let response = ResponseBuilder::new().description(when).content("application/problem+json", named("Problem"));
    if is_page(path) {
        response.content("text/html", Content::new(Some(text()))).build()
    } else if path.starts_with("/oauth/") {
        response.content("application/json", named("OAuthError")).build()
    } else {
        response.build()
    }
}
