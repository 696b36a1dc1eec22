//! The people of the attacks: Ann and Bob, who own something, and Eve, who wants it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Instance, McpClient, TestApp, User, procs, services::Service, wait_for};

/// The service behind walls, the default ones.
pub(super) const WALLED: &str = "walled";
/// The same without any.
pub(super) const BARE: &str = "bare";

/// One instance of one user, with a session open.
pub(super) struct Party {
    pub(super) user: User,
    pub(super) instance: Instance,
    pub(super) client: McpClient,
}

impl Party {
    pub(super) fn of(user: &User, service: &str) -> Self {
        let instance = user.create(service);
        let client = user.connect(&instance);
        Self { user: user.clone(), instance, client }
    }

    /// What comes of an attack that this party's child makes.
    #[track_caller]
    pub(super) fn tries(&self, attack: &Value) -> Value {
        let said = self.client.text("attack", attack);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in {said:?} of {attack}"))
    }

    /// The outcome of an attack that must succeed.
    #[track_caller]
    pub(super) fn does(&self, attack: &Value) -> Value {
        let outcome = self.tries(attack);
        assert!(outcome.get("ok").is_some(), "{attack}: {outcome}");
        outcome["ok"].clone()
    }

    /// The name of the error of an attack that must fail.
    #[track_caller]
    pub(super) fn cannot(&self, attack: &Value) -> String {
        let outcome = self.tries(attack);
        let error = outcome["error"].as_str().unwrap_or_else(|| panic!("{attack} succeeds: {outcome}"));
        // A typing mistake is no wall.
        assert!(!matches!(error, "InvalidInput" | "EINVAL" | "EFAULT"), "{attack}: {outcome}");
        error.to_owned()
    }

    /// The process as the host sees it.
    pub(super) fn pid(&self) -> u32 {
        self.user.show(&self.instance.id).pid()
    }

    pub(super) fn whoami(&self, name: &str) -> String {
        self.client.whoami()[name].as_str().unwrap().to_owned()
    }

    /// Whether it is still itself: the same process, with what was stored in it.
    #[track_caller]
    pub(super) fn is_well(&self) {
        let now = self.user.show(&self.instance.id);
        assert_eq!((&now.view["pid"], &now.view["restarts"]), (&self.instance.view["pid"], &json!(0)), "{}", now.view);
        assert_eq!(self.client.echo("well"), "well");
    }

    /// A file of its own, with these words; its path as the host sees it.
    #[track_caller]
    pub(super) fn keeps(&self, app: &TestApp, name: &str, words: &str) -> PathBuf {
        assert_eq!(self.client.text("write", &json!({ "path": name, "text": words })), "written");
        let own = app.data().join("instances").join(&self.instance.id);
        find(&own, name).unwrap_or_else(|| panic!("no {name} below {}", own.display()))
    }
}

/// The first file of that name below a directory.
pub(super) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == name {
            return Some(path);
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if let Some(found) = is_folder.then(|| find(&path, name)).flatten() {
            return Some(found);
        }
    }
    None
}

/// A Berth with both services.
pub(super) fn builder() -> crate::support::Builder {
    TestApp::builder()
        .set("stop_grace_seconds", 1)
        .service(Service::stdio(WALLED, &[]))
        .service(Service::stdio(BARE, &[]).with("sandbox", json!("off")))
}

/// Eve's two instances, and Ann's.
pub(super) struct Scene {
    // Dropped in this order: the clients before the server that they talk to.
    pub(super) ann: Party,
    pub(super) eve: Party,
    pub(super) unwalled: Party,
    pub(super) app: TestApp,
}

impl Scene {
    pub(super) fn set() -> Self {
        Self::of(builder().start())
    }

    pub(super) fn of(app: TestApp) -> Self {
        let (ann, eve, admin) = (app.user("ann"), app.user("eve"), app.admin());
        let ann = Party::of(&ann, WALLED);
        let eve = Party::of(&eve, WALLED);
        // Nobody but an administrator may go without walls.
        let unwalled = Party::of(&admin, BARE);
        Self { ann, eve, unwalled, app }
    }

    /// An attack that works without walls, and not behind them. Returns the error.
    #[track_caller]
    pub(super) fn walls_stop(&self, attack: &Value) -> String {
        let error = self.eve.cannot(attack);
        self.unwalled.does(attack);
        error
    }

    /// Nobody was hurt.
    #[track_caller]
    pub(super) fn all_is_well(&self) {
        self.ann.is_well();
        assert!(procs::is_marked(self.app.pid(), self.app.root()), "berth lives");
    }
}

/// Waits until nobody on this machine has `words` among their arguments.
#[track_caller]
pub(super) fn wait_until_gone(words: &str) {
    wait_for(&format!("the end of {words}"), || procs::with_argument(words).is_empty().then_some(()));
}
