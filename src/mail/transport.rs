//! The ways by which mail leaves.

use std::{io::Write, os::unix::fs::DirBuilderExt, time::Duration};

use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::MailError;
use crate::config::MailWay;

/// How long a mail server may take for one step of the conversation.
const PATIENCE: Duration = Duration::from_secs(20);

/// One way.
pub(super) enum Transport {
    Console,
    File(AsyncFileTransport<Tokio1Executor>),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

/// A mail did not leave.
pub(super) struct Failure {
    /// Why; no text of the mail.
    pub(super) reason: String,
    /// Whether it makes no sense to try again.
    pub(super) is_final: bool,
}

impl Transport {
    /// The way of the settings; none when mail is off.
    pub(super) fn new(way: &MailWay) -> Result<Option<Self>, MailError> {
        Ok(match way {
            MailWay::Off => None,
            MailWay::Console => Some(Self::Console),
            MailWay::File { dir } => {
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
                made.map_err(|error| MailError::Unusable(format!("`mail_dir` {}: {error}", dir.display())))?;
                Some(Self::File(AsyncFileTransport::new(dir)))
            }
            MailWay::Smtp { url } => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
                let builder = builder.map_err(|error| MailError::Unusable(format!("`mail_smtp_url`: {error}")))?;
                Some(Self::Smtp(builder.timeout(Some(PATIENCE)).build()))
            }
        })
    }

    pub(super) async fn send(&self, mail: &Message) -> Result<(), Failure> {
        match self {
            Self::Console => {
                let text = mail.formatted();
                let printed = tokio::task::spawn_blocking(move || print(&text)).await;
                printed.map_err(std::io::Error::other).flatten().map_err(|error| failure(&error, false))
            }
            Self::File(folder) => folder.send(mail.clone()).await.map(drop).map_err(|error| failure(&error, false)),
            Self::Smtp(server) => {
                let sent = server.send(mail.clone()).await;
                sent.map(drop).map_err(|error| failure(&error, error.is_permanent()))
            }
        }
    }

    /// What has happened to a mail that was sent.
    pub(super) const fn done(&self) -> &'static str {
        match self {
            Self::Console => "was printed to the standard output: set `mail_smtp_url` to have mail sent",
            Self::File(_) => "was put into the folder of mails",
            Self::Smtp(_) => "was handed to the mail server",
        }
    }
}

/// Straight to the standard output and not through the log: a log is kept and passed on, and the links in
/// mails are secrets.
fn print(mail: &[u8]) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(b"--- mail ---\n")?;
    output.write_all(mail)?;
    output.write_all(b"\n--- end of mail ---\n")?;
    output.flush()
}

fn failure(error: &dyn std::error::Error, is_final: bool) -> Failure {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Failure { reason, is_final }
}
