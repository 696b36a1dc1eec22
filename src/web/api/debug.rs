//! Debug mode of an instance: on for a time, or off.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{actor, audit, instance_view::InstanceView, instances::find};
use crate::{
    db::instances as rows,
    domain::{ids::InstanceId, time::Timestamp},
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// How long, when nothing else is asked for.
const USUAL_MINUTES: u64 = 30;
/// A day: debugging is to end by itself.
const MOST_MINUTES: u64 = 1440;

/// How long, or no longer.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Debug {
    minutes: Option<u64>,
    off: bool,
}

/// `{minutes?: 1..1440}` turns it on (again, to extend it), `{off: true}` off. A process that runs is started anew.
pub async fn set(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    body: Json<Debug>,
) -> Result<HttpResponse, ApiError> {
    let id = find(&caller.0, &state, path.into_inner(), true).await?.id;
    let until = until(&body, Timestamp::now())?;
    state.supervisor.debug(id, until).await?;
    let by = actor(&caller.0);
    let instance = state
        .db
        .write(move |conn| {
            audit(conn, by, "instance.debug", format!("instance:{id}"), json!({ "until": until }))?;
            rows::by_id(conn, id)
        })
        .await?;
    // The actor publishes it in a moment; who asked is told at once.
    let mut view = serde_json::to_value(InstanceView::of(instance, &state)).map_err(ApiError::internal)?;
    view["debug_until"] = json!(until);
    Ok(HttpResponse::Ok().json(view))
}

fn until(body: &Debug, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match body {
        Debug { off: true, minutes: None } => Ok(None),
        Debug { off: true, minutes: Some(_) } => Err(ApiError::invalid("give either `minutes` or `off: true`")),
        Debug { off: false, minutes } => {
            let minutes = minutes.unwrap_or(USUAL_MINUTES);
            if !(1..=MOST_MINUTES).contains(&minutes) {
                return Err(ApiError::invalid(format!("`minutes`: must be 1 to {MOST_MINUTES}, not {minutes}")));
            }
            Ok(Some(now.after(Duration::from_secs(minutes * 60))))
        }
    }
}
