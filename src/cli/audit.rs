//! `berth audit`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{context::Context, output};
use crate::{
    db::audit::{self, Filter},
    domain::{ids::UserId, time::Timestamp},
};

/// Entries that are read at once.
const BATCH: u32 = 1000;

#[derive(Subcommand)]
pub(super) enum Audit {
    /// Check that no entry was changed, removed or put in between
    Verify {
        /// A hash that was the newest at some time: there must be an entry with it still
        #[arg(long, value_name = "HASH")]
        expect_hash: Option<String>,
    },
    /// Print entries, oldest first, as JSON lines
    Export(Export),
}

#[derive(Args)]
pub(super) struct Export {
    /// Not before, as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// By whom: the id of an account
    #[arg(long, value_name = "ID")]
    actor: Option<UserId>,
    /// What, such as `instance.create`
    #[arg(long)]
    action: Option<String>,
}

/// RFC 3339.
fn moment(text: &str) -> Result<Timestamp, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

pub(super) fn run(context: &Context, command: &Audit) -> Result<ExitCode> {
    match command {
        Audit::Verify { expect_hash } => verify(context, expect_hash.as_deref()),
        Audit::Export(export) => export.run(context),
    }
}

fn verify(context: &Context, expected: Option<&str>) -> Result<ExitCode> {
    if expected.is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        bail!("--expect-hash: a hash is 64 hexadecimal digits, as `berth audit verify` prints them");
    }
    let expected = expected.map(str::to_ascii_lowercase);
    let found = context.database()?.read_blocking(|conn| audit::verify(conn, expected.as_deref()))?;
    let is_intact = found.is_intact();
    context.output.show(&answer(&found), || sentence(&found))?;
    if !is_intact && context.output.json {
        output::remark("the audit log is not intact");
    }
    Ok(if is_intact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn answer(found: &audit::Verified) -> serde_json::Value {
    json!({
        "intact": found.is_intact(), "entries": found.entries, "first": found.first, "newest": found.newest,
        "newest_hash": found.newest_hash, "first_wrong": found.first_wrong, "has_expected": found.has_expected,
    })
}

fn sentence(found: &audit::Verified) -> String {
    let audit::Verified { entries, newest_hash, first, .. } = found;
    if let Some(entry) = found.first_wrong {
        return format!("NOT intact: entry {entry} is missing or was changed");
    }
    if found.has_expected == Some(false) {
        return "NOT intact: no entry has the hash that was expected; the log was replaced or rewritten".to_owned();
    }
    let since = if *first > 1 {
        format!(" from number {first} on, older ones were removed in their time")
    } else {
        String::new()
    };
    format!("intact: {entries} entries{since}; the newest has hash {newest_hash}")
}

impl Export {
    fn run(&self, context: &Context) -> Result<ExitCode> {
        let db = context.database()?;
        let Self { from, to, actor, action } = self;
        let filter = Filter { from: *from, to: *to, actor: *actor, action: action.clone(), target: None };
        let mut after = 0;
        loop {
            let entries = db.read_blocking(|conn| audit::oldest_first(conn, &filter, BATCH, after))?;
            let Some(last) = entries.last() else { return Ok(ExitCode::SUCCESS) };
            after = last.seq;
            let lines: Vec<String> = entries.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
            output::line(&lines.join("\n"))?;
        }
    }
}
