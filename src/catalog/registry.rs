//! Which versions of a package its registry has, asked through the tool that would install it, so that mirrors,
//! proxies and tokens are those of an installation.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{InstallError, Installer, pypi::PypiPackage};
use crate::domain::manifest::Launch;

/// The versions that a registry has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// What comes after the one that was asked about, in the registry's order; no preliminary ones. All of them where
    /// the registry does not have that one (any more).
    pub newer: Vec<String>,
    /// The one that the registry recommends.
    pub latest: Option<String>,
}

impl Installer {
    /// The versions of a package that are newer than the one of `launch`; `None` where that is no package.
    ///
    /// # Errors
    /// When the tool is missing, or the registry does not answer.
    pub async fn versions(&self, launch: &Launch) -> Result<Option<Versions>, InstallError> {
        let tool = &self.cache.tool;
        match launch {
            Launch::Npm { package, version, .. } => {
                let npm = self.cache.tool_path("npm", "npm", "nodejs npm")?;
                self.cache.make(&tool.home)?;
                let mut command = tool.command(&npm, &tool.home);
                command.args([
                    "view",
                    "--json",
                    "--loglevel=error",
                    "--",
                    package.as_str(),
                    "versions",
                    "dist-tags.latest",
                ]);
                let said = tool.output(command, &format!("asking for versions of the npm package {package}")).await?;
                Ok(Some(of_npm(&said, version)))
            }
            Launch::Pypi { package, version, .. } => {
                let python = self.python_with_pip(package, version)?;
                self.cache.make(&tool.home)?;
                let mut command = tool.command(&python, &tool.home);
                command.args(["-m", "pip", "index", "versions", "--only-binary=:all:", "--", package.as_str()]);
                let said = tool.output(command, &format!("asking for versions of the PyPI package {package}")).await?;
                Ok(Some(of_pip(&said, version)))
            }
            _ => Ok(None),
        }
    }

    /// That of the installed version, which has pip unless `uv` made it; else the host's.
    fn python_with_pip(&self, package: &str, version: &str) -> Result<PathBuf, InstallError> {
        let installed = PypiPackage::new(&self.cache, package, version).folder().join("bin");
        if installed.join("pip").is_file() {
            return Ok(installed.join("python"));
        }
        self.cache.tool_path("python3", "Python 3 with pip (python3)", "python3 python3-pip")
    }
}

/// `npm view --json` of two fields. One version alone is no list.
fn of_npm(said: &str, current: &str) -> Versions {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct View {
        versions: OneOrMany,
        #[serde(rename = "dist-tags.latest")]
        latest: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    impl Default for OneOrMany {
        fn default() -> Self {
            Self::Many(Vec::new())
        }
    }
    let view: View = serde_json::from_str(said).unwrap_or_default();
    let all = match view.versions {
        OneOrMany::One(version) => vec![version],
        OneOrMany::Many(versions) => versions,
    };
    Versions { newer: after(all, current, |version| version.contains('-')), latest: view.latest }
}

/// `pip index versions`: the newest first, preliminary ones left out by pip itself.
fn of_pip(said: &str, current: &str) -> Versions {
    let listed = said.lines().find_map(|line| line.trim().strip_prefix("Available versions:")).unwrap_or_default();
    let mut all: Vec<String> = listed.split(',').map(|version| version.trim().to_owned()).collect();
    all.retain(|version| !version.is_empty());
    let latest = all.first().cloned();
    all.reverse();
    Versions { newer: after(all, current, |_| false), latest }
}

fn after(all: Vec<String>, current: &str, is_preliminary: impl Fn(&str) -> bool) -> Vec<String> {
    let from = all.iter().position(|version| version == current).map_or(0, |at| at + 1);
    all.into_iter().skip(from).filter(|version| !is_preliminary(version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_is_newer() {
        let many = r#"{"versions":["1.0.0","1.1.0","2.0.0-beta.1","2.0.0"],"dist-tags.latest":"2.0.0"}"#;
        let one = r#"{"versions":"1.0.0","dist-tags.latest":"1.0.0"}"#;
        let pip = "thing (1.10)\nAvailable versions: 1.10, 1.9, 1.0\n  INSTALLED: 1.0\n";
        let cases = [
            (of_npm(many, "1.0.0"), vec!["1.1.0", "2.0.0"], Some("2.0.0")),
            (of_npm(many, "2.0.0"), vec![], Some("2.0.0")),
            (of_npm(many, "0.9.0"), vec!["1.0.0", "1.1.0", "2.0.0"], Some("2.0.0")),
            (of_npm(one, "1.0.0"), vec![], Some("1.0.0")),
            (of_npm("", "1.0.0"), vec![], None),
            (of_pip(pip, "1.0"), vec!["1.9", "1.10"], Some("1.10")),
            (of_pip("", "1.0"), vec![], None),
        ];
        for (found, newer, latest) in cases {
            assert_eq!(
                (found.newer, found.latest.as_deref()),
                (newer.into_iter().map(str::to_owned).collect(), latest)
            );
        }
    }
}
