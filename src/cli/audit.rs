//! `berth audit`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{context::Context, output};
use crate::db::audit;

#[derive(Subcommand)]
pub(super) enum Audit {
    /// Check that no entry was changed, removed or put in between
    Verify,
}

pub(super) fn run(context: &Context, command: &Audit) -> Result<ExitCode> {
    match command {
        Audit::Verify => verify(context),
    }
}

fn verify(context: &Context) -> Result<ExitCode> {
    let db = context.database()?;
    let verified = db.read_blocking(audit::verify)?;
    let newest = db.read_blocking(|conn| audit::list(conn, 1, None, None))?;
    let (entries, hash) = newest.first().map_or((0, ""), |entry| (entry.seq, entry.hash.as_str()));
    let answer =
        json!({ "intact": verified.is_ok(), "entries": entries, "newest_hash": hash, "first_wrong": verified.err() });
    context.output.show(&answer, || match verified {
        Ok(()) => format!("intact: {entries} entries, the newest has hash {hash}"),
        Err(entry) => format!("NOT intact: entry {entry} is missing or was changed"),
    })?;
    if verified.is_err() && context.output.json {
        output::remark("the audit log is not intact");
    }
    Ok(if verified.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
