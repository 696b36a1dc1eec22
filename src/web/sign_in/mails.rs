//! Mails with links. Whether there is an account is found out after the answer, which is the same either
//! way and takes as long.

use actix_web::{HttpRequest, web::Data};
use serde_json::json;

use super::account::Attempt;
use crate::{
    auth::links,
    db::{OptionalExtension, links as rows, links::Purpose, users},
    domain::{names::Email, time::Timestamp},
    mail::Mail,
    web::{
        api::audit,
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// What is said to everybody.
pub const SENT: &str = "If there is an account with this address, a mail with a link is on its way to it.";

/// Has a mail with a link sent to the account with this address, if there is one. Returns before that is known.
///
/// # Errors
/// When no mail is sent from here, or too many were asked for.
pub fn request(
    request: &HttpRequest,
    state: &Data<AppState>,
    email: &str,
    (purpose, next): (Purpose, &str),
) -> Result<(), ApiError> {
    if !state.mailer.is_on() {
        return Err(ApiError::new(ErrorCode::Conflict, crate::mail::MailError::Off.to_string()));
    }
    let attempt = Attempt::at_mail(request, email);
    attempt.check(state)?;
    attempt.failed(state);
    let Ok(email) = email.trim().parse::<Email>() else { return Ok(()) };
    let (state, next, address) = (state.clone(), next.to_owned(), attempt.address);
    state.clone().mailer.write_later(async move {
        if let Err(error) = send(&state, email, (purpose, &next), address).await {
            log::error!("a mail with a link could not be sent: {error:?}");
        }
    });
    Ok(())
}

async fn send(
    state: &AppState,
    email: Email,
    (purpose, next): (Purpose, &str),
    address: String,
) -> Result<(), ApiError> {
    let wanted = email.clone();
    let user = state.db.read(move |conn| users::by_email(conn, &wanted).optional()).await?;
    let Some(user) = user.filter(|user| user.disabled_at.is_none()) else { return Ok(()) };
    let (token, link) = links::mint(purpose, Some(user.id), Timestamp::now()).map_err(ApiError::random)?;
    let (target, detail) = (format!("user:{}", user.id), json!({ "purpose": purpose.to_string(), "address": address }));
    state
        .db
        .write(move |conn| {
            rows::insert(conn, &link)?;
            audit(conn, None, "auth.link_sent", target, detail)
        })
        .await?;
    let mut url = format!("{}{}", base(state), links::path(purpose, &token));
    if next != "/" {
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        url = format!("{url}?next={next}");
    }
    let sent =
        state.mailer.send(Mail { to: email, subject: subject(purpose), text: text(purpose, &base(state), &url) });
    sent.await.map_err(ApiError::internal)
}

/// Always the public URL, never what a request calls this host.
fn base(state: &AppState) -> String {
    state.public_url.as_str().trim_end_matches('/').to_owned()
}

fn subject(purpose: Purpose) -> String {
    match purpose {
        Purpose::Reset => "Set a new password for Berth".to_owned(),
        Purpose::Magic | Purpose::Setup => "Sign in to Berth".to_owned(),
    }
}

fn text(purpose: Purpose, base: &str, url: &str) -> String {
    let what = match purpose {
        Purpose::Reset => "set a new password",
        Purpose::Magic | Purpose::Setup => "sign in",
    };
    let minutes = links::lifetime(purpose).as_secs() / 60;
    format!(
        "Somebody, hopefully you, wants to {what} at {base}.\n\nThis link lets you do so once, within {minutes} \
         minutes:\n\n{url}\n\nIf it was not you, nothing needs to be done: nobody gets in without the link.\n"
    )
}

/// The refusal of a link that does not open.
#[must_use]
pub fn dead_link() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "this link was used already, is too old, or is not complete; ask for a new one")
}

/// The row of a link that still opens.
///
/// # Errors
/// 404 when there is none, or it was used or is over: which of these is not said. Guesses are counted.
pub async fn find(
    request: &HttpRequest,
    state: &AppState,
    purpose: Purpose,
    token: &str,
) -> Result<rows::Link, ApiError> {
    let attempt = Attempt::at_address(request);
    attempt.check(state)?;
    let hash = links::hash(token);
    let link = state.db.read(move |conn| rows::find(conn, &hash, purpose).optional()).await?;
    let open = link.filter(|link| link.used_at.is_none() && link.expires_at > Timestamp::now());
    open.ok_or_else(|| {
        attempt.failed(state);
        dead_link()
    })
}
