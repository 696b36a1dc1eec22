//! The door that every sign-in goes through.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{StatusCode, header},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Refusal,
    account::client_address,
    code,
    cookies::{self, Kind},
    form::FormCookie,
    ticket::Ticket,
};
use crate::{
    auth::{
        AuthError, Principal,
        tokens::{self, TokenHash},
        totp,
    },
    db::{logins, users::User},
    domain::{ids::LoginId, notice::Notice, time::Timestamp},
    web::{api::audit, error::ApiError, state::AppState},
};

/// How somebody has proved who they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By password.
    Password,
    /// By a link that was sent to them.
    Link,
    /// By a sign-in provider of this name.
    Provider(String),
    /// By the link on the console.
    Setup,
}

impl How {
    fn as_text(&self) -> String {
        match self {
            Self::Password => "password".to_owned(),
            Self::Link => "link".to_owned(),
            Self::Provider(name) => format!("oidc:{name}"),
            Self::Setup => "setup".to_owned(),
        }
    }
}

/// A sign-in that holds.
pub struct Opened {
    /// Its cookie.
    pub cookie: Cookie<'static>,
    /// The CSRF token that goes with it.
    pub csrf: String,
}

/// Lets in who has proved who they are, or asks for the code of their second factor. `to` is where it leads.
///
/// # Errors
/// When the account is disabled, or the database cannot be used.
pub async fn enter(
    request: &HttpRequest,
    state: &AppState,
    (user, how): (User, How),
    to: &str,
    form: &FormCookie,
) -> Result<HttpResponse, Refusal> {
    if user.disabled_at.is_some() {
        return Err(AuthError::Disabled.into());
    }
    if totp::is_on(&state.db, user.id).await? {
        let ticket = Ticket::new(&user, how, to, form).seal(&state.vault)?;
        return Ok(form.answer(state, code::page(&ticket, form, None)));
    }
    let opened = open(request, state, &user, &how, false).await?;
    Ok(redirect(to, Some(&opened.cookie)))
}

/// Makes a sign-in with a cookie of its own, and ends the one that the browser had before: whoever knew that
/// cookie knows nothing of this one (session fixation).
///
/// # Errors
/// When there is no randomness, or the database cannot be used.
pub async fn open(
    request: &HttpRequest,
    state: &AppState,
    user: &User,
    how: &How,
    by_code: bool,
) -> Result<Opened, ApiError> {
    let secret = tokens::random().map_err(ApiError::random)?;
    let now = Timestamp::now();
    let lifetime = state.config.auth.sign_in_lifetime;
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let address = client_address(request);
    let detail = json!({ "how": how.as_text(), "second_factor": by_code, "address": address });
    let notice = Notice::sign_in(agent, &address);
    let login = logins::Login {
        id: LoginId::generate(),
        user_id: user.id,
        hash: TokenHash::of(&secret).to_hex(),
        csrf_hash: None,
        created_at: now,
        expires_at: now.after(lifetime),
        last_seen_at: now,
        user_agent: Some(agent.chars().take(200).collect()),
        address: Some(address),
    };
    let before = cookies::read(request, state, Kind::Session).map(|cookie| TokenHash::of(&cookie).to_hex());
    let id = user.id;
    state
        .db
        .write(move |conn| {
            if let Some(before) = before {
                logins::delete_by_hash(conn, &before)?;
            }
            logins::insert(conn, &login)?;
            audit(conn, Some(id), "auth.login", format!("user:{id}"), detail)
        })
        .await?;
    state.notices.tell(id, notice);
    let csrf = tokens::csrf(&secret);
    Ok(Opened { cookie: cookies::make(state, Kind::Session, secret, Some(lifetime)), csrf })
}

/// Who is signed in in this browser, and the CSRF token of their forms; nobody when the cookie is not good.
///
/// # Errors
/// When the database cannot be asked.
pub async fn signed_in(
    request: &HttpRequest,
    state: &AppState,
) -> Result<Option<(std::sync::Arc<Principal>, String)>, ApiError> {
    let Some(cookie) = cookies::read(request, state, Kind::Session) else { return Ok(None) };
    match state.authenticator.cookie(&cookie).await {
        Ok(principal) => Ok(Some((principal, tokens::csrf(&cookie)))),
        Err(AuthError::Database(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Sends the browser on with GET (303), whatever it came with.
#[must_use]
pub fn redirect(to: &str, cookie: Option<&Cookie<'_>>) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::SEE_OTHER);
    response.insert_header((header::LOCATION, to)).insert_header((header::REFERRER_POLICY, "no-referrer"));
    if let Some(cookie) = cookie {
        response.cookie(cookie.clone());
    }
    response.finish()
}
