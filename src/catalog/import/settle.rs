//! The last steps before a server is a service: an exact version, a manifest that holds, a name that is free.

use super::{draft::Server, naming::free_name};
use crate::{
    catalog::{Catalog, Installer},
    domain::{
        manifest::{Launch, Manifest},
        names::ServiceName,
    },
};

/// A version that was not exact, and the one that it means now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pinned {
    /// As the document has it.
    pub from: String,
    /// The newest that it means.
    pub to: String,
}

impl Server {
    /// Gives it an exact version by the registry, where it has none, and checks its manifest.
    ///
    /// # Errors
    /// Why it cannot be a service of this host, for a person.
    pub async fn settle(&mut self, installer: &Installer) -> Result<Option<Pinned>, String> {
        let Some(from) = self.unpinned.clone() else {
            return self.manifest.validate().map(|()| None).map_err(|error| error.to_string());
        };
        // Its other parts must hold before a registry is asked for a package of that name.
        set_version(&mut self.manifest, "0.0.0");
        self.manifest.validate().map_err(|error| error.to_string())?;
        let to = installer.newest(&self.manifest.launch, &from).await.map_err(|error| error.to_string())?;
        set_version(&mut self.manifest, &to);
        self.manifest.validate().map_err(|error| error.to_string())?;
        self.unpinned = None;
        Ok(Some(Pinned { from, to }))
    }
}

fn set_version(manifest: &mut Manifest, to: &str) {
    if let Launch::Npm { version, .. } | Launch::Pypi { version, .. } = &mut manifest.launch {
        to.clone_into(version);
    }
}

/// What the name of a new service is to be.
pub enum Naming {
    /// It is there already, by this name.
    There(ServiceName),
    /// This one is free.
    Free(ServiceName),
}

/// The service that is the same but for its name, among those that `usable` allows; else a free name like its own.
#[must_use]
pub fn naming(
    catalog: &Catalog,
    manifest: &Manifest,
    usable: impl Fn(&crate::catalog::Service) -> bool,
) -> Option<Naming> {
    let is_same = |name: &ServiceName| {
        let there = catalog.get(name).filter(|service| usable(service));
        there.is_some_and(|service| Manifest { name: name.clone(), ..manifest.clone() } == service.manifest)
    };
    let is_there = |name: &ServiceName| catalog.get(name).is_some();
    let name = free_name(&manifest.name, |name| is_there(name) && !is_same(name))?;
    Some(if is_there(&name) { Naming::There(name) } else { Naming::Free(name) })
}
