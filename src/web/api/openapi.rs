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
/// Routes that ask for no token and no cookie: where one signs in, and what says how.
const OPEN: &[&str] =
    &["/", "/health", "/openapi.json", "/api/v1/auth/login", "/api/v1/auth/link", "/api/v1/auth/reset"];

/// Folders of such routes.
const OPEN_BELOW: &[&str] = &["/connect/", "/oauth/", "/.well-known/", "/login", "/logout", "/device", "/setup/"];

/// Whether somebody without a proof may ask there.
fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || (OPEN_BELOW.iter().any(|folder| path.starts_with(folder)) && path != "/oauth/introspect")
}

/// Where people are answered, and not programs.
const PAGES: &[&str] = &["/connect/", "/login", "/logout", "/device", "/setup/", "/oauth/authorize", "/oauth/consent"];

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
        path if path.starts_with("/{service}") || path.starts_with("/api/v1/mcps/{id}/tools") => OF_INSTANCES,
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
