//! `berth service`.

mod import;
mod updates;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    context::{Context, by_operator},
    oauth_client::{self, OAuthClient},
    output,
    remote::Remote,
};
use crate::{
    app,
    catalog::{Catalog, Installer, Origin, Service as Entry, check_file, curated},
    db::{DbError, audit, services},
    domain::{manifest::Manifest, names::ServiceName, time::Timestamp},
};

#[derive(Subcommand)]
pub(super) enum Service {
    /// What can be hosted
    List {
        /// Only those whose name or description has these words
        #[arg(long)]
        search: Option<String>,
        /// The curated list instead: well-known servers, ready to be added
        #[arg(long)]
        curated: bool,
    },
    /// One service's manifest
    Show {
        /// Its name
        name: ServiceName,
    },
    /// Check a manifest, and what this machine lacks to run it
    Check {
        /// A `service.toml`, or the same as JSON
        file: PathBuf,
    },
    /// Add a service for everybody; a running Berth has it at once
    Add {
        /// A `service.toml`, or the same as JSON; or the name of an entry of the curated list
        #[arg(value_name = "FILE|NAME")]
        file: PathBuf,
    },
    /// With which client users sign in at the outside service, where the manifest has `credential.oauth`
    #[command(subcommand)]
    OauthClient(OAuthClient),
    /// Add the services that a `server.json`, a client's configuration or an MCPB bundle describes
    Import(import::Import),
    /// Newer versions of a package, and what one would change
    Updates(updates::Updates),
    /// Take another version of a package; instances have it from their next start
    Update(updates::Update),
    /// Go back to the last good version
    Rollback(updates::Rollback),
    /// Keep a service at its version
    Pin(updates::Pin),
    /// Remove a service that was added
    Remove {
        /// Its name
        name: ServiceName,
    },
}

pub(super) fn run(context: &Context, command: &Service) -> Result<ExitCode> {
    match command {
        Service::List { search, curated: true } => list_curated(context, search.as_deref())?,
        Service::List { search, curated: false } => list(context, search.as_deref())?,
        Service::Show { name } => show(context, name)?,
        Service::Check { file } => return check(context, file),
        Service::Add { file } => add(context, file)?,
        Service::OauthClient(command) => oauth_client::run(context, command)?,
        Service::Import(command) => import::run(context, command)?,
        Service::Remove { name } => remove(context, name)?,
        Service::Updates(command) => updates::show(context, command)?,
        Service::Update(command) => updates::update(context, command)?,
        Service::Rollback(command) => updates::roll_back(context, command)?,
        Service::Pin(command) => updates::pin(context, command)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn catalog(context: &Context) -> Result<Catalog> {
    let (catalog, problems) = app::load_catalog(&context.config, &context.database()?)?;
    for problem in problems {
        output::remark(&format!("left out: {problem}"));
    }
    Ok(catalog)
}

fn list(context: &Context, search: Option<&str>) -> Result<()> {
    let services = catalog(context)?.list(search);
    let items: Vec<&Manifest> = services.iter().map(|service| &service.manifest).collect();
    context.output.show(&json!({ "items": items, "next": null }), || {
        let row = |service: &Entry| {
            let manifest = &service.manifest;
            let origin = if service.is_bundled() { "bundled" } else { "added" };
            vec![
                manifest.name.to_string(),
                kind(manifest),
                needs(manifest),
                origin.to_owned(),
                manifest.display_name.clone(),
            ]
        };
        let rows: Vec<_> = services.iter().map(|service| row(service)).collect();
        output::table(&["NAME", "KIND", "CREDENTIAL", "ORIGIN", "DISPLAY NAME"], &rows)
    })
}

fn list_curated(context: &Context, search: Option<&str>) -> Result<()> {
    let entries = curated::list(search, None);
    context.output.show(&json!({ "items": entries, "next": null }), || {
        let row = |entry: &&curated::Curated| {
            let manifest = &entry.manifest;
            let tools = entry.checked.tools.map_or_else(|| "-".to_owned(), |count| count.to_string());
            let about = entry.categories.join(",");
            vec![
                manifest.name.to_string(),
                kind(manifest),
                needs(manifest),
                tools,
                about,
                manifest.display_name.clone(),
            ]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        output::table(&["NAME", "KIND", "CREDENTIAL", "TOOLS", "ABOUT", "DISPLAY NAME"], &rows)
    })
}

/// The name that the manifest itself uses.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn kind(manifest: &Manifest) -> String {
    let launch = serde_json::to_value(&manifest.launch).unwrap_or_default();
    launch.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn needs(manifest: &Manifest) -> String {
    word(manifest.credential.kind)
}

fn show(context: &Context, name: &ServiceName) -> Result<()> {
    let service = catalog(context)?.get(name);
    let service =
        service.with_context(|| format!("there is no service {name}; `berth service list` shows those there are"))?;
    let text = toml::to_string(&service.manifest).context("the manifest makes no TOML")?;
    context.output.show(&service.manifest, || {
        let origin = match &service.origin {
            Origin::Bundled { folder } => format!("# from {}\n", folder.display()),
            Origin::Runtime { .. } => "# added\n".to_owned(),
        };
        format!("{origin}{}", text.trim_end())
    })
}

fn check(context: &Context, file: &Path) -> Result<ExitCode> {
    let manifest = check_file(file)?;
    let folder = std::path::absolute(file)?.parent().map(Path::to_path_buf).unwrap_or_default();
    let name = manifest.name.clone();
    let installer = Installer::new(context.config.storage.data_dir.join("cache"));
    let plan = installer.plan(&Entry::new(manifest, Origin::Bundled { folder }));
    let (works, remark) = match &plan {
        Ok(plan) => match (&plan.installs, plan.installed) {
            (None, _) => (true, "it needs no installation".to_owned()),
            (Some(what), true) => (true, format!("{what} is installed")),
            (Some(what), false) => (true, format!("{what} will be installed at the first start")),
        },
        Err(error) => (false, error.to_string()),
    };
    let answer = json!({ "name": name, "valid": true, "runs_here": works, "remark": remark });
    context.output.show(&answer, || format!("{name}: the manifest is valid; {remark}"))?;
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn add(context: &Context, file: &Path) -> Result<()> {
    let manifest = manifest_of(file)?;
    match Remote::find(context)? {
        Some(remote) => {
            remote.post("/api/v1/services", &serde_json::to_value(&manifest)?)?;
        }
        None => add_here(context, &manifest)?,
    }
    context.output.show(&manifest, || format!("added {}", manifest.name))
}

/// That of a file, else that of an entry of the curated list.
fn manifest_of(file: &Path) -> Result<Manifest> {
    let name = file.to_str().and_then(|text| text.parse::<ServiceName>().ok());
    match name.as_ref().filter(|_| !file.exists()).map(curated::get) {
        Some(Some(entry)) => Ok(entry.manifest.clone()),
        Some(None) => bail!(
            "there is neither a file {} nor such an entry of the curated list; `berth service list --curated` shows it",
            file.display()
        ),
        None => Ok(check_file(file)?),
    }
}

fn add_here(context: &Context, manifest: &Manifest) -> Result<()> {
    // The catalog knows which names and ports are taken.
    catalog(context)?.add_runtime(manifest.clone(), None)?;
    let row = services::Service { manifest: manifest.clone(), owner_id: None, created_at: Timestamp::now() };
    let added = context.database()?.write_blocking(|conn| {
        services::insert(conn, &row)?;
        audit::append(conn, &by_operator("service.create", format!("service:{}", manifest.name), json!({}))).map(drop)
    });
    added.map_err(|error| match error {
        DbError::UniqueViolation { .. } => anyhow!("there is a service {} already", manifest.name),
        other => other.into(),
    })
}

fn remove(context: &Context, name: &ServiceName) -> Result<()> {
    match Remote::find(context)? {
        Some(remote) => remote.delete(&format!("/api/v1/services/{name}"))?,
        None => {
            catalog(context)?.remove_runtime(name)?;
            let in_use = context.database()?.write_blocking(|conn| {
                let used =
                    crate::db::instances::list_all(conn)?.iter().filter(|instance| instance.service == *name).count();
                if used == 0 {
                    services::delete(conn, name)?;
                    audit::append(conn, &by_operator("service.delete", format!("service:{name}"), json!({})))?;
                }
                Ok(used)
            })?;
            if in_use > 0 {
                bail!("{in_use} instances of {name} are there; delete them first");
            }
        }
    }
    context.output.show(&json!({ "name": name, "removed": true }), || format!("removed {name}"))
}
