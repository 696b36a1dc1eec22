//! With the real npm, pip and Node, and a registry: a minute or so in all.
#![allow(clippy::print_stdout, reason = "how an install goes on is worth seeing when one fails")]

use std::{
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use berth::{
    catalog::{Catalog, Environment, Installer, Program, Service},
    domain::{ports::PortRange, template},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use super::bundled::services_dir;

const INSTALL_LIMIT: Duration = Duration::from_secs(300);

fn service(name: &str) -> Arc<Service> {
    let (catalog, _) = Catalog::load(&services_dir(), PortRange::SHARED);
    catalog.get(&name.parse().unwrap()).unwrap()
}

async fn install(cache: &Path, service: &Service) -> Program {
    let installer = Installer::new(cache.to_owned());
    let progress = |line: &str| println!("{line}");
    let program = tokio::time::timeout(INSTALL_LIMIT, installer.ensure(service, &progress)).await;
    program.unwrap().unwrap().unwrap()
}

/// Starts it with nothing but what its manifest says.
fn start(program: &Program, service: &Service, data: &Path, port: &str) -> Child {
    let data_text = data.to_str().unwrap();
    let defaults = |key: &str| service.manifest.config.iter().find(|field| field.name == key)?.default.as_deref();
    let value = |key: &str| match key {
        "DATA_DIR" => Some(data_text),
        "PORT" => Some(port),
        _ => defaults(key.strip_prefix("config.")?).map(|text| if text == "{DATA_DIR}" { data_text } else { text }),
    };
    let mut command = Command::new(&program.program);
    command.args(program.args.iter().map(|argument| template::expand(argument, value)));
    command.env_clear().envs(service.manifest.env.iter().map(|(name, text)| (name, template::expand(text, value))));
    command.current_dir(data).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// One request on standard input, one answer from standard output.
async fn ask(child: &mut Child, request: &Value) -> Value {
    let text = format!("{request}\n");
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.as_mut().unwrap());
    tokio::time::timeout(Duration::from_secs(30), reader.read_line(&mut line)).await.unwrap().unwrap();
    serde_json::from_str(&line).unwrap()
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}})
}

async fn answers_on_stdio(name: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let service = service(name);
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let program = install(&place.path().join("cache"), &service).await;
    let mut child = start(&program, &service, &data, "");
    let answer = ask(&mut child, &initialize()).await;
    assert!(answer["result"]["serverInfo"]["name"].is_string(), "{name}: {answer}");
    child.kill().await.unwrap();
    place
}

#[tokio::test]
async fn memory_from_npm_answers_and_is_there_the_second_time() {
    let place = answers_on_stdio("memory").await;
    let start = Instant::now();
    let without_tools = Environment::from_variables([("PATH".into(), node_folder().into())]);
    let cache = place.path().join("cache");
    let installer = Installer::with_environment(cache, without_tools, Duration::from_secs(5));
    installer.ensure(&service("memory"), &|_| ()).await.unwrap();
    println!("already installed: {:?}", start.elapsed());
}

#[tokio::test]
async fn filesystem_from_npm_answers() {
    answers_on_stdio("filesystem").await;
}

#[tokio::test]
async fn everything_from_npm_answers() {
    answers_on_stdio("everything").await;
}

#[tokio::test]
async fn time_from_pypi_answers() {
    answers_on_stdio("time").await;
}

#[tokio::test]
async fn no_such_version_and_no_registry_say_so() {
    let place = tempfile::tempdir().unwrap();
    let mut manifest = service("memory").manifest.clone();
    let other =
        toml::from_str("kind = \"npm\"\npackage = \"@modelcontextprotocol/server-memory\"\nversion = \"0.0.0\"");
    manifest.launch = other.unwrap();
    let wrong = Service::new(manifest, berth::catalog::Origin::Runtime { owner: None });
    let error = Installer::new(place.path().join("a")).ensure(&wrong, &|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("no such package and version"), "{error}");

    let variables = std::env::vars_os().filter(|(name, _)| name != "HOME");
    let variables = variables.chain([("npm_config_registry".into(), "http://127.0.0.1:9/".into())]);
    let environment = Environment::from_variables(variables);
    let offline = Installer::with_environment(place.path().join("b"), environment, Duration::from_secs(60));
    let start = Instant::now();
    let error = offline.ensure(&service("memory"), &|_| ()).await.unwrap_err();
    println!("unreachable registry: {:?}\n{error}", start.elapsed());
    assert!(error.to_string().contains("the registry cannot be reached"), "{error}");
}

#[tokio::test]
async fn notes_runs_from_its_copy_and_is_healthy() {
    let place = tempfile::tempdir().unwrap();
    let services = place.path().join("services");
    copy_source(&services_dir().join("notes"), &services.join("notes"));
    let (catalog, errors) = Catalog::load(&services, PortRange::SHARED);
    assert_eq!(errors, []);
    let notes = catalog.get(&"notes".parse().unwrap()).unwrap();
    let program = install(&place.path().join("cache"), &notes).await;
    assert!(program.args[0].contains("/cache/node/notes-"), "{program:?}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _child = start(&program, &notes, place.path(), &port.to_string());
    let answer = get(port, "/health").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"status\":\"ok\""), "{answer}");
    assert!(place.path().join("notes").is_dir());
}

#[tokio::test]
async fn notes_passes_its_own_tests() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("notes");
    copy_source(&services_dir().join("notes"), &folder);
    for (program, args) in [("npm", &["ci", "--ignore-scripts"][..]), ("node", &["--test"])] {
        let output = Command::new(program).args(args).current_dir(&folder).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
}

async fn get(port: u16, path: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > deadline => panic!("nothing listens: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn copy_source(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|e| e.file_name() != "node_modules") {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_source(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The folder of `node`, all that is needed once a package is there.
fn node_folder() -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).find(|folder| folder.join("node").is_file()).unwrap()
}
