//! Log set-up. Never logged: tokens, credentials, bodies.

use std::io::Write;

use env_logger::{Builder, Target};
use serde::Serialize;

use crate::config::LogFormat;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    target: &'a str,
    message: String,
}

/// Installs the logger; `filter` is env_logger's. A second call does nothing.
pub fn init_logging(filter: &str, format: LogFormat) {
    let mut builder = Builder::new();
    builder.parse_filters(filter).target(Target::Stderr);
    if format == LogFormat::Json {
        builder.format(|out, record| {
            let line = Line {
                time: jiff::Timestamp::now().to_string(),
                level: record.level().as_str(),
                target: record.target(),
                message: record.args().to_string(),
            };
            let text = serde_json::to_string(&line).unwrap_or_default();
            writeln!(out, "{text}")
        });
    }
    // Err means that a logger is installed already (tests).
    let _ = builder.try_init();
}
