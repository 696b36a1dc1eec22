//! Mail through a server: it arrives, later if need be, and what waits is not lost when Berth ends.

use crate::support::{
    TestApp,
    browser::Browser,
    smtp::{SMTP_PASSWORD, Smtp},
    wait_for,
};

fn app(server: &Smtp, password: &str) -> TestApp {
    TestApp::builder().set("mail_smtp_url", &*server.url(password)).set("mail_from", "berth@example.org").start()
}

#[track_caller]
fn ask(app: &TestApp, email: &str) {
    let browser = Browser::new(app);
    browser.get("/login");
    assert_eq!(browser.submit("/login/link", &[("email", email)]).status, 200);
}

/// The first mail for this address.
fn mail(server: &Smtp, email: &str) -> String {
    wait_for("a mail", || server.mails(email).first().cloned())
}

#[test]
fn a_mail_server_is_handed_the_mail() {
    let server = Smtp::start();
    let app = app(&server, SMTP_PASSWORD);
    app.client_of("ann@example.org");
    ask(&app, "ann@example.org");
    let mail = mail(&server, "ann@example.org");
    assert!(mail.contains("From: berth@example.org"), "{mail}");
    let path = |word: &'_ str| word.find("/login/link/").map(|at| word[at..].to_owned());
    let link = mail.split_whitespace().find_map(path).unwrap();
    let browser = Browser::new(&app);
    browser.get(&link);
    assert_eq!(browser.submit(link.split('?').next().unwrap(), &[]).status, 303);
    assert_eq!(browser.me()["email"], "ann@example.org");
}

#[test]
fn what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_not() {
    let server = Smtp::start();
    let app = app(&server, SMTP_PASSWORD);
    for name in ["nobody", "later"] {
        app.client_of(&format!("{name}@example.org"));
        ask(&app, &format!("{name}@example.org"));
    }
    mail(&server, "later@example.org");
    let refused = ["550 RCPT TO:<nobody@example.org>", "451 RCPT TO:<later@example.org>"];
    assert_eq!(server.refused(), refused, "each once");
    assert!(app.log().contains("a mail to nobody@example.org could not be sent and is given up"), "{}", app.log());
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let server = Smtp::start();
    let app = app(&server, "a-wrong-password");
    app.client_of("ann@example.org");
    ask(&app, "ann@example.org");
    wait_for("a refusal", || (!server.refused().is_empty()).then_some(()));
    wait_for("the log", || app.log().contains("535").then_some(()));
    assert!(!app.log().contains("a-wrong-password"), "{}", app.log());
    assert_eq!(server.mails("ann@example.org").len(), 0);
}

#[test]
fn what_waits_at_the_end_is_handed_over_first() {
    let server = Smtp::start();
    let mut app = app(&server, SMTP_PASSWORD);
    let people = ["ann@example.org", "bob@example.org", "cat@example.org"];
    people.iter().for_each(|email| drop(app.client_of(email)));
    server.hold();
    people.iter().for_each(|email| ask(&app, email));
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| app.stop());
        assert!(!ending.is_finished());
        server.go_on();
        ending.join().unwrap();
    });
    for email in people {
        assert_eq!(server.mails(email).len(), 1, "{email}");
    }
}
