//! `/`: to the dashboard, or to sign in.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{Refusal, entry};
use crate::web::state::AppState;

/// `GET /`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Refusal> {
    let is_known = entry::signed_in(&request, &state).await?.is_some();
    Ok(entry::redirect(if is_known { "/app/" } else { "/login" }, None))
}
