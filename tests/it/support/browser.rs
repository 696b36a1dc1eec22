//! A browser without scripts: keeps cookies, fills in forms, follows nothing by itself.

use std::{cell::RefCell, collections::BTreeMap, fs, time::SystemTime};

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{Answer, Client, PASSWORD, TestApp, wait_for};

/// One browser.
pub(crate) struct Browser {
    client: Client,
    cookies: RefCell<BTreeMap<String, String>>,
    /// The page that was loaded last.
    page: RefCell<String>,
}

impl Browser {
    pub(crate) fn new(app: &TestApp) -> Self {
        let client = app.client().with("user-agent", "Testbrowser/1").with("origin", &app.url);
        Self { client, cookies: RefCell::default(), page: RefCell::default() }
    }

    /// The same, from elsewhere.
    pub(crate) fn from(app: &TestApp, address: &str) -> Self {
        let browser = Self::new(app);
        Self { client: browser.client.with("x-forwarded-for", address), ..browser }
    }

    /// A browser in which somebody has signed in with their password.
    #[track_caller]
    pub(crate) fn signed_in(app: &TestApp, email: &str) -> Self {
        let browser = Self::new(app);
        let answer = browser.sign_in(email, PASSWORD);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{}", answer.text);
        browser
    }

    /// Fills in the sign-in page.
    #[track_caller]
    pub(crate) fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.get("/login");
        self.submit("/login", &[("email", email), ("password", password)])
    }

    /// Loads a page.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    /// Sends a form of the page that was loaded last: its hidden fields, and these.
    pub(crate) fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all: BTreeMap<String, String> = self.hidden();
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = Serializer::new(String::new()).extend_pairs(all).finish();
        self.send("POST", path, Some(&body))
    }

    /// Calls the API as a page of ours does.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let csrf = self.me()["csrf_token"].as_str().unwrap_or_default().to_owned();
        let client = self.client.with("cookie", &self.cookie_header()).with("x-csrf-token", &csrf);
        if body.is_null() {
            return client.send(method, path, (method == "POST").then_some(""));
        }
        client.with("content-type", "application/json").send(method, path, Some(&body.to_string()))
    }

    /// Who is signed in; null when nobody is.
    pub(crate) fn me(&self) -> Value {
        let answer = self.client.with("cookie", &self.cookie_header()).get("/api/v1/me");
        if answer.status == 200 { answer.json() } else { Value::Null }
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// The hidden fields of the page that was loaded last.
    pub(crate) fn hidden(&self) -> BTreeMap<String, String> {
        let page = self.page.borrow();
        let inputs = page.split("<input type=\"hidden\"").skip(1).map(|rest| rest.split('>').next().unwrap());
        let read = |input: &str, name: &str| {
            let value = input.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            Some(value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">"))
        };
        inputs.filter_map(|input| Some((read(input, "name")?, read(input, "value")?))).collect()
    }

    fn cookie_header(&self) -> String {
        let cookies = self.cookies.borrow();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn send(&self, method: &str, path: &str, form: Option<&str>) -> Answer {
        let mut client = self.client.with("cookie", &self.cookie_header());
        if form.is_some() {
            client = client.with("content-type", "application/x-www-form-urlencoded");
        }
        let answer = client.send(method, path, form);
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        // What is only said is read, and one goes back to the form.
        if answer.text.contains("<form") {
            self.page.borrow_mut().clone_from(&answer.text);
        }
        answer
    }
}

/// The mails to somebody so far, oldest first. For a Berth with `mail` set to `file`.
pub(crate) fn mails(app: &TestApp, email: &str) -> Vec<String> {
    let Ok(folder) = fs::read_dir(app.data().join("mail")) else { return Vec::new() };
    let mut mails: Vec<(SystemTime, String)> = folder
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, fs::read_to_string(entry.path()).ok()?)))
        .filter(|(_, text)| text.contains(&format!("To: {email}\r\n")) && text.contains("without the link."))
        .collect();
    mails.sort();
    mails.into_iter().map(|(_, text)| text).collect()
}

/// The path of the link in the mail number `count` to somebody.
#[track_caller]
pub(crate) fn mailed_link(app: &TestApp, email: &str, count: usize) -> String {
    let mail = wait_for("a mail", || mails(app, email).get(count - 1).cloned());
    let from = mail.find(&format!("{}/login/", app.url)).expect("a link") + app.url.len();
    mail[from..].split_whitespace().next().unwrap().to_owned()
}
