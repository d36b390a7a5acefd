//! The program of the exec wrapper; all of it is in the library, where fuzz targets reach it, too.

#[cfg(all(panic = "abort", target_env = "musl"))]
mod unwinder;

use std::process::ExitCode;

fn main() -> ExitCode {
    strongroom_exec::run()
}
