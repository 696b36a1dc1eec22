//! `berth usage`: calls per user, service and day.

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::{context::Context, output, remote::Remote};
use crate::{
    db::usage_days,
    domain::{
        metering::{Day, GroupBy, sum_up},
        time::Timestamp,
    },
    web::api::usage::{csv, view},
};

#[derive(Args)]
pub(super) struct Usage {
    /// The first day, such as 2026-03-01. Default: 30 days up to the last
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// The last day. Default: today, UTC
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,
    /// By what to sum up: day, user, service, or several of them, comma-separated
    #[arg(long, value_name = "BY", default_value = "day,user,service")]
    by: GroupBy,
    /// Answer in CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) fn run(context: &Context, command: &Usage) -> Result<()> {
    let to = command.to.unwrap_or_else(|| Day::of(Timestamp::now()));
    let from = command.from.unwrap_or(Day(to.0 - 29));
    ensure!(from <= to, "--from must not be after --to");
    if let Some(remote) = Remote::find(context)? {
        // It writes down what it has counted in the last seconds before it answers.
        remote.get("/api/v1/usage?group_by=day")?;
    }
    let records = context.database()?.read_blocking(|conn| usage_days::list(conn, from, to))?;
    let sums = sum_up(records, command.by);
    if command.csv {
        return output::line(csv(&sums).trim_end());
    }
    let items: Vec<Value> = sums.iter().map(view).collect();
    context.output.show(&json!({ "items": items, "next": null }), || {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let millis = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |millis| format!("{millis:.1}"));
        let rows: Vec<Vec<String>> = sums
            .iter()
            .zip(&items)
            .map(|(sum, item)| {
                vec![
                    text(sum.day.map(|day| day.to_string())),
                    text(sum.user.as_ref().map(|(_, email)| email.clone())),
                    text(sum.service.as_ref().map(ToString::to_string)),
                    sum.counts.calls.to_string(),
                    sum.counts.errors.to_string(),
                    millis(&item["latency_p50_ms"]),
                    millis(&item["latency_p95_ms"]),
                ]
            })
            .collect();
        output::table(&["DAY", "USER", "SERVICE", "CALLS", "ERRORS", "P50 MS", "P95 MS"], &rows)
    })
}
