//! What makes a runtime small and quick to start, where nothing else is asked for.
//!
//! Only what was measured to help is here; a manifest's `runtime_args` replaces the flags, and its `env`
//! goes on top of the environment.

/// Flags of Node, before the program's path. One that names a template without a value is left out.
///
/// - `--max-semi-space-size=1` (MiB) keeps the young generation from growing to 16 MiB halves: 8 to 10 MiB less
///   at rest, 12 to 20 MiB less after some hundred calls, for about 20 ms more at the start and no measurable
///   time per call.
/// - `--v8-pool-size=1` has one thread do the work in the background instead of four: 1.5 MiB less.
/// - `--max-old-space-size` follows the memory limit of the instance: V8 then collects before the limit ends the
///   process, and says so on standard error if that is not enough. Without a limit V8 decides by itself; a small
///   fixed value saves nothing and makes the start slower.
///
/// Measured too, and left out: `--optimize-for-size` (does what the first does, slower calls),
/// `MALLOC_ARENA_MAX` (nothing on top of these).
pub(super) const NODE_FLAGS: &[&str] =
    &["--max-semi-space-size=1", "--v8-pool-size=1", "--max-old-space-size={HEAP_MIB}"];

/// Where a Node that can keep compiled code keeps it: in the instance's own home.
///
/// What lies there is code that will be run. A directory that several instances write to would let one of them
/// run code in the others; one that Berth fills itself would have Berth run the package outside any sandbox.
/// In its own home an instance can only harm itself. The price is that its first start gains nothing; later
/// ones need some 30 ms less, for about 1 MiB on the disk. It is written when the process ends by itself, as it
/// does when its input is closed.
pub(super) const NODE_COMPILE_CACHE: (&str, &str) = ("NODE_COMPILE_CACHE", "{HOME_DIR}/.cache/node-compile");

/// The first Node that knows `NODE_COMPILE_CACHE`.
const COMPILE_CACHE_SINCE: (u32, u32) = (22, 1);

/// Environment of Python: its folder is read-only for the process, and its byte-code was made when it was
/// installed; what it writes is to be seen at once.
pub(super) const PYTHON_ENV: &[(&str, &str)] = &[("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")];

/// Whether the Node that says `version` (`v22.1.0`) can keep compiled code.
pub(super) fn keeps_compiled_code(version: &str) -> bool {
    let mut parts = version.trim().trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= COMPILE_CACHE_SINCE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compile_cache_is_by_version() {
        let cases = [
            ("v20.20.2\n", false),
            ("v22.0.9", false),
            ("v22.1.0", true),
            ("v24.0.0", true),
            ("", false),
            ("v22", false),
        ];
        for (version, expected) in cases {
            assert_eq!(keeps_compiled_code(version), expected, "{version}");
        }
    }
}
