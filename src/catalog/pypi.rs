//! Packages of PyPI, each in a virtual environment of its own, started as `python <script>`.
//!
//! Only wheels are installed: building a source package would run its code as Berth's own user,
//! before any sandbox. With `uv` on the `PATH` it does the work, else `python3` with `venv` and pip.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    InstallError, Program,
    cache::{Cache, blocking},
    files, lean,
    program::{as_argument, folders_of},
    tool::Progress,
};

const PYTHON: (&str, &str) = ("Python 3 with its venv module (python3)", "python3 python3-venv");

/// One version of one package.
#[derive(Clone, Debug)]
pub(super) struct PypiPackage {
    package: String,
    version: String,
    folder: PathBuf,
}

impl PypiPackage {
    /// `package` and `version` have been validated: they make a path below the cache.
    pub(super) fn new(cache: &Cache, package: &str, version: &str) -> Self {
        let folder = cache.root.join("pypi").join(format!("{}@{version}", normalized(package)));
        Self { package: package.to_owned(), version: version.to_owned(), folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn label(&self) -> String {
        format!("PyPI package {}=={}", self.package, self.version)
    }

    /// Installs in place, as an environment cannot be moved; the marker comes last.
    pub(super) async fn install(self, cache: &Arc<Cache>, progress: &Progress) -> Result<(), InstallError> {
        let steps = self.steps(cache)?;
        let (work, unfinished_work) = cache.stage()?;
        let folder = self.folder.clone();
        blocking(move || files::remove(&folder).map_err(|error| InstallError::file(&folder, &error))).await?;
        cache.make(self.folder.parent().unwrap_or(&cache.root))?;
        let unfinished = files::Unfinished::new(self.folder.clone(), cache.staging_path());
        for (program, args) in steps {
            let mut command = cache.tool.command(&program, &work);
            command.args(args);
            cache.tool.run(command, progress).await.map_err(without_venv)?;
        }
        drop(unfinished_work);
        let folder = self.folder;
        blocking(move || files::complete(&folder).map_err(|error| InstallError::file(&folder, &error))).await?;
        unfinished.keep();
        Ok(())
    }

    /// The programs to run one after the other, with their arguments.
    fn steps(&self, cache: &Cache) -> Result<[(PathBuf, Vec<OsString>); 2], InstallError> {
        let requirement = format!("{}=={}", self.package, self.version);
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        if let Some(uv) = cache.tool.environment.find("uv") {
            let mut make = words(&["venv", "--no-project"]);
            make.push(self.folder.clone().into());
            let mut install =
                words(&["pip", "install", "--link-mode=copy", "--compile-bytecode", "--only-binary=:all:"]);
            install.extend(["--python".into(), self.python().into(), requirement.into()]);
            return Ok([(uv.clone(), make), (uv, install)]);
        }
        let python = cache.tool_path("python3", PYTHON.0, PYTHON.1)?;
        let mut make = words(&["-m", "venv"]);
        make.push(self.folder.clone().into());
        let mut install = words(&["-m", "pip", "install", "--compile", "--only-binary=:all:", "--progress-bar=off"]);
        install.push(requirement.into());
        Ok([(python, make), (self.python(), install)])
    }

    fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// The environment's Python and the script of the package.
    pub(super) fn program(&self, entry: Option<&str>, args: &[String]) -> Result<Program, InstallError> {
        let name = self.script_name(entry)?;
        let script = self.folder.join("bin").join(&name);
        if name.contains('/') || !script.is_file() {
            let reason = format!("there is no {name} in its environment; check `launch.entry`");
            return Err(InstallError::no_program(&self.package, reason));
        }
        let python = self.python();
        let mut read_only = vec![self.folder.clone()];
        read_only.extend(base_of(&python));
        let args = std::iter::once(as_argument(&script)).chain(args.iter().cloned()).collect();
        let env = lean::PYTHON_ENV.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Program { program: python, env, args, read_only, ..Program::default() })
    }

    /// The entry, else the only console script of the package, else the one named like it.
    fn script_name(&self, entry: Option<&str>) -> Result<String, InstallError> {
        if let Some(entry) = entry {
            return Ok(entry.to_owned());
        }
        let scripts = self.console_scripts();
        let like_package = |script: &&String| normalized(script) == normalized(&self.package);
        let chosen = match scripts.as_slice() {
            [only] => Some(only),
            several => several.iter().find(like_package),
        };
        chosen.cloned().ok_or_else(|| {
            let reason = match scripts.as_slice() {
                [] => "it has no console script".to_owned(),
                scripts => format!("set `launch.entry` to one of {}", scripts.join(", ")),
            };
            InstallError::no_program(&self.package, reason)
        })
    }

    /// What the package itself, not a dependency, puts into `bin`.
    fn console_scripts(&self) -> Vec<String> {
        let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let is_ours = |name: &str| {
            let name = name.strip_suffix(".dist-info").and_then(|rest| rest.rsplit_once('-'));
            name.is_some_and(|(package, _)| normalized(package) == normalized(&self.package))
        };
        entries(self.folder.join("lib"))
            .flat_map(|python| entries(python.path().join("site-packages")))
            .filter(|entry| is_ours(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| fs::read_to_string(entry.path().join("entry_points.txt")).ok())
            .flat_map(|text| console_scripts_of(&text))
            .collect()
    }
}

/// Debian ships Python without `venv`; what it then says is long and names one version's package.
fn without_venv(error: InstallError) -> InstallError {
    match &error {
        InstallError::Tool { output, .. }
            if output.contains("ensurepip") || output.contains("No module named venv") =>
        {
            InstallError::ToolMissing { tool: PYTHON.0, debian: PYTHON.1 }
        }
        _ => error,
    }
}

/// The folders of the Python that an environment is made from: its binary's, and its library's
/// where it is not the system's own.
fn base_of(python: &Path) -> Vec<PathBuf> {
    let mut folders = folders_of(python);
    let prefix = python.canonicalize().ok().and_then(|real| Some(real.parent()?.parent()?.to_owned()));
    folders.extend(prefix.filter(|prefix| prefix.parent().is_some()));
    folders
}

/// One name for all spellings of a package's name.
fn normalized(name: &str) -> String {
    let parts: Vec<&str> = name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
    parts.join("-").to_ascii_lowercase()
}

fn console_scripts_of(entry_points: &str) -> Vec<String> {
    let mut inside = false;
    let mut scripts = Vec::new();
    for line in entry_points.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[console_scripts]";
        } else if let Some((name, _)) = line.split_once('=')
            && inside
        {
            scripts.push(name.trim().to_owned());
        }
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_all_spellings() {
        for name in ["mcp-server-time", "MCP_Server.Time", "mcp--server_time"] {
            assert_eq!(normalized(name), "mcp-server-time");
        }
    }

    #[test]
    fn reads_console_scripts_alone() {
        let text =
            "[gui_scripts]\nwindow = a:b\n\n[console_scripts]\nmcp-server-time = m:main\nother=m:x\n[x]\ny = z\n";
        assert_eq!(console_scripts_of(text), ["mcp-server-time", "other"]);
    }
}
