//! What the keeper of outside grants tells: instances take the new token, people hear that their consent is needed.

use actix_web::web::Data;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    db::{Connection, OptionalExtension, QueryResult, credentials, instances},
    domain::{
        ids::InstanceId,
        notice::{Notice, NoticeKind},
    },
    outside::{News, Turn},
    web::{api::credentials::rotation::refresh, state::AppState},
};

/// Does what there is to do, for as long as there is news.
pub(super) async fn run(state: Data<AppState>, mut news: UnboundedReceiver<News>) {
    while let Some(news) = news.recv().await {
        let id = news.credential;
        let known = state.db.read(move |conn| stored(conn, &news)).await;
        match known {
            Ok(Some((_, Turn::Renewed { asked_by }, using))) => {
                refresh(&state, using.into_iter().filter(|id| Some(*id) != asked_by).collect()).await;
            }
            Ok(Some((row, Turn::Lapsed(why), _))) => {
                let title = format!("{} needs your consent again: {why}", named(&row));
                state.notices.tell(row.user_id, notice(&row, title, &why));
            }
            Ok(Some((row, Turn::Overdue(why), _))) => {
                let title = format!("{} has no valid token, and is tried again: {why}", named(&row));
                state.notices.tell(row.user_id, notice(&row, title, &why));
            }
            // Deleted meanwhile.
            Ok(None) => {}
            Err(error) => log::warn!("instances do not know yet that credential {id} has changed: {error}"),
        }
    }
}

type Known = (credentials::Credential, Turn, Vec<InstanceId>);

fn stored(conn: &mut Connection, news: &News) -> QueryResult<Option<Known>> {
    let Some(row) = credentials::by_id(conn, news.credential).optional()? else { return Ok(None) };
    let using = instances::using_credential(conn, news.credential)?.into_iter().map(|instance| instance.id).collect();
    Ok(Some((row, news.what.clone(), using)))
}

/// `Your account at gmail`, or `Your account at gmail (work)`.
fn named(row: &credentials::Credential) -> String {
    let label = if row.label.is_empty() { String::new() } else { format!(" ({})", row.label) };
    format!("Your account at {}{label}", row.service)
}

fn notice(row: &credentials::Credential, title: String, why: &str) -> Notice {
    Notice {
        kind: NoticeKind::ConsentNeeded,
        subject: format!("credential:{}", row.id),
        title,
        detail: json!({
            "credential": row.id, "service": row.service, "reason": why,
            "connect": format!("/connect/{}?credential={}", row.service, row.id),
        }),
    }
}
