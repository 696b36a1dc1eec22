//! The first administrator: made by whoever can read the console of the first start.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Form, Path},
};
use maud::html;
use serde::Deserialize;
use serde_json::json;

use super::{
    Refusal,
    entry::{self, How},
    form::{FormCookie, complaint},
    mails,
};
use crate::{
    auth::{AuthError, links as tokens, passwords},
    db::{
        Connection, DbError, QueryResult,
        links::{self, Link, Purpose},
        users::{self, NewUser, Role, User},
    },
    domain::{ids::UserId, names::Email, secret::Secret, time::Timestamp},
    web::{api::audit, error::ApiError, pages::Page, state::AppState},
};

/// The first account.
#[derive(Deserialize)]
pub struct FirstAccount {
    csrf: String,
    email: String,
    password: Secret,
}

/// Where the first administrator is made, while there is no account at all. The link of an earlier start is
/// worth nothing any more.
///
/// # Errors
/// When there is no randomness, or the database cannot be used.
pub async fn link(state: &AppState) -> Result<Option<Secret>, ApiError> {
    let (token, link) = tokens::mint(Purpose::Setup, None, Timestamp::now()).map_err(ApiError::random)?;
    let is_needed = state.db.write(move |conn| {
        links::delete_purpose(conn, Purpose::Setup)?;
        let is_needed = users::count(conn)? == 0;
        if is_needed {
            links::insert(conn, &link)?;
        }
        Ok(is_needed)
    });
    let base = state.public_url.as_str().trim_end_matches('/');
    let url = || Secret::new(format!("{base}{}", tokens::path(Purpose::Setup, &token)));
    Ok(is_needed.await?.then(url))
}

/// `GET /setup/{token}`.
///
/// # Errors
/// 404 when the link does not open, or there is an account.
pub async fn show(request: HttpRequest, state: Data<AppState>, token: Path<String>) -> Result<HttpResponse, Refusal> {
    find(&request, &state, &token).await?;
    let form = FormCookie::of(&request, &state)?;
    Ok(form.answer(&state, page(&form, "", None)))
}

/// `POST /setup/{token}`.
///
/// # Errors
/// When the form is foreign or the link does not open; what cannot be used is told in the page.
pub async fn create(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
    sent: Form<FirstAccount>,
) -> Result<HttpResponse, Refusal> {
    let FirstAccount { csrf, email, password } = sent.into_inner();
    let form = FormCookie::checked(&request, &state, &csrf)?;
    let link = find(&request, &state, &token).await?;
    let wrong = |refusal: Refusal| form.refuse(&state, &refusal, page(&form, &email, Some(&refusal.text())));
    let address = match email.trim().parse::<Email>() {
        Ok(address) => address,
        Err(error) => return Ok(wrong(error.into())),
    };
    if let Err(error) = passwords::check(&password) {
        return Ok(wrong(ApiError::invalid(error.to_string()).into()));
    }
    let hash = passwords::hash_async(password).await.map_err(AuthError::from)?;
    let made = state.db.write(move |conn| make(conn, &link, address, hash)).await?;
    let user = made.ok_or_else(mails::dead_link)?;
    entry::enter(&request, &state, (user, How::Setup), "/", &form).await
}

async fn find(request: &HttpRequest, state: &AppState, token: &str) -> Result<Link, Refusal> {
    let link = mails::find(request, state, Purpose::Setup, token).await?;
    let has_users: Result<bool, DbError> = state.db.read(|conn| Ok(users::count(conn)? > 0)).await;
    if has_users? { Err(mails::dead_link().into()) } else { Ok(link) }
}

/// Nothing when somebody was faster: the link is used up first, and of two at once one has it.
fn make(conn: &mut Connection, link: &Link, email: Email, hash: String) -> QueryResult<Option<User>> {
    let is_open = links::consume(conn, &link.hash, Purpose::Setup, Timestamp::now())?;
    if !is_open || users::count(conn)? > 0 {
        return Ok(None);
    }
    let new = NewUser {
        id: UserId::generate(),
        email,
        password_hash: Some(hash),
        role: Role::Admin,
        instance_quota: None,
        created_at: Timestamp::now(),
    };
    let user = users::insert(conn, &new)?;
    let detail = json!({ "email": user.email, "role": user.role.as_str(), "how": "setup" });
    audit(conn, Some(user.id), "user.create", format!("user:{}", user.id), detail)?;
    Ok(Some(user))
}

fn page(form: &FormCookie, email: &str, wrong: Option<&str>) -> Page {
    let body = html! {
        p { "Nobody has an account here yet. Yours will be the first, and an administrator's." }
        (complaint(wrong))
        form method="post" {
            (form.field())
            label {
                "E-mail"
                input type="email" name="email" value=(email) autocomplete="username" required autofocus;
            }
            label {
                "Password, of at least " (passwords::MIN_CHARACTERS) " characters"
                input type="password" name="password" autocomplete="new-password" minlength=(passwords::MIN_CHARACTERS)
                    required;
            }
            button { "Set up Berth" }
        }
    };
    Page::new("Welcome to Berth", body)
}
