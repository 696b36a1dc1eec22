//! How names, paths and versions in a manifest must be spelled. Pure; each rule is told the field, or knows it.

use super::ManifestError;

/// A path that stays below the folder it is relative to.
pub(super) fn relative_path(field: &str, path: &str) -> Result<(), ManifestError> {
    let inside =
        !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| part != ".." && !part.is_empty());
    if inside { Ok(()) } else { Err(ManifestError::new(field, "must be a relative path inside the service's folder")) }
}

/// A program by its absolute path, or by a name that is looked up in the `PATH`.
pub(super) fn program(command: &str) -> Result<(), ManifestError> {
    let usable =
        !command.trim().is_empty() && !command.contains('\0') && (command.starts_with('/') || !command.contains('/'));
    if usable {
        Ok(())
    } else {
        Err(ManifestError::new("launch.command", "must be an absolute path or a bare program name"))
    }
}

/// A bundle by its hash, and a program in it or one that is looked up in the `PATH`.
pub(super) fn bundle(sha256: &str, command: &str) -> Result<(), ManifestError> {
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) {
        return Err(ManifestError::new("launch.sha256", "must be 64 lower-case hexadecimal digits"));
    }
    let plain = !command.trim().is_empty() && !command.contains(['\0', '\\']);
    if plain {
        relative_path("launch.command", command)
    } else {
        Err(ManifestError::new("launch.command", "must be a path in the bundle, or a bare program name"))
    }
}

/// As npm has it: lower case, at most 214 characters, perhaps below a scope.
pub(super) fn npm_name(package: &str) -> Result<(), ManifestError> {
    let part = |text: &str| {
        !text.is_empty()
            && !text.starts_with(['.', '-', '_'])
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b'~'))
    };
    let good = match package.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(package),
    };
    if good && package.len() <= 214 {
        Ok(())
    } else {
        Err(ManifestError::new("launch.package", format!("{package:?} is not an npm package name")))
    }
}

/// As PyPI has it (PEP 508), at most 100 characters.
pub(super) fn pypi_name(package: &str) -> Result<(), ManifestError> {
    let good = (1..=100).contains(&package.len())
        && package.starts_with(|c: char| c.is_ascii_alphanumeric())
        && package.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if good {
        Ok(())
    } else {
        Err(ManifestError::new("launch.package", format!("{package:?} is not a PyPI package name")))
    }
}

/// One version and no range: what is installed once must be what is installed again.
pub(super) fn exact_version(version: &str) -> Result<(), ManifestError> {
    let exact = version.starts_with(|c: char| c.is_ascii_digit())
        && version.len() <= 64
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'!'));
    if exact {
        Ok(())
    } else {
        Err(ManifestError::new(
            "launch.version",
            format!("{version:?} is not an exact version; ranges and tags are not allowed"),
        ))
    }
}

/// A variable that a manifest may set: not one of ours, and none that bends the dynamic linker.
pub(super) fn environment_name(field: &str, name: &str) -> Result<(), ManifestError> {
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain {
        return Err(ManifestError::new(field, "must be letters, digits and '_', not starting with a digit"));
    }
    if name.starts_with("BERTH_") || name.starts_with("LD_") {
        return Err(ManifestError::new(field, "names that start with BERTH_ or LD_ are not allowed"));
    }
    Ok(())
}
