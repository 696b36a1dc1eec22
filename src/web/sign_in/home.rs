//! `/`: who one is.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use maud::html;

use super::{Refusal, entry};
use crate::web::{pages::Page, state::AppState};

/// `GET /`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn show(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Refusal> {
    let Some((who, csrf)) = entry::signed_in(&request, &state).await? else {
        return Ok(entry::redirect("/login", None));
    };
    let body = html! {
        p { "You are signed in as " strong { (who.email) } ", " (who.role.as_str()) "." }
        p.small {
            a href="/api/v1/mcps" { "Instances" } " · " a href="/api/v1/services" { "Services" } " · "
            a href="/api/v1/me/logins" { "Sign-ins" } " · " a href="/openapi.json" { "API" }
        }
        form method="post" action="/logout" {
            input type="hidden" name="csrf" value=(csrf);
            button.quiet { "Sign out" }
        }
    };
    Ok(Page::new("Berth", body).into_response())
}
