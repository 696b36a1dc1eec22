//! Where instances keep their files.

use std::path::PathBuf;

use crate::{
    domain::{ids::InstanceId, instance::Instance, names::ServiceName},
    mcp::session::SessionId,
    process::InstanceDirs,
};

/// Directories below the data directory.
#[derive(Clone, Debug)]
pub struct Paths {
    data: PathBuf,
}

impl Paths {
    /// Everything lies below `data`.
    #[must_use]
    pub const fn new(data: PathBuf) -> Self {
        Self { data }
    }

    /// The working, home, temp, log and archive directories of one instance.
    #[must_use]
    pub fn of(&self, instance: &Instance) -> InstanceDirs {
        InstanceDirs::new(self.root(instance.id), self.logs(instance)).archived_in(self.archives(instance))
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The instance's own directory, named by its id: never reused.
    #[must_use]
    pub fn root(&self, id: InstanceId) -> PathBuf {
        self.data.join("instances").join(id.to_string())
    }

    /// The directories of one connection of an instance.
    #[must_use]
    pub fn of_connection(&self, instance: &Instance, id: SessionId) -> InstanceDirs {
        let logs = self.logs(instance).join("connections").join(id.to_string());
        InstanceDirs::new(self.connections(instance.id).join(id.to_string()), logs)
    }

    /// The directories of one process of a shared service: `shared/{service}/{number}` and
    /// `logs/shared/{service}_{number}`.
    #[must_use]
    pub fn of_worker(&self, service: &ServiceName, number: u16) -> InstanceDirs {
        let logs = self.data.join("logs").join("shared").join(format!("{service}_{number}"));
        InstanceDirs::new(self.data.join("shared").join(service.as_str()).join(number.to_string()), logs)
    }

    /// The directories of a process that is only tried, logs and all below `trials`.
    #[must_use]
    pub fn of_trial(&self, id: InstanceId) -> InstanceDirs {
        let root = self.trials().join(id.to_string());
        let logs = root.join("logs");
        InstanceDirs::new(root, logs)
    }

    /// What holds the directories of what is tried; nothing in it outlives a run.
    #[must_use]
    pub fn trials(&self) -> PathBuf {
        self.data.join("trials")
    }

    /// What holds the directories of an instance's connections.
    #[must_use]
    pub fn connections(&self, id: InstanceId) -> PathBuf {
        self.root(id).join("connections")
    }

    /// Its log directory: `logs/users/user_{id}/mcp_{nnn}_{service}_{number}`.
    #[must_use]
    pub fn logs(&self, instance: &Instance) -> PathBuf {
        self.data.join("logs").join(instance.log_path())
    }

    /// What holds the archives of its logs, one for each time that it expired:
    /// `archive/user_{id}/mcp_{nnn}_{service}_{number}`.
    #[must_use]
    pub fn archives(&self, instance: &Instance) -> PathBuf {
        // As its log directory is called in that of its user.
        let name = self.logs(instance).file_name().map(PathBuf::from).unwrap_or_default();
        self.user_archives(instance.user_number).join(name)
    }

    /// The logs of one user.
    #[must_use]
    pub fn user_logs(&self, user_number: u32) -> PathBuf {
        self.data.join("logs").join("users").join(format!("user_{user_number}"))
    }

    /// The archived logs of one user.
    #[must_use]
    pub fn user_archives(&self, user_number: u32) -> PathBuf {
        self.data.join("archive").join(format!("user_{user_number}"))
    }
}
