//! The HTTP server.

use std::{net::SocketAddr, str::FromStr};

use url::Url;

use super::{
    ConfigError, Source,
    source::{read, read_between},
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// Settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `listen`: address and port. Default `127.0.0.1:5000`; port 0 takes any free one.
    pub listen: SocketAddr,
    /// `public_url`: how clients reach Berth, where that is not `http://{listen}`. No trailing slash.
    pub public_url: Option<Url>,
    /// `allowed_origins`: further browser origins, comma-separated. Default none.
    pub allowed_origins: Vec<String>,
    /// `max_body_bytes`: largest request body. Default 4 MiB, as the official SDKs.
    pub max_body_bytes: usize,
    /// `workers`: HTTP worker threads. Default the number of cores.
    pub workers: usize,
    /// `log`: an env_logger filter. Default `info`.
    pub log: String,
    /// `log_format`: `text` or `json`. Default `text`.
    pub log_format: LogFormat,
}

impl ServerConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let listen = read(source, "listen", SocketAddr::from(([127, 0, 0, 1], 5000)))?;
        Ok(Self {
            listen,
            public_url: public_url(source)?,
            allowed_origins: list(&source.get("allowed_origins").unwrap_or_default()),
            max_body_bytes: usize::try_from(read_between(source, "max_body_bytes", 4 << 20, 1024, 1 << 30)?)
                .unwrap_or(4 << 20),
            workers: usize::try_from(read_between(source, "workers", cores as u64, 1, 256)?).unwrap_or(cores),
            log: source.get("log").unwrap_or_else(|| "info".to_owned()),
            log_format: read(source, "log_format", LogFormat::Text)?,
        })
    }
}

fn public_url(source: &dyn Source) -> Result<Option<Url>, ConfigError> {
    let Some(text) = source.get("public_url") else { return Ok(None) };
    let invalid = |reason: String| ConfigError::Invalid { key: "public_url".to_owned(), reason };
    let url = Url::parse(text.trim_end_matches('/')).map_err(|error| invalid(format!("{text:?}: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid(format!("{text:?} must be an http or https URL")));
    }
    Ok(Some(url))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().trim_end_matches('/').to_owned()).filter(|item| !item.is_empty()).collect()
}
