//! Between the first and the second factor: who has proved the first, sealed in the form that asks for the
//! second. It is good for ten minutes and in the browser that it was made for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Refusal, entry::How, form::FormCookie};
use crate::{
    auth::tokens,
    db::users::User,
    domain::{ids::UserId, secret::Secret, time::Timestamp},
    vault::Vault,
    web::error::{ApiError, ErrorCode},
};

/// The name that tickets are sealed for.
const OWNER: &str = "sign-in ticket";
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Who has proved the first factor.
#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    /// Who.
    pub(super) user: UserId,
    /// How.
    pub(super) how: How,
    /// Where they want to go.
    pub(super) next: String,
    browser: String,
    expires: i64,
}

impl Ticket {
    pub(super) fn new(user: &User, how: How, next: &str, form: &FormCookie) -> Self {
        let expires = Timestamp::now().after(LIFETIME).0;
        Self { user: user.id, how, next: next.to_owned(), browser: form.binding(), expires }
    }

    pub(super) fn seal(&self, vault: &Vault) -> Result<String, ApiError> {
        let text = Secret::new(serde_json::to_string(self).map_err(ApiError::internal)?);
        Ok(vault.seal(OWNER, &text)?)
    }

    pub(super) fn open(sealed: &str, vault: &Vault, form: &FormCookie) -> Result<Self, Refusal> {
        let text = vault.open_sealed(OWNER, sealed).map_err(|_| stale())?;
        let ticket: Self = serde_json::from_str(text.expose()).map_err(|_| stale())?;
        let is_good = Timestamp(ticket.expires) > Timestamp::now() && tokens::equal(&ticket.browser, &form.binding());
        if is_good { Ok(ticket) } else { Err(stale()) }
    }
}

fn stale() -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, "this took too long; sign in again")
}
