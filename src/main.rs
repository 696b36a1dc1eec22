//! The `berth` binary: parse, dispatch.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The launch stage is this binary re-executed; it must stay free of everything else.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == "launch") {
        return berth::process::launch::run();
    }
    berth::cli::main()
}
