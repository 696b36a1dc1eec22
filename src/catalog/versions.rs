//! Which exact version a range or a tag means, by the registry that this host is set up for.

use std::{ffi::OsString, fs, path::Path};

use serde_json::Value;
use tokio::sync::watch;

use super::{InstallError, Installer, cache::blocking, tool::Progress};
use crate::domain::manifest::Launch;

/// What a version is when nothing was asked for.
const NEWEST: &str = "latest";

impl Installer {
    /// The newest exact version that `wanted` (a range, a tag, or `latest`) means for the package of `launch`.
    ///
    /// # Errors
    /// When the tool is missing, the registry is not reached, or has nothing of the kind.
    pub async fn newest(&self, launch: &Launch, wanted: &str) -> Result<String, InstallError> {
        if !is_range(wanted) {
            return Err(InstallError::no_program("it", "its version is neither a version nor a range"));
        }
        match launch {
            Launch::Npm { package, .. } => self.newest_npm(package, wanted).await,
            Launch::Pypi { package, .. } => self.newest_pypi(package, wanted).await,
            _ => Err(InstallError::no_program("it", "only packages have versions")),
        }
    }

    async fn newest_npm(&self, package: &str, wanted: &str) -> Result<String, InstallError> {
        let npm = self.cache.tool_path("npm", "npm", "nodejs npm")?;
        let spec = format!("{package}@{wanted}");
        let (work, _unfinished) = self.cache.stage()?;
        let mut command = self.cache.tool.command(&npm, &work);
        command.args(["view", "--json", "--loglevel=error", "--"]).arg(&spec).arg("version");
        let what = format!("npm package {spec}");
        let text = self.cache.tool.ask(command, &progress(&what)).await?;
        // One version, or all that a range means, the newest last.
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let newest = match &answer {
            Value::Array(several) => several.last().and_then(Value::as_str),
            single => single.as_str(),
        };
        newest.map(str::to_owned).ok_or_else(|| none(package, wanted))
    }

    async fn newest_pypi(&self, package: &str, wanted: &str) -> Result<String, InstallError> {
        let (work, _unfinished) = self.cache.stage()?;
        let report = work.join("resolved");
        let requirement = match wanted {
            NEWEST => package.to_owned(),
            range if range.starts_with(['<', '>', '=', '~', '!']) => format!("{package}{range}"),
            exact => format!("{package}=={exact}"),
        };
        let list = work.join("requirements.in");
        fs::write(&list, format!("{requirement}\n")).map_err(|error| InstallError::file(&list, &error))?;
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let (program, mut args, file) = match self.cache.tool.environment.find("uv") {
            Some(uv) => (uv, words(&["pip", "compile", "--no-deps", "--no-header", "--no-annotate", "-o"]), true),
            None => {
                let python = self.cache.tool_path("python3", "Python 3 (python3)", "python3 python3-pip")?;
                let words =
                    words(&["-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--report"]);
                (python, words, false)
            }
        };
        args.push(report.clone().into());
        args.push("--only-binary=:all:".into());
        args.extend(if file { vec![list.into()] } else { vec!["-r".into(), list.into()] });
        let mut command = self.cache.tool.command(&program, &work);
        command.args(args);
        self.cache.tool.run(command, &progress(&format!("PyPI package {requirement}"))).await?;
        let found = blocking(move || Ok(resolved(&report))).await?;
        found.ok_or_else(|| none(package, wanted))
    }
}

/// What is handed to tools: nothing that could be another line or flag.
fn is_range(wanted: &str) -> bool {
    let first = wanted.starts_with(|c: char| c.is_ascii_alphanumeric() || "<>=~!^*".contains(c));
    first && wanted.len() <= 100 && wanted.chars().all(|c| c.is_ascii_alphanumeric() || "<>=~!^*.,+-_| ".contains(c))
}

/// The version in uv's list of requirements, or in pip's report.
fn resolved(report: &Path) -> Option<String> {
    let text = fs::read_to_string(report).ok()?;
    if let Ok(report) = serde_json::from_str::<Value>(&text) {
        return report.pointer("/install/0/metadata/version")?.as_str().map(str::to_owned);
    }
    let line = text.lines().find(|line| !line.trim_start().starts_with(['#', '-']) && line.contains("=="))?;
    let version = line.split("==").nth(1)?.split([';', ' ', '\\']).next()?;
    Some(version.trim().to_owned()).filter(|version| !version.is_empty())
}

fn none(package: &str, wanted: &str) -> InstallError {
    InstallError::no_program(package, format!("the registry has no version {wanted:?} of it"))
}

fn progress(what: &str) -> Progress {
    Progress::new(what.to_owned(), watch::channel(String::new()).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolved");
        let cases = [
            ("mcp-server-time==2025.9.25\n", Some("2025.9.25")),
            ("# by uv\n--index-url x==y\nmcp==1.2.0 ; python_version > '3'\n", Some("1.2.0")),
            ("{\"install\": [{\"metadata\": {\"version\": \"1.0\"}}]}", Some("1.0")),
            ("{\"install\": []}", None),
            ("", None),
        ];
        for (text, expected) in cases {
            fs::write(&file, text).unwrap();
            assert_eq!(resolved(&file).as_deref(), expected, "{text}");
        }
        assert_eq!(resolved(Path::new("/nonexistent")), None);
    }
}
