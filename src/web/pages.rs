//! The pages that must work without the dashboard and without a script: signing in, consent, messages.
//!
//! Invariants: no script at all and no style but our own file; nobody may frame a page; a form goes only
//! where the page says; nothing that somebody else wrote is put in unescaped (maud escapes).

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use maud::{DOCTYPE, Markup, html};

/// The same custom properties as the dashboard's.
const STYLE: &str = concat!(include_str!("../../static/styles/tokens.css"), include_str!("../../static/pages.css"));

/// One page.
pub struct Page {
    title: String,
    status: StatusCode,
    body: Markup,
    /// Sources of the `form-action` directive beside our own.
    form_targets: Vec<String>,
}

impl Page {
    /// A page with this heading and what is below it.
    #[must_use]
    pub fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), status: StatusCode::OK, body, form_targets: Vec::new() }
    }

    /// A page that only says something.
    #[must_use]
    pub fn message(status: StatusCode, title: impl Into<String>, text: &str) -> Self {
        Self { status, ..Self::new(title, html! { p { (text) } }) }
    }

    /// With another status than 200.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Lets the answer to a form of this page lead to `source`, an origin or a scheme with a colon (CSP 3,
    /// section 6.4.1: browsers check redirects after a form, too).
    #[must_use]
    pub fn form_target(mut self, source: impl Into<String>) -> Self {
        self.form_targets.push(source.into());
        self
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · Berth" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href="/assets/pages.css";
                }
                body {
                    main {
                        h1 { (self.title) }
                        (self.body)
                    }
                }
            }
        };
        let targets: String = self.form_targets.iter().map(|source| format!(" {source}")).collect();
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
             frame-ancestors 'none'; form-action 'self'{targets}"
        );
        HttpResponse::build(self.status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_SECURITY_POLICY, policy))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            // Nothing to other sites. With `no-referrer` our own forms would be of the origin `null`.
            .insert_header((header::REFERRER_POLICY, "same-origin"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(page.into_string())
    }
}

/// `/assets/pages.css`.
pub async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(STYLE)
}
