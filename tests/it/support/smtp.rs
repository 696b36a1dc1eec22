//! A mail server (RFC 5321) that lets nobody in without the password (RFC 4954), takes mails for `later@…` at the second
//! attempt only, and none for `nobody@…`; it can hold what it has been given until it is told to go on.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

const USER: &str = "berth";
/// The password that it wants.
pub(crate) const SMTP_PASSWORD: &str = "the-mail-servers-password";

#[derive(Default)]
struct Inner {
    mails: Vec<String>,
    refused: Vec<String>,
    is_held: bool,
}

/// The server; it ends with the test's process.
pub(crate) struct Smtp {
    port: u16,
    shared: Arc<(Mutex<Inner>, Condvar)>,
}

impl Smtp {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared: Arc<(Mutex<Inner>, Condvar)> = Arc::default();
        let inner = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = Arc::clone(&inner);
                // A client that hangs up in the middle is its own affair.
                std::thread::spawn(move || drop(converse(stream, &inner)));
            }
        });
        Self { port, shared }
    }

    /// For `mail_smtp_url`.
    pub(crate) fn url(&self, password: &str) -> String {
        format!("smtp://{USER}:{password}@127.0.0.1:{}", self.port)
    }

    /// The mails that it has taken, headers and all, for this address.
    pub(crate) fn mails(&self, to: &str) -> Vec<String> {
        let wanted = format!("To: {to}");
        self.shared.0.lock().unwrap().mails.iter().filter(|mail| mail.contains(&wanted)).cloned().collect()
    }

    /// What it has refused: `535` for a wrong password, else the status and the address.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.shared.0.lock().unwrap().refused.clone()
    }

    /// From now on, it answers no mail until it is told to.
    pub(crate) fn hold(&self) {
        self.shared.0.lock().unwrap().is_held = true;
    }

    pub(crate) fn go_on(&self) {
        self.shared.0.lock().unwrap().is_held = false;
        self.shared.1.notify_all();
    }
}

fn converse(stream: TcpStream, (inner, told): &(Mutex<Inner>, Condvar)) -> std::io::Result<()> {
    let (mut output, mut lines) = (stream.try_clone()?, BufReader::new(stream).lines());
    let mut say = |text: &str| write!(output, "{text}\r\n");
    say("220 stand-in")?;
    let (mut is_known, mut is_addressed) = (false, false);
    while let Some(line) = lines.next().transpose()? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "EHLO" => say("250-stand-in\r\n250-AUTH PLAIN\r\n250 8BITMIME")?,
            "AUTH" => {
                let wanted = STANDARD.encode(format!("\0{USER}\0{SMTP_PASSWORD}"));
                is_known = line.split(' ').nth(2) == Some(&wanted);
                if is_known {
                    say("235 welcome")?;
                } else {
                    inner.lock().unwrap().refused.push("535".to_owned());
                    say("535 wrong password")?;
                }
            }
            "MAIL" if !is_known => say("530 who are you?")?,
            "RCPT" => {
                let answer = recipient(&mut inner.lock().unwrap(), &line);
                is_addressed = answer.starts_with("250");
                say(answer)?;
            }
            "DATA" if !is_addressed => say("503 to whom?")?,
            "DATA" => {
                say("354 go on")?;
                let mut mail = String::new();
                for line in lines.by_ref() {
                    match line? {
                        end if end == "." => break,
                        line => mail.push_str(&format!("{}\n", line.strip_prefix('.').unwrap_or(&line))),
                    }
                }
                let mut taken = told.wait_while(inner.lock().unwrap(), |inner| inner.is_held).unwrap();
                taken.mails.push(mail);
                drop(taken);
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
    Ok(())
}

fn recipient(inner: &mut Inner, line: &str) -> &'static str {
    let later = format!("451 {line}");
    let answer = if line.contains("<nobody@") {
        "550 nobody of this name"
    } else if line.contains("<later@") && !inner.refused.contains(&later) {
        "451 come back later"
    } else {
        return "250 ok";
    };
    inner.refused.push(format!("{} {line}", &answer[..3]));
    answer
}
