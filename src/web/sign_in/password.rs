//! The sign-in page, and signing out.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Form, Query},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::{
    Refusal,
    account::by_password,
    cookies::{self, Kind},
    entry::{self, How},
    form::{FormCookie, check_signed_in, complaint},
    next,
};
use crate::{
    auth::tokens::TokenHash,
    db::logins,
    domain::secret::Secret,
    web::{api::audit, pages::Page, state::AppState},
};

/// `?next=`.
#[derive(Deserialize)]
pub struct Where {
    pub(super) next: Option<String>,
}

/// The form.
#[derive(Deserialize)]
pub struct SignInForm {
    csrf: String,
    email: String,
    password: Secret,
    next: Option<String>,
}

/// A form of one button.
#[derive(Deserialize)]
pub struct Button {
    csrf: String,
}

/// `GET /login`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(request: HttpRequest, state: Data<AppState>, query: Query<Where>) -> Result<HttpResponse, Refusal> {
    let next = next::safe(query.next.as_deref());
    if entry::signed_in(&request, &state).await?.is_some() {
        return Ok(entry::redirect(next, None));
    }
    let form = FormCookie::of(&request, &state)?;
    Ok(form.answer(&state, page(&state, &form, ("", next), None)))
}

/// `POST /login`.
///
/// # Errors
/// When the form is foreign, or something fails; a wrong password is told in the page.
pub async fn submit(
    request: HttpRequest,
    state: Data<AppState>,
    sent: Form<SignInForm>,
) -> Result<HttpResponse, Refusal> {
    let SignInForm { csrf, email, password, next } = sent.into_inner();
    let form = FormCookie::checked(&request, &state, &csrf)?;
    let next = next::safe(next.as_deref());
    let outcome = match by_password(&request, &state, &email, password).await {
        Ok(user) => entry::enter(&request, &state, (user, How::Password), next, &form).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Err(refusal) if refusal.is_mendable() => {
            let page = page(&state, &form, (&email, next), Some(&refusal.text()));
            Ok(form.refuse(&state, &refusal, page))
        }
        outcome => outcome,
    }
}

/// `POST /logout`.
///
/// # Errors
/// When the form is foreign.
pub async fn sign_out(
    request: HttpRequest,
    state: Data<AppState>,
    sent: Form<Button>,
) -> Result<HttpResponse, Refusal> {
    let cookie = check_signed_in(&request, &state, &sent.csrf)?;
    let who = entry::signed_in(&request, &state).await?.map(|(principal, _)| principal.user);
    let hash = TokenHash::of(&cookie).to_hex();
    state
        .db
        .write(move |conn| {
            logins::delete_by_hash(conn, &hash)?;
            match who {
                Some(user) => audit(conn, who, "auth.logout", format!("user:{user}"), json!({})),
                None => Ok(()),
            }
        })
        .await?;
    Ok(entry::redirect("/login", Some(&cookies::removal(&state, Kind::Session))))
}

fn page(state: &AppState, form: &FormCookie, (email, next): (&str, &str), wrong: Option<&str>) -> Page {
    let has_mail = state.mailer.is_on();
    let body = html! {
        (complaint(wrong))
        form method="post" action="/login" {
            (form.field())
            input type="hidden" name="next" value=(next);
            label {
                "E-mail"
                input type="email" name="email" value=(email) autocomplete="username" required autofocus[email.is_empty()];
            }
            label {
                "Password"
                input type="password" name="password" autocomplete="current-password" required autofocus[!email.is_empty()];
            }
            button { "Sign in" }
            @if has_mail {
                button.quiet formaction="/login/link" formnovalidate { "Send me a link instead" }
            }
        }
        (other_ways(state, next))
        @if has_mail {
            p.small { a href="/login/reset" { "Forgot your password?" } }
        }
    };
    Page::new("Sign in", body)
}

fn other_ways(state: &AppState, next: &str) -> Markup {
    let next: String = byte_serialize(next.as_bytes()).collect();
    html! {
        @for provider in state.providers.settings() {
            p { a.button.quiet href={ "/login/oidc/" (provider.name) "?next=" (next) } {
                "Sign in with " (provider.display_name)
            } }
        }
    }
}
