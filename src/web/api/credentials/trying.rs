//! Trying a credential at its service, as the manifest says: before it is stored, and whenever its owner wants.
//!
//! The URL is the manifest's, which a user may have written: it is asked through the guarded client alone, redirects
//! are not followed, and what is told of the answer is a short piece of plain text without the credential in it.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{CredentialView, gone, own};
use crate::{
    auth::policy::Action,
    db::credentials,
    domain::{
        credential::{LastTest, Tried, Verdict},
        ids::CredentialId,
        instance::credential_owner,
        manifest::{CheckMethod, CredentialCheck, CredentialSpec, Manifest},
        secret::Secret,
        template,
        time::Timestamp,
    },
    outbound::{Fetcher, Limits, Request, Response},
    outside::GrantError,
    web::{
        api::{actor, audit},
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// How long and how large the service's answer may be.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), bytes: 64 * 1024 };
/// Longest reason that is told, in characters.
const MAX_REASON: usize = 300;
/// Where services usually say what is wrong, in their order.
const USUAL_REASONS: [&str; 4] = ["/error_description", "/error/message", "/message", "/error"];

/// Tries a stored credential now; notes and answers how that went.
pub async fn test(caller: Caller, state: Data<AppState>, path: Path<CredentialId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let id = own(&caller, &state, path.into_inner()).await?.id;
    // What the row holds is looked at after that.
    let stale = state.outside.fresh(id, None).await.err();
    let row = own(&caller, &state, id).await?;
    let service = state.catalog.get(&row.service).ok_or_else(|| gone(&row.service))?;
    let value = state.vault.open_sealed(&credential_owner(row.user_id, row.id), &row.sealed)?;
    let tried = match stale {
        Some(error) => Tried { verdict: verdict_of(&error), detail: error.to_string() },
        None => attempt(&state.fetcher, &service.manifest, &value).await.ok_or_else(|| no_way(&service.manifest))?,
    };
    let (id, by, sealed, last) = (row.id, actor(&caller.0), row.sealed, LastTest { at: Timestamp::now(), tried });
    let row = state
        .db
        .write(move |conn| {
            let detail = json!({ "verdict": last.tried.verdict });
            audit(conn, by, "credential.test", format!("credential:{id}"), detail)?;
            credentials::tested(conn, id, &sealed, &last)?;
            credentials::by_id(conn, id)
        })
        .await?;
    Ok(HttpResponse::Ok().json(CredentialView::from(row)))
}

/// What it means that a grant gives no valid token.
const fn verdict_of(error: &GrantError) -> Verdict {
    if matches!(error, GrantError::Lapsed(_)) { Verdict::Refused } else { Verdict::Unknown }
}

/// Tries `value` where that is wanted; passes when it is not, or when the service takes it.
///
/// # Errors
/// `credential_refused` with the service's reason; `check_unavailable` when it could not be asked; a validation error
/// when the check is asked for and there is none.
pub(in crate::web::api) async fn require_valid(
    state: &AppState,
    manifest: &Manifest,
    value: &Secret,
    wanted: Option<bool>,
) -> Result<Option<LastTest>, ApiError> {
    if wanted == Some(false) {
        return Ok(None);
    }
    let name = &manifest.name;
    match attempt(&state.fetcher, manifest, value).await {
        None if wanted == Some(true) => Err(no_way(manifest)),
        None => Ok(None),
        Some(tried) => match tried.verdict {
            Verdict::Valid => Ok(Some(LastTest { at: Timestamp::now(), tried })),
            Verdict::Refused => {
                Err(ApiError::new(ErrorCode::CredentialRefused, format!("{name} refuses it: {}", tried.detail)))
            }
            Verdict::Unknown => Err(ApiError::new(
                ErrorCode::CheckUnavailable,
                format!(
                    "whether {name} takes it could not be found out: {}; try again, or store it unchecked with \
                     `validate: false`",
                    tried.detail
                ),
            )),
        },
    }
}

/// Tries a value that cannot be had a second time: only a refusal stands against it.
///
/// # Errors
/// `credential_refused` with the service's reason.
pub(in crate::web) async fn not_refused(
    state: &AppState,
    manifest: &Manifest,
    value: &Secret,
) -> Result<Option<LastTest>, ApiError> {
    match attempt(&state.fetcher, manifest, value).await {
        Some(Tried { verdict: Verdict::Refused, detail }) => {
            Err(ApiError::new(ErrorCode::CredentialRefused, format!("{} refuses it: {detail}", manifest.name)))
        }
        tried => Ok(tried.map(|tried| LastTest { at: Timestamp::now(), tried })),
    }
}

fn no_way(manifest: &Manifest) -> ApiError {
    ApiError::invalid(format!("`validate`: {} does not say how its credentials are checked", manifest.name))
}

/// Asks the service; `None` when its manifest does not say how.
async fn attempt(fetcher: &Fetcher, manifest: &Manifest, value: &Secret) -> Option<Tried> {
    let check = manifest.credential.check.as_ref()?;
    let unknown = |detail: String| Tried { verdict: Verdict::Unknown, detail };
    let request = match request(check, manifest, value) {
        Ok(request) => request,
        Err(tried) => return Some(tried),
    };
    Some(match fetcher.send(request, LIMITS).await {
        Ok(response) => judge(check, &response, value),
        Err(error) => unknown(error.to_string()),
    })
}

fn request(check: &CredentialCheck, manifest: &Manifest, value: &Secret) -> Result<Request, Tried> {
    let unknown = |detail: String| Tried { verdict: Verdict::Unknown, detail };
    let url = check.url_with(&manifest.env).map_err(|error| unknown(error.to_string()))?;
    let CredentialSpec { kind, header: carried_by, .. } = &manifest.credential;
    // A header of our own carries it to a shared service, never to the outside API.
    let carried_by = carried_by.as_deref().filter(|name| !name.to_ascii_lowercase().starts_with("x-berth-"));
    let name = check.header.as_deref().or(carried_by).unwrap_or("authorization");
    let text = match &check.scheme {
        Some(scheme) => Secret::new(template::expand(scheme, |key| (key == "credential").then(|| value.expose()))),
        None => kind.in_header(name, value),
    };
    let name: HeaderName = name.parse().map_err(|_| unknown(format!("{name:?} is no header")))?;
    let mut carried = HeaderValue::from_str(text.expose()).map_err(|_| Tried {
        verdict: Verdict::Refused,
        detail: "it has characters that no HTTP header can carry".to_owned(),
    })?;
    carried.set_sensitive(true);
    let method = match check.method {
        CheckMethod::Get => Method::GET,
        CheckMethod::Head => Method::HEAD,
        CheckMethod::Post => Method::POST,
    };
    let agent = HeaderValue::from_static(concat!("berth/", env!("CARGO_PKG_VERSION")));
    let request = Request { method, ..Request::get(url) };
    let request = request.header(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request.header(header::USER_AGENT, agent).header(name, carried))
}

/// What the answer means.
fn judge(check: &CredentialCheck, response: &Response, value: &Secret) -> Tried {
    let status = response.status;
    let json: Option<Value> = serde_json::from_slice(&response.body).ok();
    let status_fits = check.expect.status.map_or(status.is_success(), |wanted| status.as_u16() == wanted);
    let field = check.expect.field.as_deref();
    let member = |path: &str| json.as_ref().and_then(|json| find(json, path));
    if status_fits && field.is_none_or(|path| member(path) == Some(&Value::Bool(true))) {
        return Tried { verdict: Verdict::Valid, detail: String::new() };
    }
    let says_nothing = status.is_server_error()
        || status.is_redirection()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        // An answer that was to have a member and is no JSON comes from somebody else.
        || (status_fits && json.is_none());
    let reason = match &check.reason {
        Some(path) => member(path),
        None => USUAL_REASONS.iter().find_map(|path| member(path).filter(|reason| reason.is_string())),
    };
    let reason = reason.and_then(Value::as_str).map(|reason| plain(reason, value)).filter(|reason| !reason.is_empty());
    let detail = reason.map_or_else(|| format!("it answered {status}"), |reason| format!("{reason} ({status})"));
    Tried { verdict: if says_nothing { Verdict::Unknown } else { Verdict::Refused }, detail }
}

/// What is at a JSON pointer, or the member of that name.
fn find<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    if path.starts_with('/') { json.pointer(path) } else { json.get(path) }
}

/// Words of somebody else: short, on one line, without the credential.
fn plain(words: &str, value: &Secret) -> String {
    // Basic credentials travel in base64.
    let words = words.replace(value.expose(), "***").replace(&STANDARD.encode(value.expose()), "***");
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect();
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn answers_mean_what_the_manifest_says() {
        let check = |text: &str| -> CredentialCheck { serde_json::from_str(text).unwrap() };
        let plain = check(r#""https://a.b/""#);
        let exact = check(r#"{"url": "https://a.b/", "expect": {"status": 204}}"#);
        let slack = check(r#"{"url": "https://a.b/", "expect": {"field": "ok"}, "reason": "error"}"#);
        let deep = check(r#"{"url": "https://a.b/", "reason": "/errors/0/text"}"#);
        let cases = [
            (&plain, 200, "", Verdict::Valid, ""),
            (&plain, 204, "", Verdict::Valid, ""),
            (&plain, 401, r#"{"message": "Bad credentials"}"#, Verdict::Refused, "Bad credentials (401 Unauthorized)"),
            (&plain, 403, r#"{"error": {"message": "no"}}"#, Verdict::Refused, "no (403 Forbidden)"),
            (&plain, 401, "<html>", Verdict::Refused, "it answered 401 Unauthorized"),
            (
                &plain,
                401,
                r#"{"message": "key s3cret-value\nis\u0000 bad"}"#,
                Verdict::Refused,
                "key *** is  bad (401 Unauthorized)",
            ),
            (&plain, 302, "", Verdict::Unknown, "it answered 302 Found"),
            (&plain, 500, "", Verdict::Unknown, "it answered 500 Internal Server Error"),
            (&plain, 429, r#"{"message": "slow down"}"#, Verdict::Unknown, "slow down (429 Too Many Requests)"),
            (&exact, 200, "", Verdict::Refused, "it answered 200 OK"),
            (&exact, 204, "", Verdict::Valid, ""),
            (&slack, 200, r#"{"ok": true}"#, Verdict::Valid, ""),
            (&slack, 200, r#"{"ok": false, "error": "invalid_auth"}"#, Verdict::Refused, "invalid_auth (200 OK)"),
            (&slack, 200, r#"{"ok": "true"}"#, Verdict::Refused, "it answered 200 OK"),
            (&slack, 200, "not json", Verdict::Unknown, "it answered 200 OK"),
            (&deep, 400, r#"{"errors": [{"text": "revoked"}]}"#, Verdict::Refused, "revoked (400 Bad Request)"),
        ];
        for (check, status, body, verdict, detail) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let response = Response { status, headers: HeaderMap::new(), body: body.to_owned().into() };
            let tried = judge(check, &response, &Secret::new("s3cret-value".to_owned()));
            assert_eq!(tried, Tried { verdict, detail: detail.to_owned() }, "{status} {body}");
        }
    }

    #[test]
    fn a_credential_goes_where_its_kind_and_the_manifest_say() {
        let manifest = |kind: &str, header: Value, check: Value| -> Manifest {
            serde_json::from_value(json!({
                "name": "a", "display_name": "A", "transport": "http", "env": { "API": "http://other:81" },
                "launch": { "kind": "remote", "url": "https://a.b/" },
                "credential": { "kind": kind, "header": header, "check": check },
            }))
            .unwrap()
        };
        let url = "https://a.b/me";
        let cases = [
            (manifest("api_key", Value::Null, json!(url)), "authorization", "Bearer user:pass word"),
            (manifest("api_key", json!("X-Key"), json!(url)), "x-key", "user:pass word"),
            (manifest("api_key", json!("X-Berth-Credential"), json!(url)), "authorization", "Bearer user:pass word"),
            (manifest("basic", Value::Null, json!(url)), "authorization", "Basic dXNlcjpwYXNzIHdvcmQ="),
            (
                manifest("basic", json!("X-Key"), json!({ "url": url, "header": "Authorization" })),
                "authorization",
                "Basic dXNlcjpwYXNzIHdvcmQ=",
            ),
            (
                manifest("api_key", Value::Null, json!({ "url": "{env.API}/me", "scheme": "token {credential}" })),
                "authorization",
                "token user:pass word",
            ),
        ];
        for (manifest, name, expected) in cases {
            let check = manifest.credential.check.as_ref().unwrap();
            let request = request(check, &manifest, &Secret::new("user:pass word".to_owned())).unwrap();
            let carried = request.headers.iter().find(|(known, _)| known.as_str() == name).unwrap();
            assert_eq!(carried.1.to_str().unwrap(), expected);
            assert!(carried.1.is_sensitive());
        }
    }
}
