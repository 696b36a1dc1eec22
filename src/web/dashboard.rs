//! The dashboard: one page for all its deep links, and the files that it is made of.
//!
//! The page asks the public REST API for everything that it shows; here is nothing of anybody. Whoever is not signed
//! in is sent to sign in and comes back. Its files never change under their URLs, which hold the version: a page of
//! an earlier version that asks for one is told that it is gone, and loads anew.

mod files;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path},
};
use url::form_urlencoded::byte_serialize;

pub use self::files::Dashboard;
use self::files::{Encoding, File};
use super::{
    error::{ApiError, ErrorCode},
    sign_in::{Refusal, entry},
    state::AppState,
};

/// Scripts and styles of our own alone; pictures may be in the page itself, as answers of tools have them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// `GET /`: to the dashboard.
pub async fn home() -> HttpResponse {
    entry::redirect("/app/", None)
}

/// `GET /app/…`: the page.
///
/// # Errors
/// When the database cannot be asked.
pub async fn page(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Refusal> {
    if entry::signed_in(&request, &state).await?.is_none() {
        let wanted = request.uri().path_and_query().map_or("/app/", |wanted| wanted.as_str());
        let next: String = byte_serialize(wanted.as_bytes()).collect();
        return Ok(entry::redirect(&format!("/login?next={next}"), None));
    }
    let files = state.dashboard.files().await?;
    let mut response = answer(&request, &files.page, "private, no-cache");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, header::HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("same-origin"));
    Ok(response)
}

/// `GET /assets/{version}/…`: a file of it.
///
/// # Errors
/// 404 when this version has no such file.
pub async fn asset(
    request: HttpRequest,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let files = state.dashboard.files().await?;
    let gone = || ApiError::new(ErrorCode::NotFound, "this version of the dashboard has no such file; load it anew");
    let file = files.get(&version, &name).ok_or_else(gone)?;
    Ok(answer(&request, file, "public, max-age=31536000, immutable"))
}

fn answer(request: &HttpRequest, file: &File, cache: &'static str) -> HttpResponse {
    let text = |name| request.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let known = text(header::IF_NONE_MATCH).is_some_and(|tags| tags.contains(file.tag.as_str()));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, file.tag.as_str()))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::VARY, "accept-encoding, cookie"));
    if known {
        return response.finish();
    }
    let (encoding, body) = file.best(text(header::ACCEPT_ENCODING).unwrap_or_default());
    if let Encoding::Named(name) = encoding {
        response.insert_header((header::CONTENT_ENCODING, name));
    }
    response.insert_header((header::CONTENT_TYPE, file.media)).body(body)
}
