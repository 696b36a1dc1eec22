//! What comes before a process: directories, a port, what it is started with, and what it will speak.

use std::{collections::BTreeMap, time::Duration};

use super::{StartJob, failed, inputs::Inputs};
use crate::{
    actors::{
        contract,
        environment::Values,
        eras::{self, Version},
        ports::PortLease,
        rooms,
    },
    catalog::{Program, Service},
    domain::{crash::ExitReason, limits::Limits, manifest::Transport},
    mcp::era::Era,
    process::{LaunchSpec, Marker, Mask},
};

/// A process that only has to be launched. Dropping it frees the port.
pub(super) struct Prepared {
    pub(super) spec: LaunchSpec,
    /// Where it is to listen, if it speaks HTTP.
    pub(super) port: Option<PortLease>,
    pub(super) values: Values,
    /// What it may print and no log may show.
    pub(super) mask: Mask,
    /// The version of the service, and the era that it is taken to speak.
    pub(super) protocol: (Version, Era),
}

impl StartJob {
    /// Makes everything that a process of `program` needs; one that is probed has `timeout` to answer.
    pub(super) async fn prepare(
        &self,
        service: &Service,
        program: &Program,
        inputs: Inputs,
        timeout: Duration,
    ) -> Result<Prepared, ExitReason> {
        self.prepare_directories().await?;
        let port = match service.manifest.transport {
            Transport::Stdio => None,
            Transport::Http => Some(self.lease_port(service)?),
        };
        let Inputs { own_env, credential } = inputs;
        let number = port.as_ref().map(PortLease::port);
        let limits = self.runtime.config.limits(self.instance.limits, service.manifest.limits);
        let gateway = service.manifest.shared.as_ref().map(|_| contract::fresh_secret()).transpose();
        let gateway = gateway.map_err(|error| failed(format!("no randomness: {error}")))?;
        let values = Values::new(&self.instance, service, &self.home, (number, limits), credential);
        let values = values.with_gateway(gateway).with_program(program);
        let spec = self.spec(service, program, (&values, &own_env), (number, limits))?;
        let version = Version::of(&self.instance.service, program);
        // Before its turn: a server that is silent when probed must not keep others from starting.
        let era = if port.is_some() { Era::Session } else { self.era(&version, &spec, timeout).await };
        let mask = values.mask(&own_env);
        Ok(Prepared { spec, port, values, mask, protocol: (version, era) })
    }

    async fn prepare_directories(&self) -> Result<(), ExitReason> {
        let dirs = self.dirs.clone();
        let made = self.preparing.spawn_blocking(move || dirs.create().and_then(|()| dirs.empty_tmp()));
        let made = made.await;
        match made {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(format!("its directories cannot be made: {error}"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    fn lease_port(&self, service: &Service) -> Result<PortLease, ExitReason> {
        let (registry, lease) = match self.home.port {
            None => {
                let registry = &self.runtime.ports;
                (registry, registry.lease(self.instance.port, self.instance.user_number, self.instance.number))
            }
            Some(own) => {
                let registry = &self.runtime.shared_ports;
                // A foreign program may hold it: then one that no service has a right to.
                let claimed = self.runtime.catalog.claimed_ports(&service.manifest.name);
                let others = registry.range().iter().filter(|port| !claimed.contains(port));
                (registry, registry.lease_one_of(std::iter::once(own).chain(others)))
            }
        };
        lease.ok_or_else(|| failed(format!("no port is free in {}; stop something or widen it", registry.range())))
    }

    fn spec(
        &self,
        service: &Service,
        program: &Program,
        (values, own_env): (&Values, &BTreeMap<String, String>),
        (port, limits): (Option<u16>, Limits),
    ) -> Result<LaunchSpec, ExitReason> {
        let whose = (&self.runtime.paths, self.runtime.config.uids);
        let room = rooms::room_of(self.home.runs_as, service, program, &self.dirs, (port, limits), whose);
        Ok(LaunchSpec {
            name: self.home.name.clone(),
            program: program.program.clone(),
            args: values.arguments(service, program),
            env: values.environment(service, program, &self.dirs, own_env),
            cwd: self.dirs.work(),
            open_files: limits.open_files,
            cgroup: Some(limits),
            room: room.map_err(failed)?,
            marker: Marker { host: self.runtime.host.clone(), instance: self.home.mark, generation: self.generation },
        })
    }

    /// What the program speaks, as far as it can be known before it serves.
    async fn era(&self, version: &Version, spec: &LaunchSpec, timeout: Duration) -> Era {
        let probe = eras::probe(&*self.runtime.launcher, spec.clone(), self.stdio_limits(), timeout / 2);
        self.runtime.eras.of(version, probe).await
    }
}
