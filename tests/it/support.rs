//! A real Berth per test: its own data directory, services, ports and users, and proof at the end
//! that it leaves nothing behind.

pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod google;
pub(crate) mod http;
pub(crate) mod https;
pub(crate) mod mcp;
pub(crate) mod oauth;
pub(crate) mod oidc;
pub(crate) mod postgres;
pub(crate) mod procs;
pub(crate) mod raw;
pub(crate) mod receiver;
pub(crate) mod rest;
pub(crate) mod services;
pub(crate) mod smtp;
pub(crate) mod stateless;
pub(crate) mod user;

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use berth::{
    db::{Db, settings},
    process::cgroup::{StaleGroup, end_groups, find_groups},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::{
    mcp::McpClient,
    rest::{Answer, Client, text},
    user::{Instance, User},
};
use self::{postgres::Schema, procs::PortSlot, services::Service};

/// The password of every account.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Far longer than anything takes; only a test that fails waits for so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until `probe` yields something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        pause();
    }
}

/// Polls until `holds` does; `false` if it never did.
pub(crate) fn try_for(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        pause();
    }
    false
}

/// Between two looks at the same thing.
fn pause() {
    sleep(Duration::from_millis(15));
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread, which has nothing else to do")]
pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// The text of a setting.
pub(crate) struct Setting(String);

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<u64> for Setting {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

/// What a test wants of its Berth.
#[derive(Default)]
pub(crate) struct Builder {
    services: Vec<Service>,
    env: Vec<(String, String)>,
    schema: Option<Schema>,
    ordinary: bool,
}

/// Nobody in particular; not root.
const ORDINARY: u32 = 40_001;

impl Builder {
    /// Runs Berth as an ordinary user, also where the tests are root.
    pub(crate) fn by_ordinary_user(mut self) -> Self {
        self.ordinary = rustix::process::geteuid().is_root();
        self
    }

    /// A setting by its environment name.
    pub(crate) fn env(mut self, name: &str, value: impl Into<Setting>) -> Self {
        self.env.push((name.to_owned(), value.into().0));
        self
    }

    /// A setting by its name.
    pub(crate) fn set(self, name: &str, value: impl Into<Setting>) -> Self {
        self.env(&format!("BERTH_{}", name.to_uppercase()), value)
    }

    /// Runs `test` on one per database there is.
    pub(crate) fn each(make: impl Fn() -> Self, test: impl Fn(&TestApp)) {
        test(&make().start());
        if let Some(schema) = Schema::create() {
            test(&Self { schema: Some(schema), ..make() }.start());
        }
    }

    /// One per database there is.
    pub(crate) fn all(make: impl Fn() -> Self) -> impl Iterator<Item = TestApp> {
        let more = Schema::create().map(|schema| Self { schema: Some(schema), ..make() }.start());
        std::iter::once(make().start()).chain(more)
    }

    /// A further service.
    pub(crate) fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// `fake-mcp` over stdio with these flags, as a service of this name.
    pub(crate) fn fake(self, name: &str, flags: &[&str]) -> Self {
        self.service(Service::stdio(name, flags))
    }

    pub(crate) fn start(self) -> TestApp {
        let root = tempfile::Builder::new().prefix("berth-it-").tempdir().unwrap();
        for service in [Service::stdio("fake", &[]), Service::http("fake-http", &[])].iter().chain(&self.services) {
            service.write(&root.path().join("services"));
        }
        let ports = PortSlot::take();
        let mut env = vec![("BERTH_PORTS".to_owned(), ports.range()), ("BERTH_LOG".to_owned(), "info".to_owned())];
        if let Some(schema) = &self.schema {
            env.push(("BERTH_DATABASE_URL".to_owned(), schema.url.clone()));
        }
        env.extend(self.env);
        if self.ordinary {
            chown(root.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
        let mut app = TestApp {
            root,
            env,
            ordinary: self.ordinary,
            ports,
            server: None,
            url: String::new(),
            control: String::new(),
            schema: self.schema,
        };
        app.launch("127.0.0.1:0");
        app
    }
}

/// A running Berth.
pub(crate) struct TestApp {
    root: TempDir,
    env: Vec<(String, String)>,
    ordinary: bool,
    ports: PortSlot,
    server: Option<Child>,
    /// Base URL, without a slash at the end.
    pub(crate) url: String,
    control: String,
    schema: Option<Schema>,
}

impl TestApp {
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    /// One per database there is: SQLite always, PostgreSQL where the tests have one.
    pub(crate) fn each_backend() -> impl Iterator<Item = Self> {
        std::iter::once(Self::start())
            .chain(Schema::create().map(|schema| Builder { schema: Some(schema), ..Builder::default() }.start()))
    }

    /// Runs `test` on one per database there is.
    pub(crate) fn each(test: impl Fn(&Self)) {
        Self::each_backend().for_each(|app| test(&app));
    }

    /// Its database.
    pub(crate) fn db(&self) -> Db {
        let sqlite = || format!("sqlite://{}", self.data().join("berth.db").display());
        Db::open(&self.setting("BERTH_DATABASE_URL").unwrap_or_else(sqlite)).unwrap()
    }

    /// Where its database is, when that is PostgreSQL.
    pub(crate) fn postgres_url(&self) -> Option<String> {
        self.schema.as_ref().map(|schema| schema.url.clone())
    }

    /// Its open descriptors without those of its database, whose pool opens them when they are needed, so many
    /// and no more.
    pub(crate) fn descriptors(&self) -> Vec<String> {
        let port = self.postgres_url().and_then(|url| url::Url::parse(&url).ok()?.port());
        let to_postgres = port.map(|port| format!(":{port:04X}"));
        let is_pooled = |line: &String| {
            let remote = line.strip_prefix("tcp ").and_then(|line| line.split(' ').nth(1));
            line.contains("/berth.db") || to_postgres.as_ref().zip(remote).is_some_and(|(port, to)| to.ends_with(port))
        };
        procs::descriptors(self.pid()).into_iter().filter(|line| !is_pooled(line)).collect()
    }

    /// The operator's token.
    pub(crate) fn control_token(&self) -> &str {
        &self.control
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) const fn ports(&self) -> &PortSlot {
        &self.ports
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.as_ref().expect("it runs").id()
    }

    /// `berth …` with this data directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let berth = env!("CARGO_BIN_EXE_berth");
        let mut command = Command::new(if self.ordinary { "setpriv" } else { berth });
        if self.ordinary {
            let (user, group) = (format!("--reuid={ORDINARY}"), format!("--regid={ORDINARY}"));
            command.args([user.as_str(), &group, "--clear-groups", berth]);
        }
        command.args(args).current_dir(self.root.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("BERTH_DATA_DIR", self.data()).env("BERTH_SERVICES_DIR", self.root.path().join("services"));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `berth …` to its end; it must succeed. Returns what it printed.
    #[track_caller]
    pub(crate) fn cli(&self, args: &[&str], input: &str) -> String {
        let output = finish(self.command(args), input);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs `berth …` to its end, however that is.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Output {
        finish(self.command(args), input)
    }

    /// Runs `berth …`, which must fail; returns its complaint.
    #[track_caller]
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        self.refused(self.command(args))
    }

    /// Somebody without a token.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Makes an account; somebody with a token of it.
    pub(crate) fn client_of(&self, email: &str) -> Client {
        self.client_with(email, &[])
    }

    /// Makes an administrator; somebody with a token of theirs.
    pub(crate) fn admin_client(&self, email: &str) -> Client {
        self.client_with(email, &["--admin"])
    }

    fn client_with(&self, email: &str, flags: &[&str]) -> Client {
        self.cli(&[&["user", "add", email, "--password-stdin"], flags].concat(), PASSWORD);
        self.client().with_token(&self.cli(&["token", "create", "--user", email], ""))
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.root.path().join("berth.log")).unwrap_or_default()
    }

    /// Makes an account with a token, by the command line.
    pub(crate) fn user(&self, name: &str) -> User {
        self.account(name, &[])
    }

    pub(crate) fn admin(&self) -> User {
        self.account("root", &["--admin"])
    }

    fn account(&self, name: &str, flags: &[&str]) -> User {
        let email = format!("{name}@example.org");
        self.cli(&[&["user", "add", &email, "--password-stdin"], flags].concat(), PASSWORD);
        let token = self.cli(&["token", "create", "--user", &email], "");
        User::new(&self.url, email, &token)
    }

    /// The operator's token from the control file.
    pub(crate) fn operator(&self) -> User {
        User::new(&self.url, "operator".to_owned(), &self.control)
    }

    fn launch(&mut self, listen: &str) {
        let _ = fs::remove_file(self.data().join("control.json"));
        let log = File::options().create(true).append(true).open(self.root.path().join("berth.log")).unwrap();
        let mut command = self.command(&["serve", "--listen", listen]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let control = wait_for("control.json", || {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().unwrap());
            assert!(ended.is_none(), "berth ended at start: {ended:?}");
            fs::read(self.data().join("control.json")).ok()
        });
        let control: Value = serde_json::from_slice(&control).unwrap();
        control["url"].as_str().unwrap().clone_into(&mut self.url);
        control["token"].as_str().unwrap().clone_into(&mut self.control);
        assert_eq!(control["pid"], self.pid());
        wait_for("health", || http::Http::new(&self.url, None).try_get("/health").filter(|reply| reply.status == 200));
    }

    /// Kills Berth as a power cut would, its children untouched.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Ends Berth politely; it must end well.
    pub(crate) fn stop(&mut self) {
        if let Some(status) = self.terminate() {
            assert_eq!(status.code(), Some(0), "berth must end with 0");
            assert_eq!(procs::marked(self.root.path()), Vec::<String>::new(), "processes are left");
            assert_eq!(self.groups(), [], "control groups are left");
        }
    }

    /// This data directory's own id, by which its processes and groups are known.
    pub(crate) fn host(&self) -> Option<String> {
        self.db().read_blocking(|conn| settings::get(conn, "host.id")).ok().flatten()
    }

    /// The control groups of its instances.
    pub(crate) fn groups(&self) -> Vec<StaleGroup> {
        self.host().map(|host| find_groups(&host)).unwrap_or_default()
    }

    /// Ends Berth politely, whatever it has to do to its children for that.
    pub(crate) fn stop_by_force(&mut self) {
        let status = self.terminate().expect("it ran");
        assert!(matches!(status.code(), Some(0 | 1)), "{status}");
        assert_eq!(procs::marked(self.root.path()), Vec::<String>::new(), "processes are left");
        assert_eq!(self.groups(), [], "control groups are left");
    }

    fn terminate(&mut self) -> Option<ExitStatus> {
        let mut server = self.server.take()?;
        // It may have ended by itself already; the status says how.
        let _ = kill_process(Pid::from_child(&server), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = server.try_wait().unwrap() {
                return Some(status);
            }
            pause();
        }
        let _ = server.kill();
        server.wait().ok()
    }

    /// Another setting from the next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let name = format!("BERTH_{}", name.to_uppercase());
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.to_owned()));
    }

    /// Starts Berth again where it was.
    pub(crate) fn start_again(&mut self) {
        let listen = self.url.trim_start_matches("http://").to_owned();
        self.launch(&listen);
    }

    /// Runs `berth serve` beside this one, expecting that it refuses; returns its words.
    #[track_caller]
    pub(crate) fn refused(&self, mut command: Command) -> String {
        command.stdin(Stdio::null());
        let output = finish(command, "");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        words
    }
}

/// Runs to the end, or kills what does not end.
fn finish(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        pause();
    }
    child.wait_with_output().unwrap()
}

impl Drop for TestApp {
    #[expect(clippy::print_stderr, reason = "a failed test shows what Berth had to say")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
            // A test may end with a Berth that it has killed.
            let _ = end_groups(&self.groups());
            return;
        }
        self.terminate();
        procs::kill_marked(self.root.path());
        let _ = end_groups(&self.groups());
        let log = fs::read_to_string(self.root.path().join("berth.log")).unwrap_or_default();
        let from = log.len().saturating_sub(6000);
        eprintln!("--- the end of berth's log:\n{}", log.get(from..).unwrap_or(&log));
    }
}
