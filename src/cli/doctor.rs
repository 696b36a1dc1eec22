//! `berth doctor`: what is missing or wrong, and what to do about it. Changes nothing.

mod leftovers;
mod limits;
mod shared;

use std::{borrow::Cow, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::ExitCode};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::{context::Context, output, remote::Remote};
use crate::{actors, app, catalog::Catalog, db::settings, process, vault::Vault};

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    /// Something will not be there; Berth runs all the same.
    Warning,
    /// Berth cannot run so.
    Bad,
}

#[derive(Serialize)]
struct Finding {
    what: Cow<'static, str>,
    verdict: Verdict,
    detail: String,
}

impl Finding {
    fn good(what: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Good, detail: detail.into() }
    }

    fn warning(what: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Warning, detail: detail.into() }
    }

    fn bad(what: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Bad, detail: detail.into() }
    }
}

pub(super) fn run(context: &Context) -> Result<ExitCode> {
    let mut findings = vec![data_dir(&context.config.storage.data_dir)];
    let (stores, host) = stores(context);
    findings.extend(stores);
    let remote = Remote::find(context);
    findings.push(address(context, &remote));
    let remote = remote.ok().flatten();
    findings.push(services(context));
    findings.extend(shared::findings(remote.as_ref()));
    findings.extend(tools());
    findings.extend(limits::findings(context, remote.as_ref()));
    if let Some(host) = &host {
        findings.extend(leftovers::findings(host, remote.as_ref()));
    }
    let identity = actors::identity_of(context.config.runtime.uids, 0).unwrap_or_default();
    let walls = process::walls_in_force(&process::walls::probe_this_host(identity));
    findings
        .extend(walls.into_iter().map(|line| limits::finding(line.what.to_owned(), line.how.as_str(), &line.detail)));
    let is_well = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    context.output.show(&json!({ "ok": is_well, "findings": findings }), || {
        let row = |finding: &Finding| {
            let sign = match finding.verdict {
                Verdict::Good => "ok",
                Verdict::Warning => "warning",
                Verdict::Bad => "BAD",
            };
            vec![sign.to_owned(), finding.what.to_string(), finding.detail.clone()]
        };
        output::table(&["", "WHAT", "FOUND"], &findings.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn data_dir(path: &Path) -> Finding {
    let what = "data directory";
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::good(what, format!("{shown} is not there yet; the first start makes it"))
        }
        Err(error) => Finding::bad(what, format!("{shown} cannot be used: {error}")),
        Ok(found) if !found.is_dir() => Finding::bad(what, format!("{shown} is not a directory")),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            Finding::warning(what, format!("{shown} is open to others; the next start closes it"))
        }
        Ok(_) => Finding::good(what, shown.to_string()),
    }
}

/// The database and the master key, neither of which is made here; and this data directory's own id.
fn stores(context: &Context) -> (Vec<Finding>, Option<String>) {
    let config = &context.config;
    if config.storage.database_url.is_none() && !config.storage.data_dir.join("berth.db").exists() {
        return (vec![Finding::good("database", "not there yet; the first start makes it")], None);
    }
    let db = match app::open_database(config) {
        Ok(db) => db,
        Err(error) => return (vec![Finding::bad("database", format!("{error:#}"))], None),
    };
    let read =
        db.read_blocking(|conn| Ok((settings::get(conn, app::VAULT_CHECK)?, settings::get(conn, app::HOST_ID)?)));
    let (check, host) = match read {
        Ok(read) => read,
        Err(error) => {
            let detail = format!("cannot be read ({error}); run `berth migrate` if it is new");
            return (vec![Finding::bad("database", detail)], None);
        }
    };
    let database = Finding::good("database", "answers");
    (vec![database, master_key(context, check.as_deref())], host)
}

fn master_key(context: &Context, check: Option<&str>) -> Finding {
    let what = "master key";
    let storage = &context.config.storage;
    if storage.master_key.is_none() && !storage.master_key_file().exists() {
        return match check {
            None => Finding::good(what, "not there yet; the first start makes it"),
            Some(_) => Finding::bad(
                what,
                "missing, but the database holds secrets sealed with it; put master.key back or set BERTH_MASTER_KEY",
            ),
        };
    }
    let opened = Vault::open(storage.master_key.as_ref(), &storage.master_key_file());
    match opened.and_then(|(vault, _)| check.map_or(Ok(()), |check| vault.verify_check(check))) {
        Ok(()) => Finding::good(what, "fits the database"),
        Err(error) => Finding::bad(what, error.to_string()),
    }
}

fn address(context: &Context, remote: &Result<Option<Remote>>) -> Finding {
    let what = "address";
    let listen = context.config.server.listen;
    match remote {
        Ok(Some(remote)) => return Finding::good(what, format!("Berth runs (pid {})", remote.pid())),
        Err(error) => return Finding::bad(what, format!("{error:#}")),
        Ok(None) => {}
    }
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good(what, format!("{listen} is free")),
        Err(error) => Finding::bad(what, format!("cannot listen on {listen} ({error}); choose another with --listen")),
    }
}

fn services(context: &Context) -> Finding {
    let what = "services";
    let folder = &context.config.storage.services_dir;
    let (catalog, problems) = Catalog::load(folder, context.config.runtime.shared_ports);
    match (catalog.list(None).len(), problems.first()) {
        (_, Some(problem)) => Finding::warning(what, format!("{} left out, the first: {problem}", problems.len())),
        (0, None) => Finding::warning(what, format!("none in {}; set BERTH_SERVICES_DIR", folder.display())),
        (count, None) => Finding::good(what, format!("{count} in {}", folder.display())),
    }
}

/// Programs that install and run packages; only services that need them fail without.
fn tools() -> Vec<Finding> {
    let tools = [
        ("node", "services from npm and of kind node cannot run; install nodejs 20 or newer"),
        ("npm", "services from npm cannot be installed; install npm"),
        ("python3", "services from PyPI cannot run; install python3 and python3-venv"),
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let finding = |(name, missing): (&'static str, &str)| match find(name) {
        Some(file) => Finding::good(name, file.display().to_string()),
        None => Finding::warning(name, missing),
    };
    tools.into_iter().map(finding).collect()
}
