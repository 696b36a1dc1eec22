//! The folders of the package cache and how a tool's work gets into them.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{InstallError, files, lean, tool::Tool};

/// What is left in the staging folder for longer was left by a crash.
const STALE: Duration = Duration::from_secs(3600);

/// The folder of everything that is installed, and how tools are run in it.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) root: PathBuf,
    pub(super) tool: Tool,
    /// Whether the host's Node can keep compiled code; asked for once.
    pub(super) keeps_compiled_code: OnceLock<bool>,
}

impl Cache {
    /// The absolute path of a tool of the host.
    pub(super) fn tool_path(
        &self,
        command: &str,
        tool: &'static str,
        debian: &'static str,
    ) -> Result<PathBuf, InstallError> {
        self.tool.environment.find(command).ok_or(InstallError::ToolMissing { tool, debian })
    }

    /// Whether `node` can keep compiled code. The first call runs it (some 40 ms) to ask for its version.
    pub(super) fn node_keeps_compiled_code(&self, node: &Path) -> bool {
        *self.keeps_compiled_code.get_or_init(|| {
            let mut command = std::process::Command::new(node);
            command.arg("--version").env_clear().envs(self.tool.environment.passed()).stdin(Stdio::null());
            let version = command.output().map(|output| output.stdout).unwrap_or_default();
            lean::keeps_compiled_code(&String::from_utf8_lossy(&version))
        })
    }

    /// Makes `folder` and the tools' home.
    pub(super) fn make(&self, folder: &Path) -> Result<(), InstallError> {
        [folder, &self.tool.home]
            .into_iter()
            .try_for_each(|folder| files::make_folder(folder).map_err(|error| InstallError::file(folder, &error)))
    }

    /// A path below the staging folder that nobody else uses.
    pub(super) fn staging_path(&self) -> PathBuf {
        self.root.join("staging").join(uuid::Uuid::now_v7().to_string())
    }

    /// A new folder that is removed unless kept, and where its removal happens.
    pub(super) fn stage(&self) -> Result<(PathBuf, files::Unfinished), InstallError> {
        let folder = self.staging_path();
        self.make(&folder)?;
        Ok((folder.clone(), files::Unfinished::new(folder, self.staging_path())))
    }

    /// Marks a staged folder as complete and moves it to where it is used.
    pub(super) fn publish(
        &self,
        staged: &Path,
        unfinished: files::Unfinished,
        target: &Path,
    ) -> Result<(), InstallError> {
        let publish = || -> io::Result<()> {
            files::complete(staged)?;
            files::make_folder(target.parent().unwrap_or(&self.root))?;
            files::remove(target)?;
            fs::rename(staged, target)
        };
        publish().map_err(|error| InstallError::file(target, &error))?;
        unfinished.keep();
        Ok(())
    }

    /// The lock of whoever installs into `folder`, whichever process it is.
    pub(super) fn lock_file(&self, folder: &Path) -> Result<File, InstallError> {
        let locks = self.root.join("locks");
        self.make(&locks)?;
        let mut hash = Sha256::new();
        files::field(&mut hash, folder.as_os_str().as_encoded_bytes());
        let path = locks.join(files::digits(hash));
        File::create(&path).map_err(|error| InstallError::file(&path, &error))
    }

    /// Removes what crashes have left in the staging folder.
    pub(super) fn clear_stale(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("staging")) else { return };
        let is_stale = |entry: &fs::DirEntry| {
            let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
            age.is_some_and(|age| age > STALE)
        };
        for entry in entries.filter_map(Result::ok).filter(is_stale) {
            if let Err(error) = files::remove(&entry.path()) {
                log::warn!("cannot remove {} of the package cache: {error}", entry.path().display());
            }
        }
    }
}

/// Runs file work on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InstallError> + Send + 'static,
) -> Result<T, InstallError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| {
        Err(InstallError::Files { path: "the package cache".to_owned(), reason: error.to_string() })
    })
}
