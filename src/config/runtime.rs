//! Instances and their processes.

use std::{path::PathBuf, time::Duration};

use super::{
    ConfigError, Source,
    source::{read, read_between},
};
use crate::domain::{
    limits::Limits, manifest::SharedStart, network::PrivateTargets, ports::PortRange, restart::RestartPolicy,
    uids::UidRange, walls::Allowance,
};

/// Settings of instances and their processes.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// `ports`: for dedicated HTTP children. Default `3001-3100`.
    pub ports: PortRange,
    /// `shared_ports`: for shared services. Default `49160-49999`.
    pub shared_ports: PortRange,
    /// `shared_start`: when processes of shared services are started that do not say it themselves: `boot` or
    /// `first_use`. Default `first_use`.
    pub shared_start: SharedStart,
    /// `call_timeout_seconds`: longest call. Default 300.
    pub call_timeout: Duration,
    /// `wake_timeout_seconds`: how long a request waits for an instance that is coming up. Default 30.
    pub wake_timeout: Duration,
    /// `stop_grace_seconds`: between the polite and the final signal. Default 10.
    pub stop_grace: Duration,
    /// `max_sessions`: client sessions per instance. Default 1000.
    pub max_sessions: usize,
    /// `max_in_flight`: calls at a time per instance. Default 256.
    pub max_in_flight: usize,
    /// `max_line_bytes`: longest line that a child may write. Default 16 MiB.
    pub max_line_bytes: usize,
    /// `log_max_bytes`: size at which a log is rotated. Default 10 MiB.
    pub log_max_bytes: u64,
    /// `log_max_age_days`: age at which rotated logs are deleted. Default 30.
    pub log_max_age: Duration,
    /// `log_keep`: rotated logs that are kept. Default 5.
    pub log_keep: usize,
    /// `sample_seconds`: between two samples of what instances use. Default 10.
    pub sample_interval: Duration,
    /// `uids`: user ids of instances, one per person, when Berth is root. Default `1900000000-1900065535`.
    pub uids: UidRange,
    /// `allow_missing_walls`: walls that instances may run without where the host has not got them, by
    /// name, or `all`. Default none: an instance whose walls cannot all be built does not start.
    pub allow_missing_walls: Allowance,
    /// `session_idle_seconds`: a client session without a request for this long ends. Default a day.
    pub session_idle: Duration,
    /// `ask_patience_seconds`: how long a call of a child waits for input of its client. Default 600.
    pub ask_patience: Duration,
    /// `max_parked`: calls per instance that wait for input of their clients. Default 64.
    pub max_parked: usize,
    /// `import_max_bytes`: largest bundle that is imported, packed. Default 64 MiB.
    pub import_max_bytes: usize,
    /// `idle_seconds`: an instance without use for this long sleeps until the next request; 0: never.
    /// Default 1800.
    pub idle: u32,
    /// `default_memory_bytes`: of an instance for which neither it nor its service says. Default 512 MiB;
    /// 0 is no limit.
    pub default_memory_bytes: u64,
    /// `default_processes`: likewise. Default 256; 0 is no limit.
    pub default_processes: u32,
    /// `default_disk_bytes`: likewise, of its files. Default 2 GiB; 0 is no limit.
    pub default_disk_bytes: u64,
    /// `max_connections`: processes of one instance in session mode; four times as many connections may
    /// sleep. Default 8.
    pub max_connections: usize,
    /// `connection_keep_hours`: how long the files of a connection are kept after its last use.
    /// Default 72.
    pub connection_keep: Duration,
    /// `spares`: connections that session mode keeps started in advance; 0: none. Default 1.
    pub spares: u32,
    /// `allow_private_targets`: what allow-lists may reach although it is not on the public internet:
    /// `host:port` pairs and networks, comma-separated. Default none.
    pub private_targets: PrivateTargets,
    /// `ca_file`: certificate authorities in PEM that Berth believes beside the public ones, when it asks
    /// what users name (sign-in providers, client documents, webhooks). Default none.
    pub ca_file: Option<PathBuf>,
    /// `cgroups`: `auto` uses control groups where this machine grants them, `off` never. Default `auto`.
    pub cgroups: bool,
    /// How failed instances are restarted.
    pub restart: RestartPolicy,
}

/// Whether something is used that may be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    Auto,
    Off,
}

impl std::str::FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => Err("must be `auto` or `off`"),
        }
    }
}

impl RuntimeConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let seconds =
            |key: &str, default: u64, most: u64| read_between(source, key, default, 1, most).map(Duration::from_secs);
        let size = |key: &str, default: u64, least: u64, most: u64| {
            read_between(source, key, default, least, most).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
        };
        Ok(Self {
            ports: read(source, "ports", PortRange::DEDICATED)?,
            shared_ports: read(source, "shared_ports", PortRange::SHARED)?,
            shared_start: read(source, "shared_start", SharedStart::default())?,
            call_timeout: seconds("call_timeout_seconds", 300, 86_400)?,
            wake_timeout: seconds("wake_timeout_seconds", 30, 3600)?,
            stop_grace: seconds("stop_grace_seconds", 10, 600)?,
            max_sessions: size("max_sessions", 1000, 1, 1_000_000)?,
            max_in_flight: size("max_in_flight", 256, 1, 100_000)?,
            max_line_bytes: size("max_line_bytes", 16 << 20, 1024, 1 << 30)?,
            log_max_bytes: read_between(source, "log_max_bytes", 10 << 20, 1024, 1 << 40)?,
            log_max_age: Duration::from_secs(86_400 * read_between(source, "log_max_age_days", 30, 1, 36_500)?),
            log_keep: size("log_keep", 5, 0, 1000)?,
            sample_interval: seconds("sample_seconds", 10, 3600)?,
            uids: read(source, "uids", UidRange::DEFAULT)?,
            allow_missing_walls: read(source, "allow_missing_walls", Allowance::default())?,
            session_idle: seconds("session_idle_seconds", 86_400, 31_536_000)?,
            ask_patience: seconds("ask_patience_seconds", 600, 86_400)?,
            max_parked: size("max_parked", 64, 1, 10_000)?,
            idle: read(source, "idle_seconds", 1800)?,
            default_memory_bytes: read_between(source, "default_memory_bytes", 512 << 20, 0, 1 << 50)?,
            default_processes: u32::try_from(read_between(source, "default_processes", 256, 0, 1 << 20)?)
                .unwrap_or(u32::MAX),
            default_disk_bytes: read_between(source, "default_disk_bytes", 2 << 30, 0, 1 << 50)?,
            cgroups: read(source, "cgroups", Switch::Auto)? == Switch::Auto,
            max_connections: size("max_connections", 8, 1, 100_000)?,
            connection_keep: Duration::from_secs(3600 * read_between(source, "connection_keep_hours", 72, 0, 876_000)?),
            spares: read(source, "spares", 1)?,
            import_max_bytes: usize::try_from(read_between(source, "import_max_bytes", 64 << 20, 1024, 1 << 30)?)
                .unwrap_or(usize::MAX),
            private_targets: read(source, "allow_private_targets", PrivateTargets::default())?,
            ca_file: source.get("ca_file").map(PathBuf::from),
            restart: RestartPolicy::default(),
        })
    }

    /// The limits in force for an instance: its own, else its service's, else the defaults.
    #[must_use]
    pub fn limits(&self, own: Limits, service: Limits) -> Limits {
        let defaults = Limits {
            memory_bytes: Some(self.default_memory_bytes).filter(|bytes| *bytes > 0),
            processes: Some(self.default_processes).filter(|processes| *processes > 0),
            disk_bytes: Some(self.default_disk_bytes).filter(|bytes| *bytes > 0),
            ..Limits::default()
        };
        own.or(service).or(defaults)
    }
}
