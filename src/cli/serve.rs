//! `berth serve`.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use super::context::Context;
use crate::{
    app::{self, Ended},
    telemetry::init_logging,
};

#[derive(Args)]
pub(super) struct Serve {
    /// Address and port. Default 127.0.0.1:5000, or BERTH_LISTEN; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// The settings file. Default ./berth.toml, if it is there
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

pub(super) fn run(context: Context) -> Result<ExitCode> {
    // Read now: after an update, this path holds the new binary.
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let config = context.config;
    init_logging(&config.server.log, config.server.log_format);
    let ended = actix_rt::System::new().block_on(app::serve(config))?;
    if ended.again {
        return Err(start_again(&exe));
    }
    Ok(if ended == (Ended { graceful: true, again: false }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Becomes the same program anew: same process, arguments, environment and streams, so that whoever
/// supervises Berth notices nothing. Returns only when that fails.
fn start_again(exe: &Path) -> anyhow::Error {
    log::info!("starting again");
    let error = Command::new(exe).args(std::env::args_os().skip(1)).exec();
    anyhow!(error).context(format!("cannot start {} again", exe.display()))
}
