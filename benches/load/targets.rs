//! Where the load goes.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;
use url::Url;

/// One endpoint and the right to use it.
#[derive(Clone, Debug, Args, Deserialize)]
pub(crate) struct Target {
    /// The endpoint, plain HTTP.
    #[arg(long)]
    pub(crate) url: Option<Url>,
    /// Bearer token, if the endpoint wants one.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// Speak 2026-07-28: no session, everything in every request.
    #[arg(long)]
    #[serde(default)]
    pub(crate) stateless: bool,
}

/// One target per client.
pub(crate) fn expand(one: Target, list: Option<&Path>, clients: usize, per_target: usize) -> Result<Vec<Target>> {
    let (targets, each) = match list {
        None => (vec![one], clients),
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
            (serde_json::from_str(&text).with_context(|| format!("parsing {}", path.display()))?, per_target)
        }
    };
    if targets.is_empty() || targets.iter().any(|target: &Target| target.url.is_none()) {
        bail!("every target needs a url");
    }
    // Round-robin, so that neighbours in time belong to different targets.
    Ok((0..each).flat_map(|_| targets.iter().cloned()).collect())
}
