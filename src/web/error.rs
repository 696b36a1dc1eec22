//! Refusals and failures of the API as RFC 9457 problems (`application/problem+json`).
//!
//! A code exists only where a client would branch on it, and is stable. What is wrong with Berth
//! itself is never told to a client: the body names a request id, and the whole chain of causes is
//! logged once under that id, here.

use std::{error::Error as StdError, fmt, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use uuid::Uuid;

use super::rate_limit;
use crate::{
    actors::SupervisorError,
    auth::{
        AuthError,
        limits::{Limited, Policy, whole_seconds},
        passwords::PasswordError,
        totp::TotpError,
    },
    catalog::{CatalogError, ErrorKind},
    db::DbError,
    domain::names::{NameError, ServiceName},
    vault::VaultError,
};

/// The header that names a request, in answers and in the log.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// What kind of refusal or failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is not of the form that HTTP, JSON or the route asks for.
    MalformedRequest,
    /// A value in the request cannot be accepted; the detail names the field.
    ValidationFailed,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The body is too large.
    PayloadTooLarge,
    /// No principal: nothing, or nothing valid, was sent.
    Unauthenticated,
    /// E-mail and password do not fit together.
    WrongPassword,
    /// The account has a second factor: the code is missing.
    TotpRequired,
    /// The code of the second factor is wrong.
    WrongCode,
    /// The token's or the sign-in's time is over.
    TokenExpired,
    /// The account is disabled.
    AccountDisabled,
    /// A cookie came without its CSRF token.
    CsrfFailed,
    /// A browser page of another site, or another name for this host.
    OriginRefused,
    /// Known, but not allowed.
    Forbidden,
    /// There is no such thing, or it is somebody else's.
    NotFound,
    /// The catalog has no such service.
    UnknownService,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// The state of things does not allow it.
    Conflict,
    /// The owner has, or has used, as much as they may: 409 where something has to be given up first, 429
    /// where it is enough to wait.
    QuotaReached,
    /// The service is not on the owner's allow-list.
    ServiceNotAllowed,
    /// The outside service does not take the credential.
    CredentialRefused,
    /// The outside service could not be asked whether it takes the credential.
    CheckUnavailable,
    /// Too many failed sign-ins.
    Throttled,
    /// Too many requests.
    RateLimited,
    /// Too much at a time.
    Overloaded,
    /// The instance is not running and not coming up.
    InstanceUnavailable,
    /// The instance's server refused the request.
    UpstreamRefused,
    /// The instance's server failed.
    UpstreamFailed,
    /// The instance's server did not answer in time.
    UpstreamTimeout,
    /// The database cannot be used now.
    DatabaseUnavailable,
    /// Berth is stopping.
    ShuttingDown,
    /// A defect.
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest | Self::ValidationFailed => StatusCode::BAD_REQUEST,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthenticated | Self::WrongPassword | Self::TotpRequired | Self::WrongCode | Self::TokenExpired => {
                StatusCode::UNAUTHORIZED
            }
            Self::AccountDisabled
            | Self::CsrfFailed
            | Self::OriginRefused
            | Self::Forbidden
            | Self::ServiceNotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound | Self::UnknownService => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::QuotaReached => StatusCode::CONFLICT,
            Self::Throttled | Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::UpstreamRefused | Self::CredentialRefused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpstreamFailed | Self::CheckUnavailable => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Overloaded | Self::InstanceUnavailable | Self::DatabaseUnavailable | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which the same request may succeed, where waiting helps at all.
    const fn default_retry_after(self) -> Option<u64> {
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => Some(2),
            StatusCode::TOO_MANY_REQUESTS => Some(1),
            _ => None,
        }
    }
}

/// The body of an answer that is not a success.
#[derive(Debug, Serialize)]
pub(super) struct Problem<'a> {
    /// `about:blank`: the status and the code say what it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to do, for a person.
    detail: &'a str,
    /// What is wrong, for a program; stable.
    code: ErrorCode,
    /// Finds the request in the log.
    request_id: &'a str,
}

/// Why a request was not done. Any handler may return it.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    retry_after: Option<u64>,
    allow: Option<Box<str>>,
    challenge: Option<Box<str>>,
    /// Boxed, as most errors have none: they are returned everywhere.
    limited: Option<Box<Limited>>,
}

impl ApiError {
    /// `detail` is told to the client: what is wrong and what to do.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let retry_after = code.default_retry_after();
        Self { code, detail: detail.into(), source: None, retry_after, allow: None, challenge: None, limited: None }
    }

    /// The cause, for the log alone.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Tells the client to come back after this many seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Names the methods that the route has (RFC 9110 section 15.5.6).
    #[must_use]
    pub fn allow(mut self, methods: impl Into<String>) -> Self {
        self.allow = Some(methods.into().into());
        self
    }

    /// Says how to get in: the value of `WWW-Authenticate` (RFC 6750 section 3).
    #[must_use]
    pub fn challenge(mut self, value: impl Into<String>) -> Self {
        self.challenge = Some(value.into().into());
        self
    }

    /// A quota that time restores is used up: 429 instead of 409.
    #[must_use]
    pub fn quota_until(detail: impl Into<String>, wait: Duration) -> Self {
        Self::new(ErrorCode::QuotaReached, detail).retry_after(whole_seconds(wait))
    }

    /// The service is not for this account.
    #[must_use]
    pub fn service_not_allowed(service: &ServiceName) -> Self {
        let detail = format!("this account may not use {service}; ask an administrator");
        Self::new(ErrorCode::ServiceNotAllowed, detail)
    }

    /// Something in the request cannot be accepted; `detail` begins with the field's name.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationFailed, detail)
    }

    /// The operating system gave no randomness.
    #[must_use]
    pub fn random(error: getrandom::Error) -> Self {
        Self::internal(error)
    }

    /// There is no such thing for this caller.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {what}, or it is not yours"))
    }

    /// There is no such instance for this caller: nobody learns of somebody else's.
    #[must_use]
    pub fn no_such_instance() -> Self {
        Self::not_found("instance")
    }

    /// The operator at the command line is nobody's account.
    #[must_use]
    pub fn no_account() -> Self {
        Self::new(ErrorCode::Forbidden, "the operator has no account; sign in, or use a token of one")
    }

    /// A failure of Berth itself.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let detail = "something failed inside Berth; its log has more under this request id";
        Self::new(ErrorCode::Internal, detail).because(source)
    }

    /// What kind it is.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the client is told of it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Seconds after which the same request may succeed, where waiting helps.
    pub(super) const fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after
    }

    /// Logs it once, with its causes.
    pub(super) fn log(&self, request_id: &str) {
        let mut causes = String::new();
        let mut source: Option<&(dyn StdError + 'static)> = self.source.as_deref().map(|source| source as _);
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        match self.code {
            ErrorCode::Internal | ErrorCode::DatabaseUnavailable => {
                log::error!("request {request_id} failed: {}{causes}", self.detail);
            }
            // What cannot be read may be a secret in the wrong place: that is for its sender alone.
            code @ (ErrorCode::MalformedRequest | ErrorCode::ValidationFailed) => {
                log::debug!("request {request_id} refused ({code:?})");
            }
            // The words of somebody else's server may repeat what it was sent.
            code @ (ErrorCode::UpstreamRefused
            | ErrorCode::UpstreamFailed
            | ErrorCode::CredentialRefused
            | ErrorCode::CheckUnavailable) => {
                log::debug!("request {request_id} refused ({code:?})");
            }
            code => log::debug!("request {request_id} refused ({code:?}): {}{causes}", self.detail),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self.code {
            ErrorCode::QuotaReached if self.retry_after.is_some() => StatusCode::TOO_MANY_REQUESTS,
            code => code.status(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let request_id = new_request_id();
        self.log(&request_id);
        let status = self.status_code();
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: &request_id,
        };
        let mut response = HttpResponse::build(status);
        self.add_headers(&mut response);
        response.insert_header((REQUEST_ID, request_id.as_str()));
        // A struct of strings and numbers always serialises.
        response.body(serde_json::to_vec(&problem).unwrap_or_default())
    }
}

impl ApiError {
    fn add_headers(&self, response: &mut HttpResponseBuilder) {
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(challenge) = &self.challenge {
            response.insert_header((header::WWW_AUTHENTICATE, &**challenge));
        } else if self.code.status() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, &**methods));
        }
        if let Some(limited) = &self.limited {
            let [policy, state] = rate_limit::of_refusal(limited);
            response.insert_header((rate_limit::POLICY, policy)).insert_header((rate_limit::STATE, state));
        }
    }
}

/// A fresh name for a request.
pub(super) fn new_request_id() -> String {
    Uuid::now_v7().simple().to_string()
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable { .. } => {
                let detail = "the database is not available right now; nothing was changed, try again";
                Self::new(ErrorCode::DatabaseUnavailable, detail).because(error)
            }
            DbError::NotFound => Self::not_found("thing"),
            DbError::UniqueViolation { ref constraint } => {
                let detail = match constraint.as_str() {
                    "groups_name" => "there is a group of this name already",
                    "users_email" => "there is an account with this e-mail address already",
                    "services_name" | "services_pkey" => "there is a service of this name already",
                    "shares_instance_id_guest_id" => "it is shared with them already; end that share first",
                    _ => "somebody else has taken that just now; try again",
                };
                Self::new(ErrorCode::Conflict, detail).because(error)
            }
            DbError::ForeignKey => {
                let detail = "something that belongs to it was added or removed just now; try again";
                Self::new(ErrorCode::Conflict, detail).because(error)
            }
            DbError::Url { .. } | DbError::Migration(_) | DbError::Query(_) => Self::internal(error),
        }
    }
}

impl From<Limited> for ApiError {
    fn from(limited: Limited) -> Self {
        let Limited { policy, quota, wait } = limited;
        let error = match policy {
            Policy::Day => {
                let detail =
                    format!("this account may make {quota} calls a day and has; they come back at midnight UTC");
                Self::quota_until(detail, wait)
            }
            Policy::Account | Policy::Service | Policy::Token => {
                let what = match policy {
                    Policy::Service => "of this account to this service",
                    Policy::Token => "with this token",
                    Policy::Account | Policy::Day => "of this account",
                };
                let detail = format!("too many requests {what}: {quota} per second are allowed; slow down");
                Self::new(ErrorCode::RateLimited, detail).retry_after(whole_seconds(wait))
            }
        };
        Self { limited: Some(Box::new(limited)), ..error }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::Missing | AuthError::Unknown | AuthError::Revoked => ErrorCode::Unauthenticated,
            AuthError::Expired => ErrorCode::TokenExpired,
            AuthError::Disabled => ErrorCode::AccountDisabled,
            AuthError::WrongPassword => ErrorCode::WrongPassword,
            AuthError::CodeRequired => ErrorCode::TotpRequired,
            AuthError::WrongCode => ErrorCode::WrongCode,
            AuthError::Csrf => ErrorCode::CsrfFailed,
            AuthError::Throttled { retry_after_seconds } => {
                return Self::new(ErrorCode::Throttled, error.to_string()).retry_after(retry_after_seconds);
            }
            AuthError::Database(error) => return error.into(),
            AuthError::Hash(error) => return Self::internal(error),
            AuthError::Totp(error) => return error.into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<TotpError> for ApiError {
    fn from(error: TotpError) -> Self {
        match error {
            TotpError::Database(error) => error.into(),
            TotpError::Vault(error) => error.into(),
            TotpError::Random(_) | TotpError::Unusable(_) => Self::internal(error),
        }
    }
}

impl From<SupervisorError> for ApiError {
    fn from(error: SupervisorError) -> Self {
        match error {
            SupervisorError::Gone => Self::new(ErrorCode::ShuttingDown, error.to_string()),
            SupervisorError::Busy => Self::new(ErrorCode::Overloaded, error.to_string()),
            SupervisorError::Unknown | SupervisorError::Database(DbError::NotFound) => Self::no_such_instance(),
            SupervisorError::Refused(detail) => Self::new(ErrorCode::Conflict, detail),
            SupervisorError::Database(error) => error.into(),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let code = match error.kind {
            ErrorKind::Invalid => ErrorCode::ValidationFailed,
            ErrorKind::Taken | ErrorKind::Bundled => ErrorCode::Conflict,
            ErrorKind::Unknown => ErrorCode::UnknownService,
            ErrorKind::Unusable => return Self::internal(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::TooLong => Self::new(ErrorCode::ValidationFailed, error.to_string()),
            VaultError::BadKey { .. }
            | VaultError::KeyFileExposed { .. }
            | VaultError::KeyFile { .. }
            | VaultError::Randomness { .. }
            | VaultError::WrongKey { .. }
            | VaultError::UnknownVersion { .. }
            | VaultError::Malformed
            | VaultError::Forged => Self::internal(error),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        Self::invalid(format!("`password`: {error}"))
    }
}

impl From<NameError> for ApiError {
    fn from(error: NameError) -> Self {
        Self::new(ErrorCode::ValidationFailed, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    async fn rendered(error: ApiError) -> (HttpResponse<()>, serde_json::Value) {
        let (head, body) = error.error_response().into_parts();
        let body = to_bytes(body).await.unwrap();
        (head, serde_json::from_slice(&body).unwrap())
    }

    #[actix_web::test]
    async fn a_problem_has_every_member_and_no_cause() {
        let cause = DbError::Unavailable { reason: "file /secret/berth.db is locked".to_owned() };
        let (head, mut body) = rendered(cause.into()).await;
        assert_eq!(head.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
        assert_eq!(head.headers().get(header::RETRY_AFTER).unwrap(), "2");
        assert_eq!(head.headers().get(REQUEST_ID).unwrap().to_str().unwrap(), body["request_id"]);
        body["request_id"] = "[id]".into();
        insta::assert_json_snapshot!(body, @r#"
        {
          "code": "database_unavailable",
          "detail": "the database is not available right now; nothing was changed, try again",
          "request_id": "[id]",
          "status": 503,
          "title": "Service Unavailable",
          "type": "about:blank"
        }
        "#);
    }

    #[actix_web::test]
    async fn headers_say_what_to_do_next() {
        let cases = [
            (AuthError::Missing.into(), 401, "www-authenticate", "Bearer"),
            (AuthError::WrongPassword.into(), 401, "www-authenticate", "Bearer"),
            (AuthError::Throttled { retry_after_seconds: 77 }.into(), 429, "retry-after", "77"),
            (ApiError::new(ErrorCode::Overloaded, "x"), 503, "retry-after", "2"),
            (ApiError::new(ErrorCode::MethodNotAllowed, "x").allow("GET, POST"), 405, "allow", "GET, POST"),
        ];
        for (error, status, name, value) in cases {
            let (head, body) = rendered(error).await;
            assert_eq!(head.status().as_u16(), status);
            assert_eq!(body["status"], status);
            assert_eq!(head.headers().get(name).unwrap(), value);
        }
    }
}
