//! Refusals of pages, as pages.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use maud::html;

use crate::web::{
    error::{ApiError, ErrorCode, REQUEST_ID, new_request_id},
    pages::Page,
};

/// Why a page was not shown or a form not taken.
#[derive(Debug)]
pub struct Refusal(ApiError);

impl Refusal {
    /// With a code's status, and what to say.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(ApiError::new(code, detail))
    }

    /// What to say beside a form.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// What kind it is.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.0.code()
    }

    /// Whether the same form can be offered again with what was wrong: it is the visitor's to mend.
    #[must_use]
    pub fn is_mendable(&self) -> bool {
        let code = self.code();
        matches!(
            code,
            ErrorCode::WrongPassword
                | ErrorCode::WrongCode
                | ErrorCode::AccountDisabled
                | ErrorCode::ValidationFailed
                | ErrorCode::Throttled
                | ErrorCode::Conflict
        )
    }

    /// The refusal's status and headers on a page of its own or on a form that is offered again.
    #[must_use]
    pub fn dress(&self, page: Page) -> HttpResponse {
        let id = new_request_id();
        self.0.log(&id);
        let mut response = page.status(self.status_code()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Ok(id) = id.parse() {
            headers.insert(header::HeaderName::from_static(REQUEST_ID), id);
        }
        response
    }
}

impl<T: Into<ApiError>> From<T> for Refusal {
    fn from(error: T) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.0.code().status()
    }

    fn error_response(&self) -> HttpResponse {
        let title = match self.status_code() {
            StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
            status if status.is_server_error() => "Something went wrong",
            _ => "This did not work",
        };
        let body = html! {
            p role="alert" { (self.text()) }
            p { a href="/login" { "Sign in" } }
        };
        self.dress(Page::new(title, body))
    }
}
