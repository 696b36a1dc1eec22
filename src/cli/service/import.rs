//! `berth service import`: in the running Berth, or into the catalog of one that does not run.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use super::{add_here, catalog};
use crate::{
    catalog::{
        Installer,
        import::{self, Bundle, BundleLimits, Found, Naming, Server, naming},
    },
    cli::{
        context::Context,
        instance::encode,
        output,
        remote::{Remote, items, text},
    },
    domain::names::Email,
};

#[derive(Args)]
pub(in crate::cli) struct Import {
    /// A `server.json`, a configuration with `mcpServers` or `servers`, or an MCPB bundle
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    preview: bool,
    /// Make an instance of each service, too; needs a running Berth
    #[arg(long, requires = "user")]
    create: bool,
    /// Whose the instances will be
    #[arg(long)]
    user: Option<Email>,
    /// Only this server of the file, by its name there; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// What the SHA-256 of the bundle must be
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

/// How archives begin.
const ZIP: &[u8] = b"PK\x03\x04";

pub(super) fn run(context: &Context, import: &Import) -> Result<()> {
    let most = context.config.runtime.import_max_bytes;
    let size = fs::metadata(&import.file).with_context(|| format!("cannot read {}", import.file.display()))?.len();
    ensure!(size <= most as u64, "it has more than {most} bytes; the setting `import_max_bytes` says how many");
    let bytes = fs::read(&import.file).with_context(|| format!("cannot read {}", import.file.display()))?;
    let answer = match Remote::find(context)? {
        Some(remote) => over_rest(&remote, import, bytes)?,
        None => here(context, import, &bytes)?,
    };
    context.output.show(&answer, || table(&answer))?;
    let failed = items(&answer).iter().filter(|item| item.get("reason").is_some_and(Value::is_string)).count();
    ensure!(failed == 0, "{failed} of {} servers were not taken, or not wholly", items(&answer).len());
    Ok(())
}

fn over_rest(remote: &Remote, import: &Import, bytes: Vec<u8>) -> Result<Value> {
    if bytes.starts_with(ZIP) {
        let mut query = format!("?preview={}&create={}", import.preview, import.create);
        let further = [("user", import.user.as_ref().map(Email::as_str)), ("sha256", import.sha256.as_deref())];
        for (name, value) in further.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            query.push_str(&format!("&{name}={}", encode(value)));
        }
        return remote.post_bytes(&format!("/api/v1/services/import{query}"), bytes);
    }
    let mut body = Map::new();
    body.insert("source".to_owned(), json!(document(bytes)?));
    body.insert("preview".to_owned(), json!(import.preview));
    body.insert("create".to_owned(), json!(import.create));
    if let Some(user) = &import.user {
        body.insert("user".to_owned(), json!(user));
    }
    if !import.only.is_empty() {
        body.insert("only".to_owned(), json!(import.only));
    }
    remote.post("/api/v1/services/import", &Value::Object(body))
}

fn document(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| anyhow!("it is neither text nor a bundle"))
}

/// Without a running Berth: services, but no instances.
fn here(context: &Context, import: &Import, bytes: &[u8]) -> Result<Value> {
    if import.create {
        bail!("Berth is not running, and only a running one makes instances; start it with `berth serve`");
    }
    let installer = Installer::new(context.config.storage.data_dir.join("cache"));
    let found = looked_at(&installer, import, bytes)?;
    let runtime = actix_rt::Runtime::new().context("cannot start a runtime")?;
    let mut taken = Vec::with_capacity(found.len());
    for found in found {
        let alternatives = json!(found.alternatives);
        let mut item =
            Map::from_iter([("source".to_owned(), json!(found.source)), ("alternatives".to_owned(), alternatives)]);
        let done = found.server.and_then(|server| {
            take(context, &runtime, &installer, *server, import.preview, &mut item)
                .map_err(|error| format!("{error:#}"))
        });
        if let Err(reason) = done {
            item.entry("status").or_insert_with(|| json!("not_runnable"));
            item.insert("reason".to_owned(), json!(reason));
        }
        taken.push(Value::Object(item));
    }
    Ok(json!({ "preview": import.preview, "items": taken }))
}

/// The servers of the file; a bundle is kept, when its server can be taken.
fn looked_at(installer: &Installer, import: &Import, bytes: &[u8]) -> Result<Vec<Found>> {
    let mut bundle = None;
    let mut found = if bytes.starts_with(ZIP) {
        let mut read = Bundle::read(bytes, import.sha256.as_deref(), BundleLimits::default())?;
        let nothing = Found { source: String::new(), server: Err(String::new()), alternatives: Vec::new() };
        let found = std::mem::replace(&mut read.found, nothing);
        bundle = Some(read);
        vec![found]
    } else {
        import::read(&document(bytes.to_vec())?).map_err(|reason| anyhow!(reason))?
    };
    found.retain(|found| import.only.is_empty() || import.only.contains(&found.source));
    if let Some(bundle) = bundle.filter(|_| !import.preview && found.iter().all(|found| found.server.is_ok())) {
        installer.keep_bundle(&bundle, bytes, BundleLimits::default())?;
    }
    Ok(found)
}

fn take(
    context: &Context,
    runtime: &actix_rt::Runtime,
    installer: &Installer,
    mut server: Server,
    preview: bool,
    item: &mut Map<String, Value>,
) -> Result<()> {
    ensure!(server.bundle.is_none(), "its bundle has to be fetched, which only a running Berth does");
    let pinned = runtime.block_on(server.settle(installer)).map_err(|reason| anyhow!(reason))?;
    let named = naming(&catalog(context)?, &server.manifest, |_| true).context("all names like its own are taken")?;
    let is_there = matches!(named, Naming::There(_));
    let (Naming::There(name) | Naming::Free(name)) = named;
    server.manifest.name = name;
    if !is_there && !preview {
        add_here(context, &server.manifest)?;
    }
    let status = match (is_there, preview) {
        (true, _) => "exists",
        (false, true) => "new",
        (false, false) => "added",
    };
    item.insert("status".to_owned(), json!(status));
    item.insert("service".to_owned(), json!(server.manifest.name));
    item.insert("manifest".to_owned(), serde_json::to_value(&server.manifest)?);
    item.insert("pinned".to_owned(), json!(pinned));
    item.insert("needs".to_owned(), json!(server.needs));
    item.insert("notes".to_owned(), json!(server.notes));
    Ok(())
}

fn table(answer: &Value) -> String {
    let row = |item: &Value| {
        let pinned = item.pointer("/pinned/to").and_then(Value::as_str).map(|to| format!("version {to}"));
        let needs = item.get("needs").and_then(Value::as_array).into_iter().flatten();
        let open: Vec<String> = needs
            .filter(|need| need.get("required") == Some(&json!(true)) && need.get("given") == Some(&json!(false)))
            .map(|need| text(need, "as"))
            .collect();
        let open = (!open.is_empty()).then(|| format!("needs {}", open.join(", ")));
        let reason = item.get("reason").and_then(Value::as_str).map(str::to_owned);
        let remark: Vec<String> = [reason, pinned, open].into_iter().flatten().collect();
        let instance = item.pointer("/instance/id").and_then(Value::as_str).unwrap_or("-").to_owned();
        vec![text(item, "source"), text(item, "status"), text(item, "service"), instance, remark.join("; ")]
    };
    let rows: Vec<_> = items(answer).iter().map(row).collect();
    output::table(&["SERVER", "STATUS", "SERVICE", "INSTANCE", "REMARK"], &rows)
}
