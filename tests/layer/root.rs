//! A root directory with what a test puts into it, and the programs that run there and see nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use strongroom_tests::beds::{self, Process};
use tempfile::TempDir;

/// Which layer it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Processor {
    Arm64,
    Ours,
}

/// Static, as the layer is: nothing else has to be there for it.
const EMULATOR: &str = "/qemu";

/// The directory; gone when dropped.
pub(crate) struct Root(TempDir);

impl Root {
    /// With nothing but a name server to ask.
    pub(crate) fn empty(resolver: &str) -> Self {
        let root = Self(TempDir::new().unwrap());
        // As a root is: of a temporary directory nobody else may read.
        fs::set_permissions(root.0.path(), Permissions::from_mode(0o755)).unwrap();
        root.write("/etc/resolv.conf", resolver);
        root
    }

    /// Lays the layer for this processor out at `/opt`, or that for arm64 with an emulator for its programs.
    pub(crate) fn add_layer(&self, processor: Processor) {
        match processor {
            Processor::Ours => super::unpack(&beds::layer(), &self.path("/opt")),
            Processor::Arm64 => {
                super::unpack(&beds::arm64_layer(), &self.path("/opt"));
                fs::copy(beds::qemu(), self.path(EMULATOR)).unwrap();
            }
        }
    }

    /// Where a path of the root lies here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a file of a test")]
        fs::write(path, content).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Starts a program of the root, with these variables and no others.
    pub(crate) fn run(&self, command: &[&str], variables: &[(String, String)]) -> Process {
        let mut chroot = Command::new("chroot");
        chroot.arg(self.0.path());
        if self.path(EMULATOR).exists() {
            // By the name that Lambda would call.
            chroot.args([EMULATOR, "-0", command[0]]);
        }
        chroot.args(command).env_clear();
        chroot.envs(variables.iter().map(|(name, value)| (name, value)));
        // To find chroot itself.
        chroot.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Process::start(&mut chroot)
    }
}
