//! The `berth` binary: parse, dispatch.

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// What is freed is overwritten: request bodies, headers and text on its way pass through buffers of libraries that do
/// not know what they carry, and a buffer that grows leaves its contents behind where it was.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    // The launch stage is this binary re-executed; it must stay free of everything else.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == "launch") {
        return berth::process::launch::run();
    }
    berth::cli::main()
}
