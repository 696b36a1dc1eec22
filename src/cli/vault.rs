//! `berth vault`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{context::Context, user::read_secret};
use crate::app::rotate_master_key;

#[derive(Subcommand)]
pub(super) enum Vault {
    /// Seal everything with a new master key; Berth must not be running. An interrupted rotation is gone on with
    RotateKey {
        /// Read the new key from standard input: where the key is a setting
        #[arg(long)]
        key_stdin: bool,
    },
}

pub(super) fn run(context: &Context, command: &Vault) -> Result<()> {
    let Vault::RotateKey { key_stdin } = command;
    let given = if *key_stdin { Some(read_secret("new master key")?) } else { None };
    let done = rotate_master_key(&context.config, given.as_ref())?;
    let answer = json!({
        "old_key": done.old_key, "new_key": done.new_key, "resealed": done.resealed, "old_key_file": done.old_key_file,
    });
    context.output.show(&answer, || {
        let next = done.old_key_file.as_ref().map_or_else(
            || "set `master_key` (BERTH_MASTER_KEY) to the new key before Berth starts".to_owned(),
            |file| {
                format!("the old key is {}: backups from before need it; delete it when there are none", file.display())
            },
        );
        format!("{} secrets are sealed with key {} now, not with {}\n{next}", done.resealed, done.new_key, done.old_key)
    })
}
