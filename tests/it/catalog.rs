//! The catalog and the installer on real folders: good and bad manifests, fake tools, and (in
//! `slow`) the real npm and pip.

mod bundled;
mod installs;
mod slow;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use berth::{
    catalog::{Catalog, CatalogError, ErrorKind, Origin, check_file},
    domain::{ids::UserId, manifest::Manifest, names::ServiceName, ports::PortRange},
};
use tempfile::TempDir;

/// A services directory that a test fills.
struct Services(TempDir);

impl Services {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, folder: &str, manifest: &str) -> &Self {
        let folder = self.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("service.toml"), manifest).unwrap();
        self
    }

    fn load(&self) -> (Catalog, Vec<CatalogError>) {
        Catalog::load(self.path(), PortRange::SHARED)
    }
}

fn manifest(name: &str) -> String {
    format!(
        "name = \"{name}\"\ndisplay_name = \"The {name}\"\ntransport = \"stdio\"\n\
         launch = {{ kind = \"command\", command = \"/bin/cat\" }}\n"
    )
}

fn shared(name: &str, port: u16) -> String {
    let served = manifest(name).replace("\"stdio\"", "\"http\"").replace("kind = \"command\"", "kind = \"http\"");
    format!("{served}modes = [\"shared\"]\nshared = {{ port = {port} }}\n")
}

fn runtime(text: &str) -> Manifest {
    toml::from_str(text).unwrap()
}

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn names(catalog: &Catalog, search: Option<&str>) -> Vec<String> {
    catalog.list(search).iter().map(|service| service.manifest.name.to_string()).collect()
}

#[test]
fn finds_folders_and_leaves_others_alone() {
    let services = Services::new();
    services.put("good", &manifest("good")).put("_shared", "x").put(".git", "x").put("node_modules", "x");
    fs::write(services.path().join("README.md"), "").unwrap();
    let (catalog, errors) = services.load();
    assert_eq!(errors, []);
    assert_eq!(names(&catalog, None), ["good"]);
    let service = catalog.get(&name("good")).unwrap();
    assert_eq!(service.origin, Origin::Bundled { folder: services.path().join("good") });
    assert!(catalog.get(&name("other")).is_none());
}

#[test]
fn a_bad_manifest_is_named_by_file_line_field_and_reason() {
    let cases: &[(&str, &str, Option<usize>, &str)] = &[
        ("name = \"x", "name", Some(1), "invalid basic string"),
        ("", "name", Some(1), "missing field"),
        ("name = \"Bad Name\"", "name", Some(1), "must be 1 to 48"),
        ("name = \"api\"", "name", Some(1), "reserved"),
        (&manifest("other"), "name", None, "must be the folder's name, \"bad\""),
        (&format!("{}colour = 1", manifest("bad")), "colour", Some(5), "unknown field `colour`"),
        (&manifest("bad").replace("display_name", "title"), "title", Some(2), "unknown field `title`"),
        (&manifest("bad").replace("\"stdio\"", "\"smoke\""), "transport", Some(3), "unknown variant `smoke`"),
        (&manifest("bad").replace("\"command\"", "\"docker\""), "launch", Some(4), "unknown variant `docker`"),
        (&manifest("bad").replace("\"/bin/cat\"", "4"), "launch.command", Some(4), "invalid type"),
        (&manifest("bad").replace(", command", ", comand"), "launch.comand", Some(4), "unknown field"),
        (&manifest("bad").replace("/bin/cat", "./cat"), "launch.command", None, "absolute path"),
        (&format!("{}[health]\nretries = \"x\"", manifest("bad")), "health.retries", Some(6), "invalid type"),
        (&format!("{}[health]\nretries = 0", manifest("bad")), "health.retries", None, "must be 1 to 100"),
        (&format!("{}[limits]\nmemory = 1", manifest("bad")), "limits.memory", Some(6), "unknown field"),
        (&format!("{}[credential]\nkind = \"passport\"", manifest("bad")), "credential.kind", Some(6), "expected one"),
        (&format!("{}[credential]\nkind = \"api_key\"", manifest("bad")), "credential", None, "`env` or `header`"),
        (
            &format!("{}[[config]]\nname = \"a\"\n[[config]]\nhelp = \"b\"", manifest("bad")),
            "config[1].name",
            Some(7),
            "missing",
        ),
        (&format!("{}env = {{ LD_PRELOAD = \"x\" }}", manifest("bad")), "env.LD_PRELOAD", None, "not allowed"),
        (&format!("{}modes = [\"shared\"]", manifest("bad")), "shared", None, "is needed"),
        (&format!("{}shared = {{ port = 49200 }}", manifest("bad")), "shared", None, "transport = \"http\""),
        (&shared("bad", 49_999).replace("49999", "49999, workers = 2"), "shared.port", None, "50000 is outside"),
        (&shared("bad", 80), "shared.port", None, "outside the range of shared services, 49160-49999"),
    ];
    for (text, field, line, reason) in cases {
        let services = Services::new();
        services.put("bad", text).put("good", &manifest("good"));
        let (catalog, errors) = services.load();
        assert_eq!(names(&catalog, None), ["good"], "{text}");
        let [error] = errors.as_slice() else { panic!("{text}: {errors:?}") };
        assert_eq!(error.file, Some(services.path().join("bad/service.toml")), "{text}");
        assert_eq!(error.field.as_deref(), Some(*field), "{text}: {error}");
        assert_eq!(error.line, *line, "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
}

#[test]
fn nothing_outside_the_directory_is_read() {
    let outside = Services::new();
    outside.put("linked", &manifest("linked"));
    let services = Services::new();
    std::os::unix::fs::symlink(outside.path().join("linked"), services.path().join("linked")).unwrap();
    fs::create_dir(services.path().join("file-link")).unwrap();
    let target = services.path().join("file-link/service.toml");
    std::os::unix::fs::symlink(outside.path().join("linked/service.toml"), target).unwrap();
    fs::create_dir(services.path().join("empty")).unwrap();
    let node = |name: &str, entry: &str| {
        format!(
            "name = \"{name}\"\ndisplay_name = \"x\"\ntransport = \"stdio\"\n\
             launch = {{ kind = \"node\", entry = \"{entry}\" }}\n"
        )
    };
    services.put("escape", &node("escape", "../x.js"));
    services.put("escape-link", &node("escape-link", "x.js"));
    std::os::unix::fs::symlink("/etc/passwd", services.path().join("escape-link/x.js")).unwrap();
    services.put("no-entry", &node("no-entry", "x.js"));
    let (catalog, errors) = services.load();
    assert_eq!(names(&catalog, None), Vec::<String>::new());
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        ("empty/service.toml", "No such file"),
        ("escape/service.toml", "`launch.entry`: must be a relative path"),
        ("escape-link/service.toml", "`launch.entry`: \"x.js\" is not a file inside the folder"),
        ("file-link/service.toml", "is not a regular file"),
        ("linked", "is a link"),
        ("no-entry/service.toml", "`launch.entry`: \"x.js\": No such file"),
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for ((file, reason), said) in expected.iter().zip(&said) {
        assert!(said.contains(file) && said.contains(reason), "{said}");
    }
}

#[test]
fn names_and_shared_ports_belong_to_one() {
    let services = Services::new();
    services.put("a", &shared("a", 49200)).put("b", &shared("b", 49200)).put("c", &shared("c", 49201));
    let (catalog, errors) = services.load();
    assert_eq!(names(&catalog, None), ["a", "c"]);
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].kind, errors[0].field.as_deref()), (ErrorKind::Taken, Some("shared.port")));
    assert!(errors[0].reason.contains("belongs to service \"a\""), "{}", errors[0]);

    let refused = |text: &str| catalog.add_runtime(runtime(text), None).unwrap_err();
    assert_eq!(refused(&manifest("a")).kind, ErrorKind::Taken);
    assert_eq!(refused(&shared("d", 49201)).field.as_deref(), Some("shared.port"));
    assert_eq!(refused(&shared("d", 3000)).kind, ErrorKind::Invalid);
    let node =
        "name = \"d\"\ndisplay_name = \"x\"\ntransport = \"stdio\"\nlaunch = { kind = \"node\", entry = \"x.js\" }";
    assert_eq!(refused(node).field.as_deref(), Some("launch.kind"));
    assert_eq!(refused(&manifest("d").replace("The d", " ")).field.as_deref(), Some("display_name"));
}

#[test]
fn services_come_and_go_while_berth_runs() {
    let services = Services::new();
    services.put("bundled", &manifest("bundled"));
    let (catalog, _) = services.load();
    let owner = UserId::generate();
    let mine = catalog.add_runtime(runtime(&manifest("mine")), Some(owner)).unwrap();
    assert_eq!(mine.origin, Origin::Runtime { owner: Some(owner) });

    services.put("later", &manifest("later")).put("mine", &manifest("mine"));
    fs::remove_dir_all(services.path().join("bundled")).unwrap();
    let errors = catalog.reload_bundled();
    assert_eq!(names(&catalog, None), ["later", "mine"]);
    assert_eq!(errors.iter().map(|error| error.kind).collect::<Vec<_>>(), [ErrorKind::Taken]);
    assert!(!catalog.get(&name("mine")).unwrap().is_bundled());

    assert_eq!(catalog.remove_runtime(&name("later")).unwrap_err().kind, ErrorKind::Bundled);
    assert_eq!(catalog.remove_runtime(&name("none")).unwrap_err().kind, ErrorKind::Unknown);
    catalog.remove_runtime(&name("mine")).unwrap();
    assert_eq!(names(&catalog, None), ["later"]);
}

#[test]
fn a_service_that_breaks_keeps_what_it_had() {
    let services = Services::new();
    services.put("a", &manifest("a"));
    let (catalog, _) = services.load();
    services.put("a", "name = ");
    assert_eq!(catalog.reload_bundled().len(), 1);
    assert_eq!(catalog.get(&name("a")).unwrap().manifest.display_name, "The a");
    services.put("a", &manifest("a").replace("The a", "The new a"));
    assert_eq!(catalog.reload_bundled(), []);
    assert_eq!(catalog.get(&name("a")).unwrap().manifest.display_name, "The new a");
}

#[test]
fn search_looks_at_names_and_description() {
    let services = Services::new();
    services.put("mail", &format!("{}description = \"Read your LETTERS\"", manifest("mail")));
    services.put("chat", &manifest("chat"));
    let (catalog, _) = services.load();
    let cases: &[(&str, &[&str])] = &[
        ("", &["chat", "mail"]),
        ("  ", &["chat", "mail"]),
        ("MAIL", &["mail"]),
        ("letters", &["mail"]),
        ("the chat", &["chat"]),
        ("letters chat", &[]),
    ];
    for (search, expected) in cases {
        assert_eq!(names(&catalog, Some(search)), *expected, "{search:?}");
    }
}

#[test]
fn four_hundred_services_without_a_pause() {
    let services = Services::new();
    for number in 0..400 {
        services.put(&format!("service-{number}"), &manifest(&format!("service-{number}")));
    }
    let start = Instant::now();
    let (catalog, errors) = services.load();
    let load = start.elapsed();
    assert_eq!((catalog.list(None).len(), errors.len()), (400, 0));
    let start = Instant::now();
    assert_eq!(catalog.list(Some("SERVICE-39")).len(), 11);
    println!("400 services: loaded in {load:?}, searched in {:?}", start.elapsed());
}

#[test]
fn a_missing_directory_is_said() {
    let (catalog, errors) = Catalog::load(Path::new("/nonexistent/services"), PortRange::SHARED);
    assert!(catalog.list(None).is_empty());
    assert!(errors[0].to_string().contains("/nonexistent/services: cannot read the services directory"), "{errors:?}");
}

#[test]
fn check_takes_a_folder_or_a_file() {
    let services = Services::new();
    services.put("a", &manifest("a"));
    let file = services.path().join("elsewhere.toml");
    fs::write(&file, manifest("b")).unwrap();
    assert_eq!(check_file(&services.path().join("a")).unwrap().name, name("a"));
    assert_eq!(check_file(&services.path().join("a/service.toml")).unwrap().name, name("a"));
    assert_eq!(check_file(&file).unwrap().name, name("b"));
}

/// Writes an executable script.
fn script(path: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}
