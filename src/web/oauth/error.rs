//! Refusals of the endpoints that clients call: JSON of RFC 6749 section 5.2.

use std::{error::Error as StdError, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::{auth::oauth_clients::ClientError, db::DbError};

/// Why a client is refused. `code` is one of the registry "OAuth Extensions Error".
#[derive(Debug)]
pub struct OAuthError {
    code: &'static str,
    description: String,
    status: StatusCode,
    challenge: bool,
    retry_after: Option<u64>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl OAuthError {
    /// A refusal with status 400 and this code; `description` is for the client's developer.
    #[must_use]
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { code, description, status: StatusCode::BAD_REQUEST, challenge: false, retry_after: None, source: None }
    }

    /// The request is not as it should be.
    #[must_use]
    pub fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// The code or the refresh token is of no use.
    #[must_use]
    pub fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// With another status than 400.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Tells the client to come back after this many seconds.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A failure of Berth itself.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let error = Self::new("server_error", "something failed inside Berth; its log has more");
        Self { source: Some(source.into()), ..error.status(StatusCode::INTERNAL_SERVER_ERROR) }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)
    }
}

impl StdError for OAuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        match &self.source {
            Some(source) => log::error!("an OAuth request failed: {self}: {source}"),
            None => log::debug!("an OAuth request was refused: {self}"),
        }
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.challenge {
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"Berth\""));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(json!({ "error": self.code, "error_description": self.description }))
    }
}

impl From<DbError> for OAuthError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable { .. } => {
                let refused = Self::new("temporarily_unavailable", "the database is not available; try again");
                Self { source: Some(error.into()), ..refused.status(StatusCode::SERVICE_UNAVAILABLE).retry_after(2) }
            }
            DbError::ForeignKey => Self::invalid_grant("the user or the instance is gone"),
            other => Self::internal(other),
        }
    }
}

impl From<ClientError> for OAuthError {
    fn from(error: ClientError) -> Self {
        let (code, challenge) = (error.code(), matches!(error, ClientError::Unproven { basic: true, .. }));
        if let ClientError::Database(error) = error {
            return error.into();
        }
        let refused = Self::new(code, error.to_string());
        let status = if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { challenge, ..refused.status(status) }
    }
}

impl From<getrandom::Error> for OAuthError {
    fn from(error: getrandom::Error) -> Self {
        Self::internal(error)
    }
}
