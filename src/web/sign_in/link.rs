//! Signing in by a link in a mail. Opening it only asks: programs that look through mail open links, too.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Form, Path, Query},
};
use maud::html;
use serde::Deserialize;

use super::{
    Refusal,
    entry::{self, How},
    form::FormCookie,
    mails, next,
    password::Where,
};
use crate::{
    db::{
        QueryResult,
        links::{self, Purpose},
        users::{self, User},
    },
    domain::time::Timestamp,
    web::{pages::Page, state::AppState},
};

/// Asks for a mail.
#[derive(Deserialize)]
pub struct AskForm {
    pub(super) csrf: String,
    pub(super) email: String,
    next: Option<String>,
}

/// Opens the link.
#[derive(Deserialize)]
pub struct OpenForm {
    csrf: String,
    next: Option<String>,
}

/// `POST /login/link`.
///
/// # Errors
/// When the form is foreign, no mail is sent from here, or too many were asked for.
pub async fn ask(request: HttpRequest, state: Data<AppState>, sent: Form<AskForm>) -> Result<HttpResponse, Refusal> {
    let form = FormCookie::checked(&request, &state, &sent.csrf)?;
    mails::request(&request, &state, &sent.email, (Purpose::Magic, next::safe(sent.next.as_deref())))?;
    Ok(form.answer(&state, told()))
}

pub(super) fn told() -> Page {
    let body = html! {
        p role="status" { (mails::SENT) }
        p.small { a href="/login" { "Back" } }
    };
    Page::new("Look into your mail", body)
}

/// `GET /login/link/{token}`.
///
/// # Errors
/// 404 when the link does not open.
pub async fn show(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
    query: Query<Where>,
) -> Result<HttpResponse, Refusal> {
    mails::find(&request, &state, Purpose::Magic, &token).await?;
    let form = FormCookie::of(&request, &state)?;
    let body = html! {
        p { "This link signs you in, in this browser." }
        form method="post" {
            (form.field())
            input type="hidden" name="next" value=(next::safe(query.next.as_deref()));
            button autofocus { "Sign in" }
        }
    };
    Ok(form.answer(&state, Page::new("Sign in", body)))
}

/// `POST /login/link/{token}`.
///
/// # Errors
/// When the form is foreign or the link does not open.
pub async fn open(
    request: HttpRequest,
    state: Data<AppState>,
    token: Path<String>,
    sent: Form<OpenForm>,
) -> Result<HttpResponse, Refusal> {
    let form = FormCookie::checked(&request, &state, &sent.csrf)?;
    let link = mails::find(&request, &state, Purpose::Magic, &token).await?;
    let user = state.db.write(move |conn| use_up(conn, &link)).await?.ok_or_else(mails::dead_link)?;
    entry::enter(&request, &state, (user, How::Link), next::safe(sent.next.as_deref()), &form).await
}

/// The user of a link that nobody has used in between.
pub(super) fn use_up(conn: &mut crate::db::Connection, link: &links::Link) -> QueryResult<Option<User>> {
    let Some(user) = link.user_id else { return Ok(None) };
    if !links::consume(conn, &link.hash, link.purpose, Timestamp::now())? {
        return Ok(None);
    }
    users::by_id(conn, user).map(Some)
}
