//! Mail: by which way it leaves, and whom it says it comes from.

use std::{path::PathBuf, str::FromStr};

use lettre::message::Mailbox;
use url::{Host, Url};

use super::{ConfigError, Source, StorageConfig, source::read};
use crate::domain::secret::Secret;

/// By which way mail leaves.
#[derive(Clone)]
pub enum MailWay {
    /// None: nothing that needs mail is offered.
    Off,
    /// Onto the standard output of `berth serve`.
    Console,
    /// Into a folder, a file per mail.
    File {
        /// The folder; made when it is not there, for its owner alone.
        dir: PathBuf,
    },
    /// To a mail server.
    Smtp {
        /// `smtps://` (TLS from the first byte) or `smtp://` (STARTTLS; plain on this host alone); may hold
        /// a password.
        url: Secret,
    },
}

/// Settings of mail.
#[derive(Clone)]
pub struct MailConfig {
    /// `mail`: `off`, `console`, `file` or `smtp`. Default `console`; `smtp` where there is a server.
    ///
    /// On the console, whole mails are printed, with the sign-in links in them: whoever reads the output of
    /// `berth serve` reads them, too.
    pub way: MailWay,
    /// `mail_from`: `Name <address>` or an address. Default `Berth <berth@localhost>`.
    pub from: Mailbox,
}

#[derive(Clone, Copy)]
enum Kind {
    Off,
    Console,
    File,
    Smtp,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "console" => Ok(Self::Console),
            "file" => Ok(Self::File),
            "smtp" => Ok(Self::Smtp),
            _ => Err("must be `off`, `console`, `file` or `smtp`"),
        }
    }
}

impl MailConfig {
    pub(super) fn read(source: &dyn Source, storage: &StorageConfig) -> Result<Self, ConfigError> {
        let url = source.get("mail_smtp_url");
        let default = if url.is_some() { Kind::Smtp } else { Kind::Console };
        let way = match read(source, "mail", default)? {
            Kind::Off => MailWay::Off,
            Kind::Console => MailWay::Console,
            Kind::File => {
                let dir = source.get("mail_dir").map(PathBuf::from);
                MailWay::File { dir: dir.unwrap_or_else(|| storage.data_dir.join("mail")) }
            }
            Kind::Smtp => MailWay::Smtp { url: smtp_url(url.as_deref())? },
        };
        let from = read(source, "mail_from", Mailbox::new(Some("Berth".to_owned()), nobody()?))?;
        Ok(Self { way, from })
    }

    /// Whether mail leaves at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self.way, MailWay::Off)
    }
}

fn nobody() -> Result<lettre::Address, ConfigError> {
    lettre::Address::new("berth", "localhost").map_err(|error| invalid("mail_from", error.to_string()))
}

fn invalid(key: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key: key.to_owned(), reason: reason.into() }
}

/// The server's URL as lettre reads it. Never quoted in an error: it may hold a password.
fn smtp_url(text: Option<&str>) -> Result<Secret, ConfigError> {
    let key = "mail_smtp_url";
    let text = text.ok_or_else(|| invalid(key, "is needed when `mail` is `smtp`: smtps://user:password@host"))?;
    let mut url = Url::parse(text).map_err(|error| invalid(key, error.to_string()))?;
    if !matches!(url.scheme(), "smtp" | "smtps") || !url.has_host() {
        return Err(invalid(key, "must be smtps://user:password@host:port or smtp://…"));
    }
    // Without this, lettre would send the password and the links in the open.
    if url.scheme() == "smtp" && !is_this_host(&url) {
        url.set_query(Some("tls=required"));
    }
    Ok(Secret::new(url.into()))
}

fn is_this_host(url: &Url) -> bool {
    // Hosts of schemes that the URL standard does not know are all names to it.
    let host = url.host_str().and_then(|host| Host::parse(host).ok());
    match host {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl std::fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailConfig").field("from", &self.from).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::smtp_url;

    #[test]
    fn passwords_and_links_leave_this_host_encrypted_only() {
        let cases = [
            ("smtps://u:p@mail.example.org", "smtps://u:p@mail.example.org"),
            ("smtp://u:p@mail.example.org:25", "smtp://u:p@mail.example.org:25?tls=required"),
            ("smtp://u:p@mail.example.org?tls=opportunistic", "smtp://u:p@mail.example.org?tls=required"),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
            ("smtp://[::1]:2525", "smtp://[::1]:2525"),
            ("smtp://localhost", "smtp://localhost"),
        ];
        for (text, expected) in cases {
            assert_eq!(smtp_url(Some(text)).ok().unwrap().expose(), expected);
        }
        for text in ["http://mail.example.org", "smtp:", "nonsense with pw=hunter22"] {
            let refused = smtp_url(Some(text)).err().unwrap().to_string();
            assert!(refused.contains("`mail_smtp_url`") && !refused.contains("hunter22"), "{refused}");
        }
    }
}
