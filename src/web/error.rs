//! Errors of the HTTP API: RFC 9457 problems with a stable `code`.
//!
//! Layers below know nothing of HTTP; their errors become problems here, in exhaustive matches. What is
//! internal is logged once, with the request's id, and never shown.

use std::{error::Error as StdError, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

use crate::{actors::SupervisorError, auth::AuthError, catalog::CatalogError, db::DbError, vault::VaultError};

/// What went wrong, for programs. A code exists only where a client would act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No valid credentials.
    Unauthenticated,
    /// The account or its token may not do this.
    Forbidden,
    /// The CSRF token is missing or wrong.
    CsrfFailed,
    /// A foreign page or host.
    OriginRefused,
    /// Nothing there, or nothing that the caller may know of.
    NotFound,
    /// The verb is not served there.
    MethodNotAllowed,
    /// The body or query is wrong.
    ValidationFailed,
    /// The catalog has no such service.
    UnknownService,
    /// As many instances as allowed.
    QuotaReached,
    /// The state or a name that is taken does not allow it.
    Conflict,
    /// Too large.
    PayloadTooLarge,
    /// Too many requests.
    RateLimited,
    /// Too many failed sign-ins.
    Throttled,
    /// Too many calls in flight.
    Overloaded,
    /// The instance has no process, and none is coming.
    InstanceUnavailable,
    /// The instance's server failed.
    UpstreamFailed,
    /// The instance's server did not answer in time.
    UpstreamTimeout,
    /// The instance's server answered with an error.
    UpstreamRefused,
    /// The database cannot be used now.
    DatabaseUnavailable,
    /// Berth is ending.
    ShuttingDown,
    /// A defect.
    Internal,
}

impl ErrorCode {
    const fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::CsrfFailed | Self::OriginRefused => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ValidationFailed | Self::UnknownService => StatusCode::BAD_REQUEST,
            Self::QuotaReached | Self::Conflict => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited | Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::UpstreamFailed => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::UpstreamRefused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Overloaded | Self::InstanceUnavailable | Self::DatabaseUnavailable | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error on its way to the client.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    detail: String,
    /// What is logged and never shown.
    source: Option<Box<dyn StdError + Send + Sync>>,
    retry_after_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: ErrorCode,
    request_id: String,
}

impl ApiError {
    /// An error with words for the client: what failed, why, what to do.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), source: None, retry_after_seconds: None }
    }

    /// The body or the query is wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationFailed, detail)
    }

    /// The same words whether it does not exist or belongs to somebody else.
    #[must_use]
    pub fn no_such_instance() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such instance, or it is not yours")
    }

    /// A defect: the caller learns nothing, the log everything.
    pub fn internal(source: impl StdError + Send + Sync + 'static) -> Self {
        let detail = "something failed inside Berth; its log has the reason under this request's id";
        Self { source: Some(Box::new(source)), ..Self::new(ErrorCode::Internal, detail) }
    }

    /// The operating system gave no randomness.
    #[must_use]
    pub fn random(error: getrandom::Error) -> Self {
        Self::internal(error)
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let request_id = uuid::Uuid::now_v7().to_string();
        if let Some(source) = &self.source {
            let mut chain = source.to_string();
            let mut cause = source.source();
            while let Some(next) = cause {
                chain.push_str(": ");
                chain.push_str(&next.to_string());
                cause = next.source();
            }
            log::error!("request {request_id}: {chain}");
        }
        let title = status.canonical_reason().unwrap_or("Error");
        let problem = Problem {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"berth\""));
        }
        let default = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5);
        if let Some(seconds) = self.retry_after_seconds.or(default) {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        response.insert_header((header::CONTENT_TYPE, "application/problem+json")).body(body)
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound => Self::new(ErrorCode::NotFound, "there is no such thing, or it is not yours"),
            DbError::UniqueViolation { constraint } => {
                Self::new(ErrorCode::Conflict, format!("that value is taken already ({constraint})"))
            }
            DbError::ForeignKey => {
                Self::new(ErrorCode::Conflict, "something still refers to it, or it refers to something that is gone")
            }
            DbError::Unavailable { reason } => {
                log::error!("the database is not available: {reason}");
                Self::new(
                    ErrorCode::DatabaseUnavailable,
                    "the database cannot be used now; nothing was changed; try again",
                )
                .retry_after(5)
            }
            error @ (DbError::Url { .. } | DbError::Migration(_) | DbError::Query(_)) => Self::internal(error),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let text = error.to_string();
        match error {
            AuthError::Missing
            | AuthError::Unknown
            | AuthError::Expired
            | AuthError::Revoked
            | AuthError::WrongPassword => Self::new(ErrorCode::Unauthenticated, text),
            AuthError::Disabled => Self::new(ErrorCode::Forbidden, text),
            AuthError::Csrf => Self::new(ErrorCode::CsrfFailed, text),
            AuthError::Throttled { retry_after_seconds } => {
                Self::new(ErrorCode::Throttled, text).retry_after(retry_after_seconds)
            }
            AuthError::Database(source) => source.into(),
            error @ AuthError::Hash(_) => Self::internal(error),
        }
    }
}

impl From<SupervisorError> for ApiError {
    fn from(error: SupervisorError) -> Self {
        let text = error.to_string();
        match error {
            SupervisorError::Gone => Self::new(ErrorCode::ShuttingDown, text),
            SupervisorError::Busy => Self::new(ErrorCode::Overloaded, text).retry_after(1),
            SupervisorError::Unknown => Self::no_such_instance(),
            SupervisorError::Refused(_) => Self::new(ErrorCode::Conflict, text),
            SupervisorError::Database(source) => source.into(),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        Self::internal(error)
    }
}
