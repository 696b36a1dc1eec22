//! One server of a document: what it becomes here, and what came of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Values, Wish,
    bundle::{self, Packed},
};
use crate::{
    catalog::import::{Alternative, Found, Given, Naming, Need, Pinned, Server, naming},
    domain::{ids::InstanceId, instance::Instance, manifest::Manifest, names::ServiceName},
    web::{
        api::{
            instance_view::InstanceView,
            instances::{CreateInstance, make, owner_of},
            services::{add, may_be_added, may_use},
        },
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// What became of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// It does not run here.
    NotRunnable,
    /// It was refused, or failed.
    Refused,
    /// It would be a new service.
    New,
    /// It is a service of this name already.
    Exists,
    /// It is a new service.
    Added,
}

/// What became of a server, for the caller.
#[derive(Serialize)]
pub(super) struct Outcome {
    /// Its name in the document.
    source: String,
    status: Status,
    runnable: bool,
    /// Why not, or what went wrong.
    reason: Option<String>,
    code: Option<ErrorCode>,
    /// The service's name here.
    pub(super) service: Option<ServiceName>,
    manifest: Option<Manifest>,
    /// The range or tag that was resolved.
    pinned: Option<Pinned>,
    needs: Vec<Need>,
    notes: Vec<String>,
    alternatives: Vec<Alternative>,
    instance: Option<InstanceView>,
    #[serde(skip)]
    instance_id: Option<InstanceId>,
}

impl Outcome {
    fn of(found: &Found) -> Self {
        Self {
            source: found.source.clone(),
            status: Status::NotRunnable,
            runnable: false,
            reason: None,
            code: None,
            service: None,
            manifest: None,
            pinned: None,
            needs: Vec::new(),
            notes: Vec::new(),
            alternatives: found.alternatives.clone(),
            instance: None,
            instance_id: None,
        }
    }

    fn refuse(&mut self, error: &ApiError) {
        if error.code().status().is_server_error() {
            error.log("an import");
        }
        self.reason = Some(error.detail().to_owned());
        self.code = Some(error.code());
    }

    /// Whether a service was added for it.
    pub(super) fn is_new(&self) -> bool {
        self.status == Status::Added
    }

    /// The instance that was made.
    pub(super) const fn instance(&self) -> Option<InstanceId> {
        self.instance_id
    }
}

/// Takes servers of one document, for one caller.
pub(super) struct Taking<'a> {
    pub(super) caller: &'a Caller,
    pub(super) state: &'a AppState,
    pub(super) wish: &'a Wish,
}

impl Taking<'_> {
    /// Takes one server as far as is wanted.
    pub(super) async fn take(&self, found: Found, packed: Option<Packed>) -> Outcome {
        let mut outcome = Outcome::of(&found);
        let server = match found.server {
            Ok(server) => self.settled(*server, packed, &mut outcome).await,
            Err(reason) => Err(reason),
        };
        match server {
            Ok((server, packed)) => self.add_and_make(server, packed, &mut outcome).await,
            Err(reason) => outcome.reason = Some(reason),
        }
        outcome
    }

    /// The server with its bundle and its exact version, or why it does not run here.
    async fn settled(
        &self,
        mut server: Server,
        mut packed: Option<Packed>,
        outcome: &mut Outcome,
    ) -> Result<(Server, Option<Packed>), String> {
        if let Some(source) = server.bundle.take() {
            let (found, bytes) = bundle::fetched(self.state, &source).await?;
            let bundled = *found.server?;
            // By what the registry calls it.
            let manifest = Manifest { name: server.manifest.name, ..bundled.manifest };
            server = Server { manifest, ..bundled };
            packed = Some(bytes);
        }
        outcome.pinned = server.settle(&self.state.installer).await?;
        Ok((server, packed))
    }

    async fn add_and_make(&self, mut server: Server, packed: Option<Packed>, outcome: &mut Outcome) {
        let values = self.wish.values.get(&outcome.source).cloned().unwrap_or_default();
        mark_given(&mut server.needs, &values);
        outcome.runnable = true;
        outcome.needs = std::mem::take(&mut server.needs);
        outcome.notes = std::mem::take(&mut server.notes);
        outcome.status = Status::Refused;
        let named = match self.place(&mut server.manifest, packed).await {
            Ok(status) => status,
            Err(error) => {
                outcome.manifest = Some(server.manifest);
                return outcome.refuse(&error);
            }
        };
        outcome.status = named;
        outcome.service = Some(server.manifest.name.clone());
        outcome.manifest = Some(server.manifest.clone());
        if !self.wish.create || self.wish.preview {
            return;
        }
        match self.make(&server.manifest.name, server.given, values, &outcome.needs).await {
            Ok(instance) => {
                outcome.instance_id = Some(instance.id);
                outcome.instance = Some(InstanceView::of(instance, self.state));
            }
            Err(error) => outcome.refuse(&error),
        }
    }

    /// Finds or adds its service.
    async fn place(&self, manifest: &mut Manifest, packed: Option<Packed>) -> Result<Status, ApiError> {
        may_be_added(self.state, manifest, self.wish.is_admin)?;
        let user = match &self.wish.user {
            None => self.caller.0.user,
            Some(email) => owner_of(self.caller, self.state, Some(email.clone())).await?.id,
        };
        let usable = |service: &crate::catalog::Service| may_use(service, user);
        let named = naming(&self.state.catalog, manifest, usable);
        let named = named.ok_or_else(|| ApiError::new(ErrorCode::Conflict, "all names like its own are taken"))?;
        let is_there = matches!(named, Naming::There(_));
        let (Naming::There(name) | Naming::Free(name)) = named;
        manifest.name = name;
        if self.wish.preview {
            return Ok(if is_there { Status::Exists } else { Status::New });
        }
        if let Some(packed) = packed {
            packed.keep(self.state).await?;
        }
        if is_there {
            return Ok(Status::Exists);
        }
        add(self.caller, self.state, manifest.clone(), self.wish.is_admin).await?;
        Ok(Status::Added)
    }

    /// Makes an instance with what the document gives and the caller adds.
    async fn make(
        &self,
        service: &ServiceName,
        given: Given,
        values: Values,
        needs: &[Need],
    ) -> Result<Instance, ApiError> {
        let missing: Vec<&str> =
            needs.iter().filter(|need| need.required && !need.given).map(|need| need.place.as_str()).collect();
        if !missing.is_empty() {
            let detail = format!("`values`: an instance needs {} yet", missing.join(", "));
            return Err(ApiError::invalid(detail));
        }
        let mut config = given.config;
        config.extend(values.config);
        let mut env: BTreeMap<String, String> =
            given.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        env.extend(values.env);
        let credential = values.credential.or(given.credential);
        let body = CreateInstance::of(service, self.wish.user.clone(), (config, env), credential);
        make(self.caller, self.state, body).await
    }
}

/// Says of each need whether the caller has given it.
fn mark_given(needs: &mut [Need], values: &Values) {
    for need in needs {
        need.given |= match need.place.split_once('.') {
            Some(("config", name)) => values.config.contains_key(name),
            Some(("env", name)) => values.env.contains_key(name),
            _ => values.credential.is_some(),
        };
    }
}
