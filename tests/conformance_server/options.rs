//! The command line.

/// Printed with every usage error.
pub(crate) const USAGE: &str = "\
usage: conformance-server [--era session|stateless] [--http [PORT]]
  --era ERA       session: 2025-11-25 and older (default); stateless: 2026-07-28
  --http [PORT]   Streamable HTTP on 127.0.0.1 instead of stdio; port $PORT when none is given";

/// Which of the two protocols is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Era {
    /// `initialize` first, up to 2025-11-25.
    #[default]
    Session,
    /// Every request by itself, 2026-07-28.
    Stateless,
}

/// See [`USAGE`].
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) era: Era,
    /// HTTP on this port; stdio when absent.
    pub(crate) port: Option<u16>,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.peekable();
        while let Some(flag) = args.next() {
            match flag.as_str() {
                "--era" => options.era = era(args.next().as_deref())?,
                "--http" => options.port = Some(port(args.next_if(|next| !next.starts_with('-')))?),
                other => return Err(format!("unknown argument {other}")),
            }
        }
        Ok(options)
    }
}

fn era(word: Option<&str>) -> Result<Era, String> {
    match word {
        Some("session") => Ok(Era::Session),
        Some("stateless") => Ok(Era::Stateless),
        _ => Err("--era needs session or stateless".to_owned()),
    }
}

fn port(argument: Option<String>) -> Result<u16, String> {
    argument
        .or_else(|| std::env::var("PORT").ok())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| "--http needs a port number, here or in PORT".to_owned())
}
