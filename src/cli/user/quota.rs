//! `berth user quota`: what somebody is given, as options of the command line.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        context::{Context, by_operator},
        remote,
    },
    db::{Db, audit, entitlements},
    domain::{
        limits::size,
        names::{Email, ServiceName},
        quota::{Grant, Quota},
    },
};

/// What is to change; what is not named stays.
#[derive(Args)]
pub(in crate::cli) struct Figures {
    /// Instances
    #[arg(long, value_name = "N")]
    instances: Option<u32>,
    /// Processes at a time; 0: no limit, as for all that follow
    #[arg(long, value_name = "N")]
    running: Option<u32>,
    /// Sum of the memory limits of instances that run, in bytes
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
    /// Calls per day
    #[arg(long, value_name = "N")]
    calls_per_day: Option<u64>,
    /// New instances per hour
    #[arg(long, value_name = "N")]
    creations_per_hour: Option<u32>,
    /// Requests per second
    #[arg(long, value_name = "N")]
    calls_per_second: Option<u32>,
    /// Requests per second and service
    #[arg(long, value_name = "N")]
    service_calls_per_second: Option<u32>,
    /// Requests per second and token
    #[arg(long, value_name = "N")]
    token_calls_per_second: Option<u32>,
    /// The only services that may be used, comma-separated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    services: Option<Vec<ServiceName>>,
    /// Say nothing about services any more
    #[arg(long, conflicts_with = "services")]
    any_service: bool,
    /// Take all figures back first: the defaults apply
    #[arg(long)]
    reset: bool,
}

impl Figures {
    const fn quota(&self) -> Quota {
        Quota {
            instances: self.instances,
            running: self.running,
            memory_bytes: self.memory_bytes,
            calls_per_day: self.calls_per_day,
            creations_per_hour: self.creations_per_hour,
            calls_per_second: self.calls_per_second,
            service_calls_per_second: self.service_calls_per_second,
            token_calls_per_second: self.token_calls_per_second,
        }
    }

    fn changes_anything(&self) -> bool {
        self.quota() != Quota::default() || self.services.is_some() || self.any_service || self.reset
    }

    /// The grant after the change.
    pub(in crate::cli) fn apply(&self, grant: Grant) -> Grant {
        let before = if self.reset { Quota::default() } else { grant.quota };
        let services = match &self.services {
            Some(names) => Some(names.iter().cloned().collect::<BTreeSet<_>>()),
            None if self.any_service => None,
            None => grant.services,
        };
        Grant { quota: self.quota().or(before), services }
    }

    /// What of it belongs into the record.
    pub(in crate::cli) fn detail(&self) -> Value {
        json!({
            "quota": self.quota(), "services": self.services, "any_service": self.any_service, "reset": self.reset,
        })
    }
}

/// Changes what a user is given, or shows it when nothing is to change.
pub(super) fn run(context: &Context, db: &Db, email: &Email, figures: &Figures) -> Result<()> {
    let user = context.user(db, email)?;
    let grant = if figures.changes_anything() {
        let grant = db.write_blocking(|conn| {
            let entry = by_operator("user.change", format!("user:{}", user.id), figures.detail());
            audit::append(conn, &entry)?;
            let grant = figures.apply(entitlements::own(conn, user.id)?);
            entitlements::set_own(conn, user.id, &grant)?;
            Ok(grant)
        })?;
        remote::tell_of_grants(context)?;
        grant
    } else {
        db.read_blocking(|conn| entitlements::own(conn, user.id))?
    };
    let given = db.read_blocking(|conn| entitlements::of_user(conn, user.id))?;
    let allowed = given.entitlement(context.config.auth.quota());
    let answer = json!({
        "email": email, "quota": grant.quota, "services": grant.services,
        "allowed": {
            "instances": allowed.instances, "running": allowed.running, "memory_bytes": allowed.memory_bytes,
            "calls_per_day": allowed.calls_per_day, "creations_per_hour": allowed.creations_per_hour,
            "calls_per_second": allowed.calls_per_second,
            "service_calls_per_second": allowed.service_calls_per_second,
            "token_calls_per_second": allowed.token_calls_per_second,
        },
    });
    context.output.show(&answer, || format!("{email}: {}", describe(&grant)))
}

/// What was given, in a line.
pub(in crate::cli) fn describe(grant: &Grant) -> String {
    let Quota {
        instances,
        running,
        memory_bytes,
        calls_per_day,
        creations_per_hour,
        calls_per_second,
        service_calls_per_second,
        token_calls_per_second,
    } = grant.quota;
    let figure = |name: &str, value: Option<u64>| {
        value.map(|value| if value == 0 { format!("{name} without a limit") } else { format!("{value} {name}") })
    };
    let figures = [
        instances.map(|instances| format!("{instances} instances")),
        figure("running", running.map(u64::from)),
        memory_bytes.map(|bytes| {
            if bytes == 0 { "memory without a limit".to_owned() } else { format!("{} of memory", size(bytes)) }
        }),
        figure("calls a day", calls_per_day),
        figure("new instances an hour", creations_per_hour.map(u64::from)),
        figure("calls a second", calls_per_second.map(u64::from)),
        figure("calls a second to a service", service_calls_per_second.map(u64::from)),
        figure("calls a second with a token", token_calls_per_second.map(u64::from)),
        grant.services.as_ref().map(|names| {
            let names: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
            if names.is_empty() { "no service".to_owned() } else { format!("only {}", names.join(", ")) }
        }),
    ];
    let said: Vec<String> = figures.into_iter().flatten().collect();
    if said.is_empty() { "nothing of their own".to_owned() } else { said.join("; ") }
}
