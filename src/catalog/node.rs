//! Bundled Node services: run where they are, or from a copy with their dependencies installed.
//!
//! A folder without dependencies, or with its own `node_modules` (a developer's, or one shipped for
//! a machine without network), is run in place. Otherwise nothing is written into the services
//! directory: the dependencies go to `<cache>/deps/<hash>` (hash of package.json and lock, so
//! services with equal ones share them) and the source to `<cache>/node/<service>-<hash>/<service>`
//! with a link to them, and `_shared` beside it, so that `../_shared/…` means the same in both
//! places. A changed source is a new hash: running instances keep the copy that they started with.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    InstallError, Plan, Program,
    cache::{Cache, blocking},
    files,
    npm::{QUIETLY, node, node_program},
    program::{as_argument, folders_of},
    tool::Progress,
};
use crate::domain::names::ServiceName;

/// Code that services share; never a service itself.
const SHARED: &str = "_shared";
/// What decides which dependencies are installed, and how npm behaves.
const DESCRIPTION: &[&str] = &["package.json", "package-lock.json", ".npmrc"];

/// A bundled Node service and where it runs.
#[derive(Clone, Debug)]
pub(super) struct NodeService {
    source: PathBuf,
    needs: Option<Needs>,
}

/// What a service needs before it can run.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    name: ServiceName,
    source: PathBuf,
    /// Where its dependencies go.
    pub(super) dependencies: PathBuf,
    /// Where its source goes.
    pub(super) copy: PathBuf,
}

impl NodeService {
    /// Reads all of the service's source: call it from a blocking thread.
    pub(super) fn look_at(cache: &Cache, name: &ServiceName, source: &Path) -> Result<Self, InstallError> {
        let in_place = Self { source: source.to_owned(), needs: None };
        if source.join("node_modules").is_dir() || !has_dependencies(source)? {
            return Ok(in_place);
        }
        let (dependencies, tree) = hashes(source).map_err(|error| InstallError::file(source, &error))?;
        let needs = Needs {
            name: name.clone(),
            source: source.to_owned(),
            dependencies: cache.root.join("deps").join(dependencies),
            copy: cache.root.join("node").join(format!("{name}-{tree}")),
        };
        Ok(Self { needs: Some(needs), ..in_place })
    }

    pub(super) const fn needs(&self) -> Option<&Needs> {
        self.needs.as_ref()
    }

    pub(super) fn plan(&self) -> Plan {
        let installed = self
            .needs
            .as_ref()
            .is_none_or(|needs| files::is_complete(&needs.dependencies) && files::is_complete(&needs.copy));
        Plan { installs: self.needs.as_ref().map(Needs::label), installed }
    }

    /// `node` and the entry of the service.
    pub(super) fn program(&self, cache: &Cache, entry: &str, args: &[String]) -> Result<Program, InstallError> {
        let node = node(cache)?;
        let (home, mut read_only) = match &self.needs {
            Some(needs) => (needs.copy.join(needs.name.as_str()), vec![needs.copy.clone(), needs.dependencies.clone()]),
            None => (self.source.clone(), in_place_folders(&self.source)),
        };
        let script = home.join(entry);
        if !script.is_file() {
            return Err(InstallError::no_program(&as_argument(&home), format!("there is no {entry}")));
        }
        read_only.extend(folders_of(&node));
        let args = std::iter::once(as_argument(&script)).chain(args.iter().cloned()).collect();
        Ok(node_program(node, args, read_only, cache))
    }
}

impl Needs {
    pub(super) fn label(&self) -> String {
        format!("dependencies of {}", self.name)
    }

    /// Installs the dependencies from copies of the files that describe them.
    pub(super) async fn install(self, cache: &Arc<Cache>, progress: &Progress) -> Result<(), InstallError> {
        let npm = cache.tool_path("npm", "npm", "nodejs npm")?;
        let (staged, unfinished) = cache.stage()?;
        for name in DESCRIPTION {
            let from = self.source.join(name);
            if from.is_file() {
                fs::copy(&from, staged.join(name)).map_err(|error| InstallError::file(&from, &error))?;
            }
        }
        let is_locked = staged.join("package-lock.json").is_file();
        let mut command = cache.tool.command(&npm, &staged);
        command.arg(if is_locked { "ci" } else { "install" }).args(QUIETLY).arg("--prefix").arg(&staged);
        cache.tool.run(command, progress).await?;
        let cache = Arc::clone(cache);
        blocking(move || cache.publish(&staged, unfinished, &self.dependencies)).await
    }

    /// Copies the source and links it to its dependencies.
    pub(super) fn copy_source(self, cache: &Cache) -> Result<(), InstallError> {
        let (staged, unfinished) = cache.stage()?;
        let home = staged.join(self.name.as_str());
        let copy = || -> io::Result<()> {
            files::copy(&self.source, &home)?;
            if let Some(shared) = shared_beside(&self.source) {
                files::copy(&shared, &staged.join(SHARED))?;
            }
            symlink(self.dependencies.join("node_modules"), home.join("node_modules"))
        };
        copy().map_err(|error| InstallError::file(&self.source, &error))?;
        cache.publish(&staged, unfinished, &self.copy)
    }
}

fn in_place_folders(source: &Path) -> Vec<PathBuf> {
    std::iter::once(source.to_owned()).chain(shared_beside(source)).collect()
}

fn shared_beside(source: &Path) -> Option<PathBuf> {
    source.parent().map(|services| services.join(SHARED)).filter(|shared| shared.is_dir())
}

fn has_dependencies(source: &Path) -> Result<bool, InstallError> {
    let path = source.join("package.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(InstallError::file(&path, &error)),
    };
    let about: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| InstallError::no_program(&as_argument(&path), error.to_string()))?;
    Ok(about["dependencies"].as_object().is_some_and(|packages| !packages.is_empty()))
}

/// Hashes of what decides the dependencies, and of the whole source with the shared code.
fn hashes(source: &Path) -> io::Result<(String, String)> {
    let mut dependencies = Sha256::new();
    for name in DESCRIPTION {
        files::field(&mut dependencies, name.as_bytes());
        files::field(&mut dependencies, &fs::read(source.join(name)).unwrap_or_default());
    }
    let mut tree = dependencies.clone();
    files::hash_tree(&mut tree, source)?;
    if let Some(shared) = shared_beside(source) {
        files::hash_tree(&mut tree, &shared)?;
    }
    Ok((files::digits(dependencies), files::digits(tree)))
}
