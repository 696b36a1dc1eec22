//! A new password for who has forgotten theirs. It ends all sign-ins of the account, and all its links.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Form, Path},
};
use maud::html;
use serde::Deserialize;
use serde_json::json;

use super::{
    Refusal,
    form::{FormCookie, complaint},
    link::{AskForm, told, use_up},
    mails,
};
use crate::{
    auth::{AuthError, passwords},
    db::{
        Connection, QueryResult,
        links::{self, Link, Purpose},
        logins,
        users::{self, User},
    },
    domain::secret::Secret,
    web::{api::audit, error::ApiError, pages::Page, state::AppState},
};

/// The new password.
#[derive(Deserialize)]
pub struct NewPassword {
    csrf: String,
    password: Secret,
}

/// `GET /login/reset`.
///
/// # Errors
/// When there is no randomness.
pub async fn show_ask(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Refusal> {
    let form = FormCookie::of(&request, &state)?;
    let body = html! {
        p { "A link to set a new password will be sent to you." }
        form method="post" {
            (form.field())
            label {
                "E-mail"
                input type="email" name="email" autocomplete="username" required autofocus;
            }
            button { "Send the link" }
        }
        p.small { a href="/login" { "Back" } }
    };
    Ok(form.answer(&state, Page::new("Forgotten password", body)))
}

/// `POST /login/reset`.
///
/// # Errors
/// When the form is foreign, no mail is sent from here, or too many were asked for.
pub async fn ask(request: HttpRequest, state: Data<AppState>, sent: Form<AskForm>) -> Result<HttpResponse, Refusal> {
    let form = FormCookie::checked(&request, &state, &sent.csrf)?;
    mails::request(&request, &state, &sent.email, (Purpose::Reset, "/"))?;
    Ok(form.answer(&state, told()))
}

/// `GET /login/reset/{token}`.
///
/// # Errors
/// 404 when the link does not open.
pub async fn show(request: HttpRequest, state: Data<AppState>, token: Path<String>) -> Result<HttpResponse, Refusal> {
    mails::find(&request, &state, Purpose::Reset, &token).await?;
    let form = FormCookie::of(&request, &state)?;
    Ok(form.answer(&state, page(&form, None)))
}

/// `POST /login/reset/{token}`.
///
/// # Errors
/// When the form is foreign or the link does not open; a password that cannot be used is told in the page.
pub async fn set(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
    sent: Form<NewPassword>,
) -> Result<HttpResponse, Refusal> {
    let NewPassword { csrf, password } = sent.into_inner();
    let form = FormCookie::checked(&request, &state, &csrf)?;
    let link = mails::find(&request, &state, Purpose::Reset, &token).await?;
    if let Err(error) = passwords::check(&password) {
        let refusal = Refusal::from(ApiError::invalid(error.to_string()));
        return Ok(form.refuse(&state, &refusal, page(&form, Some(&refusal.text()))));
    }
    let hash = passwords::hash_async(password).await.map_err(AuthError::from)?;
    let user = state.db.write(move |conn| replace(conn, &link, &hash)).await?.ok_or_else(mails::dead_link)?;
    state.authenticator.forget_user(user.id);
    let body = html! {
        p role="status" { "The new password is set, and every sign-in of the account has ended." }
        p { a.button href="/login" { "Sign in" } }
    };
    Ok(form.answer(&state, Page::new("New password", body)))
}

fn replace(conn: &mut Connection, link: &Link, hash: &str) -> QueryResult<Option<User>> {
    let Some(user) = use_up(conn, link)? else { return Ok(None) };
    if user.disabled_at.is_some() {
        return Ok(None);
    }
    users::set_password(conn, user.id, Some(hash))?;
    logins::delete_for_user(conn, user.id, None)?;
    links::delete_for_user(conn, user.id)?;
    audit(conn, Some(user.id), "auth.password_reset", format!("user:{}", user.id), json!({}))?;
    Ok(Some(user))
}

fn page(form: &FormCookie, wrong: Option<&str>) -> Page {
    let body = html! {
        (complaint(wrong))
        form method="post" {
            (form.field())
            label {
                "New password, of at least " (passwords::MIN_CHARACTERS) " characters"
                input type="password" name="password" autocomplete="new-password" minlength=(passwords::MIN_CHARACTERS)
                    required autofocus;
            }
            button { "Set it" }
        }
    };
    Page::new("New password", body)
}
