//! Forms of somebody who is not signed in: each is tied to a cookie of the browser that it was made for, so
//! that no other page can have somebody sign in as somebody else.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::{
    Refusal,
    cookies::{self, Kind},
};
use crate::{
    auth::tokens,
    web::{
        error::{ApiError, ErrorCode},
        origin,
        pages::Page,
        state::AppState,
    },
};

/// The cookie that forms are tied to.
pub struct FormCookie {
    value: String,
    is_fresh: bool,
}

impl FormCookie {
    /// The browser's, or a fresh one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn of(request: &HttpRequest, state: &AppState) -> Result<Self, Refusal> {
        match cookies::read(request, state, Kind::Form) {
            Some(value) => Ok(Self { value, is_fresh: false }),
            None => Ok(Self { value: tokens::random().map_err(ApiError::random)?, is_fresh: true }),
        }
    }

    /// The cookie of a form that has come back.
    ///
    /// # Errors
    /// 403 when it comes from another site, another browser or without its token.
    pub fn checked(request: &HttpRequest, state: &AppState, csrf: &str) -> Result<Self, Refusal> {
        origin::check(request, state)?;
        let value = cookies::read(request, state, Kind::Form);
        let value = value.filter(|value| tokens::equal(csrf, &tokens::csrf(value))).ok_or_else(foreign)?;
        Ok(Self { value, is_fresh: false })
    }

    /// The hidden field that every form has.
    #[must_use]
    pub fn field(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(tokens::csrf(&self.value)); }
    }

    /// What ties other things to this browser: not the cookie itself.
    #[must_use]
    pub fn binding(&self) -> String {
        tokens::csrf(&self.value)
    }

    /// The page with the cookie, where the browser has not got it yet.
    #[must_use]
    pub fn answer(&self, state: &AppState, page: Page) -> HttpResponse {
        self.put(state, page.into_response())
    }

    /// The form offered again with what was wrong.
    #[must_use]
    pub fn refuse(&self, state: &AppState, refusal: &Refusal, page: Page) -> HttpResponse {
        self.put(state, refusal.dress(page))
    }

    fn put(&self, state: &AppState, mut response: HttpResponse) -> HttpResponse {
        if self.is_fresh {
            // A cookie of our own making is always a valid header.
            let _ = response.add_cookie(&cookies::make(state, Kind::Form, self.value.clone(), None));
        }
        response
    }
}

/// Checks the token of a form of somebody who is signed in.
///
/// # Errors
/// 403 when the form comes from another site or without its token.
pub fn check_signed_in(request: &HttpRequest, state: &AppState, csrf: &str) -> Result<String, Refusal> {
    origin::check(request, state)?;
    let cookie = cookies::read(request, state, Kind::Session);
    cookie.filter(|cookie| tokens::equal(csrf, &tokens::csrf(cookie))).ok_or_else(foreign)
}

fn foreign() -> Refusal {
    Refusal::new(
        ErrorCode::CsrfFailed,
        "the form does not come from a page that this browser has just loaded here; load the page again, with \
         cookies allowed, and send it once more",
    )
}

/// What was wrong, above a form.
#[must_use]
pub fn complaint(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p.bad role="alert" { (text) }
        }
    }
}
