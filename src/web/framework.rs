//! What the framework itself answers, in our format; and headers that every API answer carries.

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName, HeaderValue},
    middleware::Next,
    web::{JsonConfig, PathConfig, QueryConfig, ServiceConfig},
};

use super::error::{ApiError, ErrorCode};

/// Largest JSON body of the API, in bytes.
const MAX_JSON: usize = 1024 * 1024;

/// Browsers get no say in what an API answer is: nothing in it is a page of ours.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Errors of extractors and unknown routes as problems.
pub(super) fn configure(config: &mut ServiceConfig) {
    let json = JsonConfig::default().limit(MAX_JSON).error_handler(|error, _| {
        let too_large = error.status_code() == actix_web::http::StatusCode::PAYLOAD_TOO_LARGE;
        let code = if too_large { ErrorCode::PayloadTooLarge } else { ErrorCode::ValidationFailed };
        ApiError::new(code, format!("the body is not what is expected here: {error}")).into()
    });
    let query = QueryConfig::default()
        .error_handler(|error, _| ApiError::invalid(format!("the query is wrong: {error}")).into());
    let path = PathConfig::default()
        .error_handler(|_, _| ApiError::new(ErrorCode::NotFound, "there is no such thing, or it is not yours").into());
    config.app_data(json).app_data(query).app_data(path);
}

/// No such route.
pub(super) async fn not_found() -> HttpResponse {
    ApiError::new(ErrorCode::NotFound, "there is no such URL; /openapi.json lists those there are").error_response()
}

/// Adds the headers.
pub(super) async fn security_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}
