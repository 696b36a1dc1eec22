//! What every actor is given: the parts of Berth that instances need, made once at the start.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Eras, Paths, Places, Pools, PortRegistry, Recorder};
use crate::{
    catalog::{Catalog, Installer},
    config::RuntimeConfig,
    db::Db,
    domain::quota::Quota,
    outside::OutsideGrants,
    process::{Cgroups, Launcher},
    routing::RouteTable,
    telemetry::Metrics,
    vault::Vault,
};

/// Everything that instances need to run. Shared by all actors.
pub struct Runtime {
    /// Desired state.
    pub db: Db,
    /// Opens credentials.
    pub vault: Arc<Vault>,
    /// Keeps credentials fresh that are grants of outside services.
    pub outside: OutsideGrants,
    /// What instances are copies of.
    pub catalog: Catalog,
    /// Brings packages here.
    pub installer: Installer,
    /// Starts processes.
    pub launcher: Arc<dyn Launcher>,
    /// Control groups, as far as this machine grants them; the launcher uses the same.
    pub cgroups: Arc<Cgroups>,
    /// Where calls find instances.
    pub routes: Arc<RouteTable>,
    /// Ports of HTTP children.
    pub ports: Arc<PortRegistry>,
    /// Ports of shared services.
    pub shared_ports: Arc<PortRegistry>,
    /// Shared services that have processes, or had.
    pub pools: Pools,
    /// Places for processes, as quotas have them.
    pub places: Arc<Places>,
    /// What the installation gives everybody.
    pub quota: Quota,
    /// Writes what is into the database.
    pub recorder: Recorder,
    /// Settings.
    pub config: RuntimeConfig,
    /// Where instances keep their files.
    pub paths: Paths,
    /// This data directory's own id: the mark of our processes.
    pub host: String,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Which protocol era services speak.
    pub eras: Eras,
    /// Starts at a time: a hundred Node servers at once would starve all.
    pub starting: Arc<Semaphore>,
}

impl Runtime {
    /// The same with another catalog, for a process that is tried apart from all others.
    pub(super) fn with_catalog(&self, catalog: Catalog) -> Self {
        Self {
            db: self.db.clone(),
            vault: Arc::clone(&self.vault),
            outside: self.outside.clone(),
            catalog,
            installer: self.installer.clone(),
            launcher: Arc::clone(&self.launcher),
            cgroups: Arc::clone(&self.cgroups),
            routes: Arc::clone(&self.routes),
            ports: Arc::clone(&self.ports),
            shared_ports: Arc::clone(&self.shared_ports),
            pools: Pools::new(self.config.wake_timeout),
            places: Arc::clone(&self.places),
            quota: self.quota,
            recorder: self.recorder.clone(),
            config: self.config.clone(),
            paths: self.paths.clone(),
            host: self.host.clone(),
            metrics: Arc::clone(&self.metrics),
            eras: Eras::new(self.db.clone()),
            starting: Arc::clone(&self.starting),
        }
    }
}
