//! The program of the extension; all of it is in the library, where fuzz targets reach it, too.

#[cfg(any(test, target_env = "musl"))]
mod backtrace;

use std::process::ExitCode;

fn main() -> ExitCode {
    strongroom_extension::run()
}
