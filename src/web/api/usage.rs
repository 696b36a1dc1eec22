//! What is used and what is allowed: of oneself, of a user, of everybody.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::List;
use crate::{
    auth::policy::Action,
    db::{creations, instances, usage_days, users},
    domain::{
        ids::UserId,
        metering::{Counts, Day, GroupBy, UsageSum, sum_up},
        quota::AllowList,
        time::Timestamp,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// The most days in one answer.
const MAX_DAYS: i64 = 400;
/// Days when none are asked for.
const DEFAULT_DAYS: i64 = 30;

/// What the caller has used of what they may.
pub async fn mine(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    if super::actor(&caller.0).is_none() {
        return Err(ApiError::new(ErrorCode::NotFound, "the operator has no account, and so no limits"));
    }
    caller.may(Action::UseAccount)?;
    Ok(HttpResponse::Ok().json(of_user(&state, caller.0.user).await?))
}

/// What a user has used of what they may. For administrators.
pub async fn of(caller: Caller, state: Data<AppState>, path: Path<UserId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    state.db.read(move |conn| users::by_id(conn, id)).await?;
    Ok(HttpResponse::Ok().json(of_user(&state, id).await?))
}

async fn of_user(state: &AppState, user: UserId) -> Result<Value, ApiError> {
    let now = Timestamp::now();
    let account = state.authenticator.account(user).await?;
    let (count, recent) = state
        .db
        .read(move |conn| Ok((instances::count_for_user(conn, user)?, creations::recent(conn, user, now)?)))
        .await?;
    let occupied = state.supervisor.occupied(user);
    let allowed = &account.entitlement;
    let services = match &allowed.services {
        AllowList::All => Value::Null,
        AllowList::Only(names) => json!(names),
    };
    Ok(json!({
        "instances": { "used": count, "allowed": allowed.instances },
        "running": { "used": occupied.processes, "allowed": allowed.running },
        "memory_bytes": { "used": occupied.memory_bytes, "allowed": allowed.memory_bytes },
        "calls_today": {
            "used": account.calls_today(now), "allowed": allowed.calls_per_day, "resets_at": Day::of(now).end(),
        },
        "creations_this_hour": {
            "used": recent.count, "allowed": allowed.creations_per_hour, "resets_at": recent.until,
        },
        "rates": {
            "calls_per_second": { "allowed": allowed.calls_per_second },
            "service_calls_per_second": { "allowed": allowed.service_calls_per_second },
            "token_calls_per_second": { "allowed": allowed.token_calls_per_second },
        },
        "services": services,
    }))
}

/// `?from=&to=&group_by=&format=`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    from: Option<String>,
    to: Option<String>,
    group_by: Option<String>,
    format: Option<String>,
}

/// Calls of everybody: the records of days, or their sums, as JSON or CSV. For administrators.
pub async fn list(
    request: HttpRequest,
    caller: Caller,
    state: Data<AppState>,
    query: Query<UsageQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (from, to) = days(&query, Day::of(Timestamp::now()))?;
    let group_by = query.group_by.as_deref().map(str::parse).transpose();
    let by: GroupBy =
        group_by.map_err(|error| ApiError::invalid(format!("`group_by`: {error}")))?.unwrap_or(GroupBy::ALL);
    let is_csv = wants_csv(&request, query.format.as_deref())?;
    // What was counted in the last seconds belongs to it.
    state.authenticator.ledger().flush(&state.db, Timestamp::now()).await?;
    let sums = sum_up(state.db.read(move |conn| usage_days::list(conn, from, to)).await?, by);
    if is_csv {
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"));
        response.insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"berth-usage.csv\""));
        return Ok(response.body(csv(&sums)));
    }
    Ok(HttpResponse::Ok().json(List::whole(sums.iter().map(view).collect())))
}

fn days(query: &UsageQuery, today: Day) -> Result<(Day, Day), ApiError> {
    let read = |name: &str, text: &Option<String>| -> Result<Option<Day>, ApiError> {
        let day = text.as_deref().map(str::parse).transpose();
        day.map_err(|error: String| ApiError::invalid(format!("`{name}`: {error}")))
    };
    let to = read("to", &query.to)?.unwrap_or(today);
    let from = read("from", &query.from)?.unwrap_or(Day(to.0 - DEFAULT_DAYS + 1));
    if from > to || to.0 - from.0 >= MAX_DAYS {
        return Err(ApiError::invalid(format!(
            "`from`: must not be after `to`, and at most {MAX_DAYS} days before it"
        )));
    }
    Ok((from, to))
}

fn wants_csv(request: &HttpRequest, format: Option<&str>) -> Result<bool, ApiError> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(ApiError::invalid("`format`: json or csv")),
        None => {
            let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
            Ok(accept.is_some_and(|accept| accept.contains("text/csv")))
        }
    }
}

fn millis(counts: &Counts, quantile: f64) -> Option<f64> {
    // To the microsecond: what lies below was never measured.
    counts.latencies.quantile(quantile).map(|at| (at.as_secs_f64() * 1e6).round() / 1e3)
}

/// What is shown of a sum.
#[must_use]
pub fn view(sum: &UsageSum) -> Value {
    let mut view = json!({
        "calls": sum.counts.calls,
        "errors": sum.counts.errors,
        "latency_p50_ms": millis(&sum.counts, 0.5),
        "latency_p95_ms": millis(&sum.counts, 0.95),
    });
    if let Some(day) = sum.day {
        view["day"] = json!(day);
    }
    if let Some((user, email)) = &sum.user {
        view["user"] = json!(user);
        view["email"] = json!(email);
    }
    if let Some(service) = &sum.service {
        view["service"] = json!(service);
    }
    view
}

/// RFC 4180. All columns are always there; those that were summed over are empty.
#[must_use]
pub fn csv(sums: &[UsageSum]) -> String {
    let mut text = "day,user,email,service,calls,errors,latency_p50_ms,latency_p95_ms\r\n".to_owned();
    for sum in sums {
        let (user, email) = match &sum.user {
            Some((id, email)) => (id.to_string(), email.clone()),
            None => Default::default(),
        };
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let cells = [
            sum.day.map(|day| day.to_string()).unwrap_or_default(),
            user,
            email,
            sum.service.as_ref().map(ToString::to_string).unwrap_or_default(),
            sum.counts.calls.to_string(),
            sum.counts.errors.to_string(),
            number(millis(&sum.counts, 0.5)),
            number(millis(&sum.counts, 0.95)),
        ];
        text.push_str(&cells.map(|cell| cell_of(&cell)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// Quoted where needed. What a spreadsheet would take for a formula is made text.
fn cell_of(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        let cases =
            [("a@b.c", "a@b.c"), ("=1+1@b.c", "'=1+1@b.c"), ("a,b", "\"a,b\""), ("say \"a\"", "\"say \"\"a\"\"\"")];
        for (text, cell) in cases {
            assert_eq!(cell_of(text), cell);
        }
    }

    #[test]
    fn days_are_bounded() {
        let query = |from: Option<&str>, to: Option<&str>| UsageQuery {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            group_by: None,
            format: None,
        };
        let today = Day(20_000);
        assert_eq!(days(&query(None, None), today).unwrap(), (Day(19_971), today));
        assert_eq!(days(&query(Some("1970-01-02"), Some("1970-01-03")), today).unwrap(), (Day(1), Day(2)));
        for (from, to) in [(Some("1970-01-03"), Some("1970-01-02")), (Some("1970-01-01"), None), (Some("x"), None)] {
            assert!(days(&query(from, to), today).is_err(), "{from:?} {to:?}");
        }
    }
}
