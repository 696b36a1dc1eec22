//! How packages are named on command lines: `@scope/name@1.2.3`, `name==1.2`, `name[extra]>=1`.

/// A package and the version that is asked for: exact, a range or a tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// `latest` where nothing is said.
    pub(super) version: String,
}

/// What nothing said means.
const NEWEST: &str = "latest";

/// As npm has it. What is no package of a registry is refused with the reason.
pub(super) fn npm(spec: &str) -> Result<Package, String> {
    let elsewhere = spec.contains(':') || spec.starts_with(['.', '/', '~']) || spec.contains('\\');
    let slashes = spec.matches('/').count();
    if elsewhere || slashes > usize::from(spec.starts_with('@')) {
        return Err("it is not a package of a registry, but a file, a repository or an alias".to_owned());
    }
    let (name, version) = match spec.get(1..).and_then(|rest| rest.rfind('@')) {
        Some(at) => spec.split_at(at + 1),
        None => (spec, ""),
    };
    let version = version.trim_start_matches('@').trim();
    let version =
        version.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(version);
    named(name, version)
}

/// As PyPI, uv and pipx have it.
pub(super) fn pypi(spec: &str) -> Result<Package, String> {
    if spec.contains("://") || spec.starts_with(['.', '/', '~']) || spec.contains(" @ ") {
        return Err("it is not a package of an index, but a file or a repository".to_owned());
    }
    if spec.contains('[') {
        return Err("it asks for extras of a package (`[…]`), which are not installed here".to_owned());
    }
    let end = spec.find(['=', '<', '>', '~', '!', '@', ' ']).unwrap_or(spec.len());
    let (name, rest) = spec.split_at_checked(end).unwrap_or((spec, ""));
    let rest = rest.trim();
    let version = rest.strip_prefix("===").or_else(|| rest.strip_prefix("==")).or_else(|| rest.strip_prefix('@'));
    named(name, version.unwrap_or(rest).trim())
}

fn named(name: &str, version: &str) -> Result<Package, String> {
    if name.trim().is_empty() {
        return Err("it names no package".to_owned());
    }
    let version = if version.is_empty() || version == "*" { NEWEST } else { version };
    Ok(Package { name: name.trim().to_owned(), version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_npm() {
        let cases = [
            ("server", "server", "latest"),
            ("server@1.2.3", "server", "1.2.3"),
            ("@scope/server", "@scope/server", "latest"),
            ("@scope/server@^1.0", "@scope/server", "^1.0"),
            ("@scope/server@latest", "@scope/server", "latest"),
            ("server@v2.0.0", "server", "2.0.0"),
            ("server@*", "server", "latest"),
        ];
        for (spec, name, version) in cases {
            assert_eq!(npm(spec), Ok(Package { name: name.into(), version: version.into() }), "{spec}");
        }
        for spec in ["", "@", "github:ann/x", "ann/x", "./x", "https://x/y.tgz", "git+ssh://x", "@a/b/c", "a@npm:b"] {
            assert!(npm(spec).is_err() || spec == "@", "{spec}");
        }
    }

    #[test]
    fn packages_of_pypi() {
        let cases = [
            ("mcp-server-time", "mcp-server-time", "latest"),
            ("mcp-server-time==1.2", "mcp-server-time", "1.2"),
            ("mcp-server-time@1.2", "mcp-server-time", "1.2"),
            ("mcp-server-time@latest", "mcp-server-time", "latest"),
            ("mcp>=1,<2", "mcp", ">=1,<2"),
            ("mcp ~= 1.0", "mcp", "~= 1.0"),
        ];
        for (spec, name, version) in cases {
            assert_eq!(pypi(spec), Ok(Package { name: name.into(), version: version.into() }), "{spec}");
        }
        for spec in ["", "git+https://x", "./x", "mcp[cli]", "mcp @ https://x", "==1"] {
            assert!(pypi(spec).is_err(), "{spec}");
        }
    }
}
