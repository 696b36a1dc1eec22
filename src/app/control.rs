//! The control file: how the command line reaches a running Berth of the same data directory.
//!
//! Only the directory's owner can read it; whoever can could read the master key as well. The token
//! in it is made anew at every start and is worth nothing afterwards.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{auth::tokens, domain::secret::Secret};

#[derive(Serialize, Deserialize)]
struct Content {
    url: String,
    token: String,
    pid: u32,
    /// Where the first administrator is made, while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    setup_url: Option<String>,
}

/// A running Berth. The one who published it removes the file on drop.
pub struct Control {
    url: String,
    token: Secret,
    pid: u32,
    published: Option<PathBuf>,
}

impl Control {
    /// Writes the control file of this run.
    pub(super) fn publish(data_dir: &Path, bound: SocketAddr, setup: Option<&Secret>) -> Result<Self> {
        let token = tokens::random().context("no randomness for the control token")?;
        let content = Content {
            url: format!("http://{}", reachable(bound)),
            token,
            pid: std::process::id(),
            setup_url: setup.map(|url| url.expose().to_owned()),
        };
        let path = data_dir.join("control.json");
        let fresh = data_dir.join("control.json.new");
        // Written aside and renamed: a reader sees all of it or none.
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .with_context(|| format!("cannot write {}", fresh.display()))?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        fs::rename(&fresh, &path)?;
        Ok(Self { url: content.url, token: Secret::new(content.token), pid: content.pid, published: Some(path) })
    }

    /// The Berth that runs on this data directory, if one has said so. It may have died since.
    #[must_use]
    pub fn find(data_dir: &Path) -> Option<Self> {
        let text = fs::read(data_dir.join("control.json")).ok()?;
        let Content { url, token, pid, .. } = serde_json::from_slice(&text).ok()?;
        Some(Self { url, token: Secret::new(token), pid, published: None })
    }

    /// Its base URL on this host.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its control token.
    #[must_use]
    pub const fn token(&self) -> &Secret {
        &self.token
    }

    /// Its process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(path) = &self.published {
            let _ = fs::remove_file(path);
        }
    }
}

/// A wildcard address is listened on, not connected to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
