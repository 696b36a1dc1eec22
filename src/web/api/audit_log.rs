//! The audit log: for administrators all of it, for everybody what they did and what was done to them.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Query},
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{List, Page, actor};
use crate::{
    auth::policy::Action,
    db::{
        Connection, Db, DbError, QueryResult,
        audit::{self, Entry, Filter},
        credentials, instances, tokens,
    },
    domain::{ids::UserId, names::Email, time::Timestamp},
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// Entries of an export that are in memory at once.
const BATCH: u32 = 1000;

/// Which entries, and how many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    #[param(value_type = Option<uuid::Uuid>)]
    actor: Option<UserId>,
    action: Option<String>,
    target: Option<String>,
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    limit: Option<u32>,
    #[serde(alias = "cursor")]
    before: Option<i64>,
}

impl AuditQuery {
    fn split(self) -> (Filter, Page) {
        let Self { actor, action, target, from, to, limit, before } = self;
        (Filter { actor, action, target, from, to }, Page { limit, before })
    }
}

/// `?expect_hash=` of a check.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Expectation {
    expect_hash: Option<String>,
}

/// The entries that fit, newest first.
pub async fn list(caller: Caller, state: Data<AppState>, query: Query<AuditQuery>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (filter, page) = query.into_inner().split();
    let (limit, before) = (page.limit(), page.before);
    let entries = state.db.read(move |conn| audit::list(conn, &filter, limit, before)).await?;
    Ok(HttpResponse::Ok().json(page_of(entries, limit)))
}

/// The entries that fit, oldest first, as JSON lines; read and sent in batches.
pub async fn export(caller: Caller, state: Data<AppState>, query: Query<AuditQuery>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (filter, Page { limit, before }) = query.into_inner().split();
    if limit.is_some() || before.is_some() {
        return Err(ApiError::invalid("`limit`, `before`: an export has all that fit; narrow it by `from` and `to`"));
    }
    let lines = stream::unfold(Exporter { db: state.db.clone(), filter, after: 0 }, Exporter::next);
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/jsonl")).streaming(lines))
}

/// Whether the chain holds.
pub async fn verify(
    caller: Caller,
    state: Data<AppState>,
    query: Query<Expectation>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let expected = query.into_inner().expect_hash.map(|hash| hash.to_ascii_lowercase());
    let found = state.db.read(move |conn| audit::verify(conn, expected.as_deref())).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "intact": found.is_intact(), "entries": found.entries, "first": found.first, "newest": found.newest,
        "newest_hash": found.newest_hash, "first_wrong": found.first_wrong, "has_expected": found.has_expected,
    })))
}

/// What the caller did, and what was done to their account and to what they have now; newest first.
pub async fn activity(caller: Caller, state: Data<AppState>, page: Query<Page>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = actor(&caller.0).ok_or_else(ApiError::no_account)?;
    let (email, limit, before) = (caller.0.email.clone(), page.limit(), page.before);
    let entries = state.db.read(move |conn| own(conn, user, &email, limit, before)).await?;
    Ok(HttpResponse::Ok().json(page_of(entries, limit)))
}

/// Two look-ups, each by its index, put together.
fn own(conn: &mut Connection, user: UserId, email: &Email, limit: u32, before: Option<i64>) -> QueryResult<Vec<Entry>> {
    let mut targets = vec![format!("user:{user}"), format!("account:{email}")];
    targets.extend(instances::list_for_user(conn, user)?.iter().map(|instance| format!("instance:{}", instance.id)));
    targets.extend(tokens::list_for_user(conn, user)?.iter().map(|token| format!("token:{}", token.id)));
    targets.extend(credentials::list_for_user(conn, user)?.iter().map(|row| format!("credential:{}", row.id)));
    let by = Filter { actor: Some(user), ..Filter::default() };
    let mut entries = audit::list(conn, &by, limit, before)?;
    for some in targets.chunks(500) {
        entries.extend(audit::about(conn, some, limit, before)?);
    }
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.seq));
    entries.dedup_by_key(|entry| entry.seq);
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(entries)
}

fn page_of(entries: Vec<Entry>, limit: u32) -> List<Entry> {
    let next = (entries.len() == limit as usize).then(|| entries.last().map(|entry| entry.seq.to_string())).flatten();
    List { items: entries, next }
}

/// Where an export is.
struct Exporter {
    db: Db,
    filter: Filter,
    after: i64,
}

impl Exporter {
    /// The next batch. A failure cuts the answer off, which its reader notices.
    async fn next(mut self) -> Option<(Result<Bytes, DbError>, Self)> {
        let (filter, after) = (self.filter.clone(), self.after);
        let entries = match self.db.read(move |conn| audit::oldest_first(conn, &filter, BATCH, after)).await {
            Ok(entries) => entries,
            Err(error) => return Some((Err(error), self)),
        };
        self.after = entries.last()?.seq;
        let mut lines = Vec::new();
        for entry in &entries {
            // An entry of text, numbers and JSON always serialises.
            lines.extend(serde_json::to_vec(entry).unwrap_or_default());
            lines.push(b'\n');
        }
        Some((Ok(Bytes::from(lines)), self))
    }
}
