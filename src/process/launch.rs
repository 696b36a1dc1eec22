//! Placeholder.
/// Placeholder.
#[must_use]
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
