//! What the framework itself answers, in our format; and headers that every API answer carries.

use actix_web::{
    Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route,
    body::MessageBody,
    dev::{HttpServiceFactory, ServiceRequest, ServiceResponse},
    error::JsonPayloadError,
    http::{
        ConnectionType, Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::{Next, from_fn},
    web::{self, FormConfig, JsonConfig, PathConfig, QueryConfig, ServiceConfig},
};

use super::{
    error::{ApiError, ErrorCode, REQUEST_ID, new_request_id},
    rate_limit,
};

/// Largest JSON body of the API, in bytes.
const MAX_JSON: usize = 1024 * 1024;

/// Browsers get no say in what an API answer is: nothing in it is a page of ours.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Errors of extractors as problems.
pub(super) fn configure(config: &mut ServiceConfig) {
    let json = JsonConfig::default().limit(MAX_JSON).error_handler(|error, _| refused_body(&error).into());
    let query = QueryConfig::default()
        .error_handler(|error, _| ApiError::invalid(format!("the query cannot be used: {error}")).into());
    let form = FormConfig::default().error_handler(|error, _| {
        ApiError::new(ErrorCode::MalformedRequest, format!("the form cannot be used: {error}")).into()
    });
    // What cannot be an id names nothing.
    let path = PathConfig::default().error_handler(|_, _| ApiError::not_found("thing").into());
    config.app_data(json).app_data(form).app_data(query).app_data(path);
}

fn refused_body(error: &JsonPayloadError) -> ApiError {
    let code = match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => ErrorCode::PayloadTooLarge,
        JsonPayloadError::ContentType => {
            let detail = "the body must be JSON, with `Content-Type: application/json`";
            return ApiError::new(ErrorCode::UnsupportedMediaType, detail);
        }
        JsonPayloadError::Deserialize(error) if error.is_data() => ErrorCode::ValidationFailed,
        _ => ErrorCode::MalformedRequest,
    };
    ApiError::new(code, format!("the body cannot be used: {}", without_values(&error.to_string())))
}

/// What serde says without the values that it quotes: one of them may be a secret in the wrong member. A short
/// plain word where one of a few is expected is none.
pub(super) fn without_values(words: &str) -> String {
    let mut left = words.to_owned();
    for (opening, closing) in [("string \"", "\", expected"), ("unknown variant `", "`, ")] {
        let Some(from) = left.find(opening).map(|at| at + opening.len()) else { continue };
        let is_choice = opening.starts_with("unknown");
        let end = |rest: &str| if is_choice { rest.find(closing) } else { rest.rfind(closing) };
        let Some(length) = left.get(from..).and_then(end) else { continue };
        let is_word = |value: &str| value.len() <= 12 && value.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_choice || !left.get(from..from + length).is_some_and(is_word) {
            left.replace_range(from..from + length, "…");
        }
    }
    left
}

/// No such route.
pub(super) async fn not_found(request: HttpRequest) -> Result<&'static str, ApiError> {
    let detail = format!("there is nothing at {}; /openapi.json lists what there is", request.path());
    Err(ApiError::new(ErrorCode::NotFound, detail))
}

/// The routes of one path, with the headers of the API. Other methods are refused with those it has.
pub(super) fn at<const N: usize>(
    path: &str,
    methods: [(Method, Route); N],
) -> impl HttpServiceFactory + 'static + use<N> {
    resource(path, methods).wrap(from_fn(add_headers))
}

/// The same for paths whose bodies may hold a secret of an outside service: as soon as they are answered, nothing of
/// them is left in memory that is not sealed.
pub(super) fn secret<const N: usize>(
    path: &str,
    methods: [(Method, Route); N],
) -> impl HttpServiceFactory + 'static + use<N> {
    resource(path, methods).wrap(from_fn(add_headers)).wrap(from_fn(let_go))
}

/// The same for paths that pages of any origin may ask: those where no cookie counts, and that clients in
/// browsers need (Fetch, section 3.3). What is answered there is for whoever asks, or for who knows a secret.
pub(super) fn open<const N: usize>(
    path: &str,
    methods: [(Method, Route); N],
) -> impl HttpServiceFactory + 'static + use<N> {
    let allow = names(&methods);
    let preflight = move || {
        let mut response = HttpResponse::NoContent();
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, allow.clone()));
        // The star covers every header but this one.
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*, authorization"));
        std::future::ready(response.insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400")).finish())
    };
    resource(path, methods)
        .route(web::method(Method::OPTIONS).to(preflight))
        .wrap(from_fn(add_headers))
        .wrap(from_fn(allow_every_origin))
}

fn names(methods: &[(Method, Route)]) -> String {
    let names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    names.join(", ")
}

fn resource<const N: usize>(path: &str, methods: [(Method, Route); N]) -> Resource {
    let allow = names(&methods);
    let refuse = move |request: HttpRequest| {
        let detail = format!("{} is not a method of this path; it has {allow}", request.method());
        let error = ApiError::new(ErrorCode::MethodNotAllowed, detail).allow(allow.clone());
        std::future::ready(Err::<&'static str, _>(error))
    };
    let resource = methods.into_iter().fold(web::resource(path), |resource, (_, route)| resource.route(route));
    resource.default_service(web::to(refuse))
}

macro_rules! methods {
    ($($name:ident $method:ident)*) => {$(
        /// One method of a path.
        pub(super) fn $name<F, Args>(handler: F) -> (Method, Route)
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            (Method::$method, web::method(Method::$method).to(handler))
        }
    )*};
}
methods! { get GET head HEAD post POST put PUT patch PATCH delete DELETE }

async fn add_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let asked = response.request().clone();
    let headers = response.headers_mut();
    rate_limit::add(&asked, headers);
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&new_request_id())
    {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    Ok(response)
}

/// The buffer that a connection reads into, which has the body, goes with the last that refers to it: the connection,
/// and the headers of the request, which the framework keeps until it needs their place. So the headers are copied, and
/// the connection is closed. What is freed is overwritten (see `main.rs`).
async fn let_go(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE) {
        return next.call(request).await;
    }
    let mut copied = HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        // A value that was read is one that can be.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            copied.append(name.clone(), value);
        }
    }
    *request.headers_mut() = copied;
    let mut response = next.call(request).await?;
    response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    Ok(response)
}

async fn allow_every_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("www-authenticate, retry-after"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::without_values;

    #[test]
    fn values_are_left_out() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Mode {
            Dedicated,
        }
        let number = |value: Value| from_value::<u32>(value).unwrap_err().to_string();
        assert_eq!(without_values(&number(json!("a\", expected b"))), "invalid type: string \"…\", expected u32");
        assert_eq!(without_values(&number(json!([]))), "invalid type: sequence, expected u32");
        let mode = |value: &str| without_values(&from_value::<Mode>(json!(value)).unwrap_err().to_string());
        assert_eq!(mode("s3cret"), "unknown variant `…`, expected `dedicated`");
        assert_eq!(mode("bogus"), "unknown variant `bogus`, expected `dedicated`");
        assert!(matches!(from_value(json!("dedicated")), Ok(Mode::Dedicated)));
    }
}
