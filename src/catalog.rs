//! The catalog: which services there are, how each is launched, and what must be installed first.
//!
//! Services come from two places: folders below the services directory (bundled, `service.toml`
//! each) and manifests added while Berth runs. [`Catalog`] owns the set of both as an immutable
//! snapshot that is swapped whole: reading never waits, and a reader's [`Service`] stays as it was.
//! [`Installer`] owns the package cache and turns a service into a [`Program`].
//!
//! Invariants: a name and a shared port belong to one service each; one bad manifest never keeps
//! another from loading; nothing here starts a service; no shell is given a string.

mod bundles;
mod cache;
pub mod curated;
mod environment;
mod error;
mod files;
pub mod import;
mod install;
mod lean;
mod load;
mod node;
mod npm;
mod program;
mod pypi;
mod registry;
mod search;
mod tool;
mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use self::search::Search;
pub use self::{
    environment::Environment,
    error::{CatalogError, ErrorKind, InstallError},
    install::{Installer, Plan},
    load::{check_file, parse_toml},
    program::Program,
    registry::Versions,
};
use crate::domain::{
    ids::UserId,
    manifest::{Launch, Manifest, SharedSpec},
    names::ServiceName,
    ports::PortRange,
};

/// Where a service came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder of the services directory.
    Bundled {
        /// The folder, absolute.
        folder: PathBuf,
    },
    /// Added while Berth runs.
    Runtime {
        /// The user who added it and alone may use it; everybody's when absent.
        owner: Option<UserId>,
    },
}

/// One service of the catalog.
#[derive(Debug)]
pub struct Service {
    /// How it is run and what it needs.
    pub manifest: Manifest,
    /// Where it came from.
    pub origin: Origin,
    /// Name, display name and description in lower case: what a search looks at.
    searched: String,
}

impl Service {
    /// A service of a manifest that has been validated.
    #[must_use]
    pub fn new(manifest: Manifest, origin: Origin) -> Self {
        let searched = format!("{}\n{}\n{}", manifest.name, manifest.display_name, manifest.description).to_lowercase();
        Self { manifest, origin, searched }
    }

    /// Whether it was read from a folder of the services directory.
    #[must_use]
    pub const fn is_bundled(&self) -> bool {
        matches!(self.origin, Origin::Bundled { .. })
    }

    /// The ports of its processes when it is shared; none otherwise.
    fn shared_ports(&self) -> impl Iterator<Item = u16> {
        self.manifest.shared.iter().flat_map(SharedSpec::ports)
    }
}

/// Other values for variables of bundled services' manifests, as the operator has set them.
pub type Overrides = BTreeMap<ServiceName, BTreeMap<String, String>>;

type Snapshot = BTreeMap<ServiceName, Arc<Service>>;

/// All services, bundled and added. Cheap to clone; every clone sees the same set.
#[derive(Clone, Debug)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    services_dir: PathBuf,
    shared_ports: PortRange,
    overrides: Overrides,
    snapshot: ArcSwap<Snapshot>,
    /// Held while a new snapshot is made, so that no change is lost.
    writing: Mutex<()>,
}

impl Catalog {
    /// Reads every `<services_dir>/<name>/service.toml`. What cannot be used is reported and left
    /// out; it never keeps the rest from loading. Reads files: call it from a blocking thread.
    #[must_use]
    pub fn load(services_dir: &Path, shared_ports: PortRange) -> (Self, Vec<CatalogError>) {
        Self::load_with(services_dir, shared_ports, Overrides::new())
    }

    /// The same, with other values for variables of some manifests.
    #[must_use]
    pub fn load_with(services_dir: &Path, shared_ports: PortRange, overrides: Overrides) -> (Self, Vec<CatalogError>) {
        let services_dir = std::path::absolute(services_dir).unwrap_or_else(|_| services_dir.to_owned());
        let inner =
            Inner { services_dir, shared_ports, overrides, snapshot: ArcSwap::default(), writing: Mutex::new(()) };
        let catalog = Self { inner: Arc::new(inner) };
        let errors = catalog.reload_bundled();
        (catalog, errors)
    }

    /// The directory that bundled services are read from.
    #[must_use]
    pub fn services_dir(&self) -> &Path {
        &self.inner.services_dir
    }

    /// The service of that name.
    #[must_use]
    pub fn get(&self, name: &ServiceName) -> Option<Arc<Service>> {
        self.inner.snapshot.load().get(name).cloned()
    }

    /// The services whose name, display name or description holds every word of `search`, by name.
    /// Case does not matter; no search means all.
    #[must_use]
    pub fn list(&self, search: Option<&str>) -> Vec<Arc<Service>> {
        let search = Search::new(search);
        let snapshot = self.inner.snapshot.load();
        snapshot.values().filter(|service| search.fits(&service.searched)).cloned().collect()
    }

    /// Ports that shared services other than `name` have a right to.
    #[must_use]
    pub fn claimed_ports(&self, name: &ServiceName) -> BTreeSet<u16> {
        let snapshot = self.inner.snapshot.load();
        snapshot.values().filter(|other| other.manifest.name != *name).flat_map(|other| other.shared_ports()).collect()
    }

    /// Adds a service while Berth runs; for everybody, or for `owner` alone.
    ///
    /// # Errors
    /// When the manifest is not valid, its name or shared port is taken, or its kind needs a folder
    /// of the services directory.
    pub fn add_runtime(&self, manifest: Manifest, owner: Option<UserId>) -> Result<Arc<Service>, CatalogError> {
        manifest.validate()?;
        if matches!(manifest.launch, Launch::Node { .. }) {
            return Err(CatalogError::invalid("launch.kind", "node needs a folder of the services directory"));
        }
        let _writing = self.inner.writing.lock();
        let mut next = Snapshot::clone(&self.inner.snapshot.load());
        let service = Arc::new(Service::new(manifest, Origin::Runtime { owner }));
        admit(&mut next, Arc::clone(&service), self.inner.shared_ports)?;
        self.inner.snapshot.store(Arc::new(next));
        Ok(service)
    }

    /// A catalog of one service and no folder: that of a process which is tried apart from all others.
    #[must_use]
    pub fn of_one(service: Service) -> Self {
        let snapshot = Snapshot::from([(service.manifest.name.clone(), Arc::new(service))]);
        let inner = Inner {
            services_dir: PathBuf::new(),
            shared_ports: PortRange::SHARED,
            overrides: Overrides::new(),
            snapshot: ArcSwap::from_pointee(snapshot),
            writing: Mutex::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Gives a service that was added while Berth runs another manifest of the same name, whose shared ports are the
    /// same. Who started with the one before keeps it until the next start.
    ///
    /// # Errors
    /// When the manifest is not valid, there is none of that name, or it comes from the services directory.
    pub fn replace_runtime(&self, manifest: Manifest) -> Result<Arc<Service>, CatalogError> {
        manifest.validate()?;
        let _writing = self.inner.writing.lock();
        let mut next = Snapshot::clone(&self.inner.snapshot.load());
        let before = next.get(&manifest.name).ok_or_else(|| CatalogError::unknown(&manifest.name))?;
        if before.is_bundled() {
            return Err(CatalogError::bundled(&manifest.name));
        }
        if before.manifest.shared != manifest.shared {
            return Err(CatalogError::invalid("shared", "cannot be changed; remove the service and add it anew"));
        }
        let service = Arc::new(Service::new(manifest, before.origin.clone()));
        next.insert(service.manifest.name.clone(), Arc::clone(&service));
        self.inner.snapshot.store(Arc::new(next));
        Ok(service)
    }

    /// Forgets a service that was added while Berth runs.
    ///
    /// # Errors
    /// When there is none of that name, or when it comes from the services directory.
    pub fn remove_runtime(&self, name: &ServiceName) -> Result<Arc<Service>, CatalogError> {
        let _writing = self.inner.writing.lock();
        let mut next = Snapshot::clone(&self.inner.snapshot.load());
        let service = next.remove(name).ok_or_else(|| CatalogError::unknown(name))?;
        if service.is_bundled() {
            return Err(CatalogError::bundled(name));
        }
        self.inner.snapshot.store(Arc::new(next));
        Ok(service)
    }

    /// Reads the services directory again. Added services stay; a folder whose manifest has become
    /// unusable keeps the manifest that it had, so that its instances go on. Reads files.
    #[must_use]
    pub fn reload_bundled(&self) -> Vec<CatalogError> {
        let _writing = self.inner.writing.lock();
        let before = self.inner.snapshot.load_full();
        let mut next: Snapshot = before
            .iter()
            .filter(|(_, service)| !service.is_bundled())
            .map(|(name, service)| (name.clone(), Arc::clone(service)))
            .collect();
        let mut errors = Vec::new();
        for found in load::scan(&self.inner.services_dir) {
            let earlier = found.name().and_then(|name| before.get(&name)).filter(|service| service.is_bundled());
            let admitted = found.service.and_then(|service| {
                let service = override_env(service, &self.inner.overrides)?;
                admit(&mut next, Arc::new(service), self.inner.shared_ports)
            });
            if let Err(error) = admitted {
                errors.push(error.in_file(&found.file));
                if let Some(earlier) = earlier {
                    // It was admitted once; if it no longer can be, the new error has said enough.
                    let _ = admit(&mut next, Arc::clone(earlier), self.inner.shared_ports);
                }
            }
        }
        self.inner.snapshot.store(Arc::new(next));
        errors
    }
}

/// The service with the operator's values in its `env`. Only variables that are there have another value: what nobody
/// reads would be a typing error that nobody sees.
fn override_env(mut service: Service, overrides: &Overrides) -> Result<Service, CatalogError> {
    let Some(own) = overrides.get(&service.manifest.name) else { return Ok(service) };
    for (name, value) in own {
        match service.manifest.env.get_mut(name) {
            Some(known) => known.clone_from(value),
            None => {
                let reason = format!("has no variable {name}, which the setting `service_env` gives another value");
                return Err(CatalogError::invalid("env", reason));
            }
        }
    }
    service.manifest.validate()?;
    Ok(service)
}

/// Adds `service` unless its name or its shared port is another's, or the port is out of range.
fn admit(services: &mut Snapshot, service: Arc<Service>, shared_ports: PortRange) -> Result<(), CatalogError> {
    let name = &service.manifest.name;
    if services.contains_key(name) {
        return Err(CatalogError::taken("name", format!("there is already a service {name:?}", name = name.as_str())));
    }
    for port in service.shared_ports() {
        if !shared_ports.contains(port) {
            let reason = format!("{port} is outside the range of shared services, {shared_ports}");
            return Err(CatalogError::invalid("shared.port", reason));
        }
        if let Some(holder) = services.values().find(|other| other.shared_ports().any(|held| held == port)) {
            let reason = format!("{port} belongs to service {:?}; choose another", holder.manifest.name.as_str());
            return Err(CatalogError::taken("shared.port", reason));
        }
    }
    services.insert(name.clone(), service);
    Ok(())
}
