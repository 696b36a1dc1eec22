//! The step for those who have a second factor.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Form},
};
use maud::html;
use serde::Deserialize;

use super::{
    Refusal,
    account::check_code,
    entry,
    form::{FormCookie, complaint},
    next,
    ticket::Ticket,
};
use crate::{
    auth::AuthError,
    db::users,
    web::{pages::Page, state::AppState},
};

/// The form.
#[derive(Deserialize)]
pub struct CodeForm {
    csrf: String,
    ticket: String,
    code: String,
}

/// Asks for the code. The ticket says for whom.
pub(super) fn page(ticket: &str, form: &FormCookie, wrong: Option<&str>) -> Page {
    let body = html! {
        (complaint(wrong))
        form method="post" action="/login/code" {
            (form.field())
            input type="hidden" name="ticket" value=(ticket);
            label {
                "Code of your authenticator, or a recovery code"
                input name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false"
                    required autofocus;
            }
            button { "Continue" }
        }
        p.small { a href="/login" { "Start again" } }
    };
    Page::new("Second factor", body)
}

/// `POST /login/code`.
///
/// # Errors
/// When the form is foreign or the first step too long ago.
pub async fn check(request: HttpRequest, state: Data<AppState>, sent: Form<CodeForm>) -> Result<HttpResponse, Refusal> {
    let form = FormCookie::checked(&request, &state, &sent.csrf)?;
    let ticket = Ticket::open(&sent.ticket, &state.vault, &form)?;
    let id = ticket.user;
    let user = state.db.read(move |conn| users::by_id(conn, id)).await?;
    if user.disabled_at.is_some() {
        return Err(AuthError::Disabled.into());
    }
    if let Err(error) = check_code(&request, &state, id, &sent.code).await {
        let refusal = Refusal::from(error);
        if !refusal.is_mendable() {
            return Err(refusal);
        }
        return Ok(form.refuse(&state, &refusal, page(&sent.ticket, &form, Some(&refusal.text()))));
    }
    let opened = entry::open(&request, &state, &user, &ticket.how, true).await?;
    Ok(entry::redirect(next::safe(Some(&ticket.next)), Some(&opened.cookie)))
}
