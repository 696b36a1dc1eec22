//! The route table: readers see a whole snapshot, the one writer replaces it.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use super::Route;
use crate::domain::{ids::InstanceId, names::ServiceName};

#[derive(Clone, Default)]
struct Snapshot {
    by_id: HashMap<InstanceId, Arc<Route>>,
    by_slug: HashMap<String, Arc<Route>>,
}

/// All routes. Cloning the snapshot on a change is cheap beside starting a process.
#[derive(Default)]
pub struct RouteTable {
    snapshot: ArcSwap<Snapshot>,
}

impl RouteTable {
    /// The instance `id`, if it is one of `service`: both are part of its URL.
    #[must_use]
    pub fn find(&self, service: &str, id: InstanceId) -> Option<Arc<Route>> {
        let snapshot = self.snapshot.load();
        snapshot.by_id.get(&id).filter(|route| route.service.as_str() == service).cloned()
    }

    /// The instance with this slug, if it is one of `service`.
    #[must_use]
    pub fn find_slug(&self, slug: &str, service: &ServiceName) -> Option<Arc<Route>> {
        let snapshot = self.snapshot.load();
        snapshot.by_slug.get(slug).filter(|route| route.service == *service).cloned()
    }

    /// The instance `id`, whatever its service.
    #[must_use]
    pub fn get(&self, id: InstanceId) -> Option<Arc<Route>> {
        self.snapshot.load().by_id.get(&id).cloned()
    }

    /// Every route.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Route>> {
        self.snapshot.load().by_id.values().cloned().collect()
    }

    /// Adds or replaces a route. Only the supervisor calls this.
    pub fn insert(&self, route: Arc<Route>) {
        let mut next = Snapshot::clone(&self.snapshot.load());
        next.by_slug.insert(route.slug.clone(), Arc::clone(&route));
        next.by_id.insert(route.id, route);
        self.snapshot.store(Arc::new(next));
    }

    /// Removes a route. Only the supervisor calls this, before the instance is stopped.
    pub fn remove(&self, id: InstanceId) {
        let mut next = Snapshot::clone(&self.snapshot.load());
        if let Some(route) = next.by_id.remove(&id) {
            next.by_slug.remove(&route.slug);
        }
        self.snapshot.store(Arc::new(next));
    }
}
