//! Mail: sign-in links and notices, as plain text.
//!
//! Owner of state: [`Mailer`] has a bounded queue; one task takes mails from it, one after another.
//!
//! Invariants: who sends never waits for a mail server; a mail that does not leave is tried again, and
//! logged when it is given up; neither its text nor a server's password is ever logged.
//!
//! Durability: none. The queue is memory: what waits when Berth ends is handed over then, each mail tried once
//! more ([`Mailer::finish`]); what waits when it is killed is lost.

mod transport;

use std::{sync::Arc, time::Duration};

use lettre::{
    Message,
    message::{
        Body,
        header::{ContentTransferEncoding, ContentType},
    },
};
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::transport::Transport;
use crate::{config::MailConfig, domain::names::Email};

/// Mails that may wait.
const QUEUE: usize = 256;
/// How long to wait before each further attempt. A link in a mail does not live much longer.
const PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

/// One mail.
#[derive(Clone)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// Its subject.
    pub subject: String,
    /// Its text; may hold links that are secrets.
    pub text: String,
}

/// Why a mail is not even tried.
#[derive(Debug, Error)]
pub enum MailError {
    /// The setting `mail` is `off`.
    #[error("no mail is sent from here; an administrator can set `mail`")]
    Off,
    /// Too many wait already.
    #[error("{QUEUE} mails are waiting to be sent already; try again later")]
    Full,
    /// The address is none that mail can be sent to.
    #[error("no mail can be sent to this address: {0}")]
    Address(String),
    /// The server's address or the folder cannot be used.
    #[error("mail cannot be sent as configured: {0}")]
    Unusable(String),
}

/// Sends mail. Clones share the queue.
#[derive(Clone)]
pub struct Mailer {
    from: lettre::message::Mailbox,
    queue: Option<mpsc::Sender<Arc<Message>>>,
    sending: TaskTracker,
    ending: CancellationToken,
    writing: TaskTracker,
    /// Of the thread that ends last: those of requests end before their mails have left.
    runtime: Handle,
}

impl Mailer {
    /// Starts the task that sends, on the runtime of the caller. It ends with the last clone of the mailer.
    ///
    /// # Errors
    /// When the folder cannot be made or the server's URL not be used.
    pub fn start(config: &MailConfig) -> Result<Self, MailError> {
        let (sending, ending) = (TaskTracker::new(), CancellationToken::new());
        let queue = Transport::new(&config.way)?.map(|transport| {
            let (queue, mails) = mpsc::channel(QUEUE);
            sending.spawn(deliver_all(transport, mails, ending.clone()));
            queue
        });
        let (writing, runtime) = (TaskTracker::new(), Handle::current());
        Ok(Self { from: config.from.clone(), queue, sending, ending, writing, runtime })
    }

    /// Runs `work`, which writes a mail, when nobody waits for it any more: an end of Berth waits for it.
    pub fn write_later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.writing.spawn_on(work, &self.runtime);
    }

    /// Takes no more mails, and waits until those in the queue have left or were given up, but no longer than
    /// `patience`. Nothing is tried twice any more.
    pub async fn finish(&self, patience: Duration) {
        let all = async {
            self.writing.close();
            self.writing.wait().await;
            self.ending.cancel();
            self.sending.close();
            self.sending.wait().await;
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            log::warn!("mails were not taken within {} s and are lost", patience.as_secs());
        }
    }

    /// Whether mail leaves at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Puts the mail into the queue: returns at once, long before it has left.
    ///
    /// # Errors
    /// When mail is off, the queue full, or the address unusable.
    #[expect(clippy::unused_async, reason = "who sends should not rely on its being immediate")]
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let queue = self.queue.as_ref().ok_or(MailError::Off)?;
        let message = self.write(mail)?;
        queue.try_send(Arc::new(message)).map_err(|error| match error {
            TrySendError::Full(_) => MailError::Full,
            TrySendError::Closed(_) => MailError::Off,
        })
    }

    fn write(&self, mail: Mail) -> Result<Message, MailError> {
        let to = mail
            .to
            .as_str()
            .parse()
            .map_err(|error: lettre::address::AddressError| MailError::Address(error.to_string()))?;
        let id = format!("<{}@{}>", uuid::Uuid::new_v4().simple(), self.from.email.domain());
        let builder = Message::builder().from(self.from.clone()).to(lettre::message::Mailbox::new(None, to));
        let builder = builder.subject(mail.subject).message_id(Some(id)).header(ContentType::TEXT_PLAIN);
        builder.body(body(mail.text)).map_err(|error| MailError::Unusable(error.to_string()))
    }
}

/// Text as it is, where the standard allows (RFC 5322 section 2.1.1: up to 998 characters a line): the crate
/// would fold long lines by `=` at their end, and whoever reads a mail in the folder or on the console
/// could not open its link.
fn body(text: String) -> Body {
    let is_plain = text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte));
    if !is_plain || text.lines().any(|line| line.len() > 998) {
        return Body::new(text);
    }
    let lines: String = text.lines().flat_map(|line| [line, "\r\n"]).collect();
    Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
}

async fn deliver_all(transport: Transport, mut mails: mpsc::Receiver<Arc<Message>>, ending: CancellationToken) {
    loop {
        let next = tokio::select! {
            biased;
            mail = mails.recv(), if !ending.is_cancelled() => mail,
            () = ending.cancelled() => {
                mails.close();
                mails.recv().await
            }
        };
        let Some(mail) = next else { return };
        let to: Vec<String> = mail.envelope().to().iter().map(ToString::to_string).collect();
        let to = to.join(", ");
        match deliver(&transport, &mail, &ending).await {
            Ok(()) => log::info!("a mail to {to} {}", transport.done()),
            Err(reason) => log::error!("a mail to {to} could not be sent and is given up: {reason}"),
        }
    }
}

async fn deliver(transport: &Transport, mail: &Message, ending: &CancellationToken) -> Result<(), String> {
    let mut pauses = PAUSES.iter();
    loop {
        let Err(failure) = transport.send(mail).await else { return Ok(()) };
        match pauses.next().filter(|_| !failure.is_final && !ending.is_cancelled()) {
            Some(pause) => {
                log::warn!("a mail could not be sent, next attempt in {} s: {}", pause.as_secs(), failure.reason);
                // An end cuts the pause: then this is the last attempt.
                ending.run_until_cancelled(tokio::time::sleep(*pause)).await;
            }
            None => return Err(failure.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MailWay;

    fn mail(to: &str) -> Mail {
        Mail { to: to.parse().unwrap(), subject: "Sign in — now".to_owned(), text: "Grüße\nhttp://b/x".to_owned() }
    }

    fn mailer(way: MailWay) -> Mailer {
        Mailer::start(&MailConfig { way, from: "Berth <b@example.org>".parse().unwrap() }).unwrap()
    }

    #[tokio::test]
    async fn a_mail_becomes_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let mailer = mailer(MailWay::File { dir: dir.path().join("out") });
        mailer.send(mail("ann@example.org")).await.unwrap();
        let text = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let found = std::fs::read_dir(dir.path().join("out")).unwrap().flatten().next();
                if let Some(text) = found.and_then(|entry| std::fs::read_to_string(entry.path()).ok())
                    && text.contains("http://b/x")
                {
                    return text;
                }
                tokio::task::yield_now().await;
            }
        });
        let text = text.await.unwrap();
        assert!(text.contains("From: Berth <b@example.org>") && text.contains("To: ann@example.org"), "{text}");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_refused_at_once() {
        let off = mailer(MailWay::Off);
        assert!(!off.is_on());
        assert!(matches!(off.send(mail("ann@example.org")).await, Err(MailError::Off)));
        let console = mailer(MailWay::Console);
        assert!(matches!(console.send(mail("<ann>@example.org")).await, Err(MailError::Address(_))));
        let wrong = MailWay::Smtp { url: crate::domain::secret::Secret::new("ftp://example.org".to_owned()) };
        let config = MailConfig { way: wrong, from: "b@example.org".parse().unwrap() };
        assert!(matches!(Mailer::start(&config).err(), Some(MailError::Unusable(_))));
    }
}
