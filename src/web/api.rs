//! The REST API below `/api/v1`.

pub mod admin_health;
pub mod audit_log;
pub mod auth;
pub mod client_config;
pub mod credentials;
pub mod curated;
pub mod debug;
pub mod diagnose;
mod entitled;
mod entitlements;
pub mod grants;
pub mod groups;
pub mod import;
pub mod instance_stream;
pub mod instance_view;
pub mod instances;
pub mod logs;
pub mod me;
pub mod notifications;
pub mod oauth_clients;
pub mod openapi;
pub mod operations;
pub mod outside_clients;
pub mod removal;
pub mod second_factor;
pub mod services;
pub mod sessions;
pub mod shares;
pub mod system;
pub mod tokens;
pub mod updates;
pub mod usage;
pub mod users;
pub mod validate;
pub mod webhooks;

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::{
    auth::Principal,
    auth::Via,
    db::{Connection, QueryResult, audit},
    domain::{ids::UserId, time::Timestamp},
    web::error::ApiError,
};

/// A list, and where it goes on.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// A list that is complete.
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// `?limit=&before=` of a list that grows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Items at most. Default 100, at most 1000.
    #[serde(default)]
    limit: Option<u32>,
    /// The cursor of the page before.
    #[serde(default, alias = "cursor")]
    before: Option<i64>,
}

impl Page {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(100).clamp(1, 1000)
    }
}

/// Who is named in the audit log: the operator at the command line is nobody's account.
pub(super) fn actor(principal: &Principal) -> Option<UserId> {
    (principal.via != Via::Operator).then_some(principal.user)
}

/// Does `work` to its end, also when its client goes away before: what was written down must become true
/// here too.
///
/// # Errors
/// As `work`, and when it ended early.
pub(super) async fn to_the_end<T: 'static>(
    work: impl Future<Output = Result<T, ApiError>> + 'static,
) -> Result<T, ApiError> {
    actix_web::rt::spawn(work).await.map_err(ApiError::internal)?
}

/// Writes an audit row inside the transaction of the change that it is about.
pub(super) fn audit(
    conn: &mut Connection,
    actor: Option<UserId>,
    action: &str,
    target: String,
    detail: serde_json::Value,
) -> QueryResult<()> {
    let entry = audit::NewEntry { at: Timestamp::now(), actor, action: action.to_owned(), target, detail };
    audit::append(conn, &entry).map(|_| ())
}
