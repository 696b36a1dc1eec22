//! The installer with stand-ins for npm, node and python3: what it does, not what they do.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use berth::catalog::{Environment, InstallError, Installer, Origin, Service};
use tempfile::TempDir;

use super::{manifest, runtime, script};

/// A stand-in for npm: notes each call, then makes a package with one program, slowly.
const NPM: &str = r#"#!/bin/sh
echo "$@" >> "$NPM_CONFIG_CALLS"
/usr/bin/env > "$NPM_CONFIG_CALLS.env"
echo fetching things
/bin/sleep 0.3
home=node_modules/@x/server
/bin/mkdir -p $home
echo '{"bin": {"server": "main.js"}}' > $home/package.json
echo > $home/main.js
"#;

/// A place with its own PATH and cache.
struct Place {
    folder: TempDir,
    installer: Installer,
}

impl Place {
    fn new(npm: &str) -> Self {
        Self::with_limit(npm, Duration::from_secs(60))
    }

    fn with_limit(npm: &str, limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        script(&folder.path().join("bin/npm"), npm);
        script(&folder.path().join("bin/node"), "#!/bin/sh\n");
        let variables: BTreeMap<&str, PathBuf> = BTreeMap::from([
            ("PATH", folder.path().join("bin")),
            ("HOME", folder.path().to_owned()),
            ("NPM_CONFIG_CALLS", folder.path().join("calls")),
            ("BERTH_MASTER_KEY", PathBuf::from("secret")),
        ]);
        let variables = variables.into_iter().map(|(name, value)| (OsString::from(name), value.into()));
        let environment = Environment::from_variables(variables);
        let installer = Installer::with_environment(folder.path().join("cache"), environment, limit);
        Self { folder, installer }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }

    fn set_npm(&self, text: &str) {
        script(&self.path("bin/npm"), text);
    }

    fn installed(&self) -> bool {
        self.path("cache/npm/@x/server@1.0.0/.berth-complete").exists()
    }
}

fn npm_service() -> Service {
    launched("{ kind = \"npm\", package = \"@x/server\", version = \"1.0.0\", args = [\"--root\", \"{DATA_DIR}\"] }")
}

fn launched(launch: &str) -> Service {
    let text = manifest("thing").replace("{ kind = \"command\", command = \"/bin/cat\" }", launch);
    Service::new(runtime(&text), Origin::Runtime { owner: None })
}

fn silent(_: &str) {}

#[tokio::test]
async fn npm_package_is_started_directly() {
    let place = Place::new(NPM);
    let said = Mutex::new(Vec::new());
    let progress = |line: &str| said.lock().unwrap().push(line.to_owned());
    let program = place.installer.ensure(&npm_service(), &progress).await.unwrap().unwrap();
    let home = place.path("cache/npm/@x/server@1.0.0");
    assert_eq!(program.program, place.path("bin/node"));
    let main = home.join("node_modules/@x/server/main.js");
    assert_eq!(program.args, [main.to_str().unwrap(), "--root", "{DATA_DIR}"]);
    assert_eq!(program.read_only, [home, place.path("bin")]);
    assert!(fs::metadata(&main).unwrap().permissions().readonly());

    let calls = fs::read_to_string(place.path("calls")).unwrap();
    for expected in ["install", "--ignore-scripts", "--omit=dev", "@x/server@1.0.0"] {
        assert!(calls.contains(expected), "{calls}");
    }
    let environment = fs::read_to_string(place.path("calls.env")).unwrap();
    assert!(!environment.contains("BERTH_") && environment.contains("cache/home"), "{environment}");
    let said = said.into_inner().unwrap();
    assert!(said.iter().any(|line| line.starts_with("installing npm package @x/server@1.0.0 (")), "{said:?}");
    assert!(said.iter().any(|line| line.ends_with("fetching things")), "{said:?}");
}

#[tokio::test]
async fn two_at_once_install_once_and_later_ones_need_no_tool() {
    let place = Place::new(NPM);
    let service = npm_service();
    let clone = place.installer.clone();
    let (one, two) = tokio::join!(place.installer.ensure(&service, &silent), clone.ensure(&service, &silent));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(place.calls(), 1);
    fs::remove_file(place.path("bin/npm")).unwrap();
    place.installer.ensure(&service, &silent).await.unwrap();
}

#[tokio::test]
async fn two_processes_install_once() {
    let place = Place::new(NPM);
    let other = Place::new("#!/bin/sh\nexit 9\n");
    // The same cache, another installer: what another process would be.
    let variables = [("PATH", other.path("bin")), ("NPM_CONFIG_CALLS", other.path("calls"))];
    let variables = variables.into_iter().map(|(name, value)| (OsString::from(name), value.into()));
    let environment = Environment::from_variables(variables);
    let second = Installer::with_environment(place.path("cache"), environment, Duration::from_secs(60));
    let service = npm_service();
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        second.ensure(&service, &silent).await
    };
    let (one, two) = tokio::join!(place.installer.ensure(&service, &silent), later);
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
}

#[tokio::test]
async fn failure_is_told_and_not_remembered() {
    let place = Place::new("#!/bin/sh\n/bin/mkdir -p node_modules\necho 'npm error code ENOTFOUND' >&2\nexit 1\n");
    let error = place.installer.ensure(&npm_service(), &silent).await.unwrap_err();
    let text = error.to_string();
    for expected in ["@x/server@1.0.0", "exit status: 1", "the registry cannot be reached", "npm error code ENOTFOUND"]
    {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!place.installed());
    place.set_npm(NPM);
    place.installer.ensure(&npm_service(), &silent).await.unwrap();
    assert!(place.installed());
}

#[tokio::test]
async fn both_waiting_callers_hear_of_the_failure() {
    let place = Place::new("#!/bin/sh\necho x >> \"$NPM_CONFIG_CALLS\"\n/bin/sleep 0.3\nexit 1\n");
    let service = npm_service();
    let (one, two) = tokio::join!(place.installer.ensure(&service, &silent), place.installer.ensure(&service, &silent));
    assert!(one.is_err() && two.is_err());
    assert_eq!(place.calls(), 1);
}

#[tokio::test]
async fn what_takes_too_long_or_is_given_up_leaves_nothing() {
    let place = Place::with_limit("#!/bin/sh\n/bin/mkdir node_modules\n/bin/sleep 60\n", Duration::from_millis(300));
    let error = place.installer.ensure(&npm_service(), &silent).await.unwrap_err();
    assert!(error.to_string().contains("took longer than 0 s"), "{error}");

    let place = Place::new("#!/bin/sh\necho $$ > \"$NPM_CONFIG_CALLS.pid\"\n/bin/sleep 60\n");
    let service = npm_service();
    let given_up = tokio::time::timeout(Duration::from_millis(500), place.installer.ensure(&service, &silent));
    assert!(given_up.await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = fs::read_to_string(place.path("calls.pid")).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "npm is still running: {state}");
    assert_eq!(fs::read_dir(place.path("cache/staging")).unwrap().count(), 0);
    place.set_npm(NPM);
    place.installer.ensure(&npm_service(), &silent).await.unwrap();
}

#[tokio::test]
async fn a_missing_tool_names_its_package() {
    let place = Place::new(NPM);
    let pypi = launched("{ kind = \"pypi\", package = \"x\", version = \"1.0\" }");
    let error = place.installer.ensure(&pypi, &silent).await.unwrap_err();
    assert!(matches!(error, InstallError::ToolMissing { .. }) && error.to_string().contains("python3-venv"), "{error}");

    script(&place.path("bin/python3"), "#!/bin/sh\necho 'ensurepip is not available'\nexit 1\n");
    let error = place.installer.ensure(&pypi, &silent).await.unwrap_err();
    assert!(error.to_string().contains("apt install python3 python3-venv"), "{error}");

    fs::remove_file(place.path("bin/npm")).unwrap();
    let error = place.installer.ensure(&npm_service(), &silent).await.unwrap_err();
    assert!(error.to_string().starts_with("npm is not on this machine"), "{error}");
}

#[tokio::test]
async fn commands_are_found_and_remote_ones_need_none() {
    let place = Place::new(NPM);
    let ensure = async |launch: &str| place.installer.ensure(&launched(launch), &silent).await;
    let found = ensure("{ kind = \"command\", command = \"node\", args = [\"x\"] }").await.unwrap().unwrap();
    assert_eq!((found.program, found.args), (place.path("bin/node"), vec!["x".to_owned()]));
    assert_eq!(found.read_only, [place.path("bin")]);
    for command in ["no-such-program", "/nonexistent/program", "/etc/passwd"] {
        let error = ensure(&format!("{{ kind = \"command\", command = \"{command}\" }}")).await.unwrap_err();
        assert!(matches!(error, InstallError::CommandMissing { .. }), "{command}: {error}");
    }
    let http = "{ kind = \"http\", command = \"/bin/sh\" }";
    assert_eq!(ensure(http).await.unwrap().unwrap().program, Path::new("/bin/sh"));
    assert_eq!(ensure("{ kind = \"remote\", url = \"https://x.example/mcp\" }").await.unwrap(), None);
}

#[tokio::test]
async fn a_program_outside_its_package_is_refused() {
    let place = Place::new(&NPM.replace("main.js\"}", "../../../../../../../etc/passwd\"}"));
    let error = place.installer.ensure(&npm_service(), &silent).await.unwrap_err();
    assert!(matches!(error, InstallError::NoProgram { .. }), "{error}");
}

fn bundled(folder: &Path) -> Service {
    let text = manifest("svc")
        .replace("{ kind = \"command\", command = \"/bin/cat\" }", "{ kind = \"node\", entry = \"index.js\" }");
    Service::new(runtime(&text), Origin::Bundled { folder: folder.to_owned() })
}

#[tokio::test]
async fn bundled_services_run_from_a_copy_with_their_dependencies() {
    let place = Place::new(NPM);
    let source = place.path("services/svc");
    fs::create_dir_all(source.join("api")).unwrap();
    fs::create_dir_all(place.path("services/_shared")).unwrap();
    fs::write(place.path("services/_shared/common.js"), "shared").unwrap();
    fs::write(source.join("index.js"), "one").unwrap();
    fs::write(source.join("api/a.js"), "a").unwrap();

    let in_place = place.installer.ensure(&bundled(&source), &silent).await.unwrap().unwrap();
    assert_eq!(in_place.args, [source.join("index.js").to_str().unwrap()]);
    assert_eq!(place.calls(), 0);

    fs::write(source.join("package.json"), "{\"dependencies\": {\"@x/server\": \"1.0.0\"}}").unwrap();
    fs::write(source.join("package-lock.json"), "{}").unwrap();
    assert!(!place.installer.plan(&bundled(&source)).unwrap().installed);
    let first = place.installer.ensure(&bundled(&source), &silent).await.unwrap().unwrap();
    assert!(place.installer.plan(&bundled(&source)).unwrap().installed);
    let entry = PathBuf::from(&first.args[0]);
    assert!(entry.starts_with(place.path("cache/node")), "{entry:?}");
    let home = entry.parent().unwrap();
    assert_eq!(fs::read_to_string(&entry).unwrap(), "one");
    assert_eq!(fs::read_to_string(home.join("api/a.js")).unwrap(), "a");
    assert_eq!(fs::read_to_string(home.join("../_shared/common.js")).unwrap(), "shared");
    assert!(home.join("node_modules/@x/server/main.js").is_file());
    assert!(!source.join("node_modules").exists());
    assert!(fs::read_to_string(place.path("calls")).unwrap().starts_with("ci "));

    // A changed source is a new copy with the same dependencies; the old copy stays.
    fs::write(source.join("index.js"), "two").unwrap();
    let second = place.installer.ensure(&bundled(&source), &silent).await.unwrap().unwrap();
    assert_ne!(first.args, second.args);
    assert_eq!((fs::read_to_string(&entry).unwrap(), place.calls()), ("one".to_owned(), 1));
}
