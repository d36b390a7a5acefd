//! PostgreSQL on a Unix socket, for the users that HashiCorp's Vault makes.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::bed::Process;

/// Where Debian installs its versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user that PostgreSQL runs as; as root it refuses to.
const USER: &str = "postgres";

/// A running database server, empty, without passwords.
pub(crate) struct Postgres {
    directory: TempDir,
    _process: Process,
}

impl Postgres {
    /// Makes a database and serves it, or says why that cannot be.
    pub(crate) fn start() -> Result<Self, &'static str> {
        let programs = programs().ok_or("PostgreSQL is not installed")?;
        let owner = (id(&["-u", USER]), id(&["-g", USER]));
        let (Some(uid), Some(gid)) = owner else { return Err("PostgreSQL's user is absent") };
        if id(&["-u"]) != Some(0) {
            return Err("only root may run PostgreSQL as its user");
        }
        let directory = tempfile::tempdir().unwrap();
        chown(directory.path(), Some(uid), Some(gid)).unwrap();
        // Vault comes in by its socket.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let as_its_user = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.uid(uid).gid(gid).current_dir(directory.path()).arg("-D").arg("data");
            command
        };
        let made = as_its_user("initdb").args(["-A", "trust", "-U", USER, "--no-sync"]).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut child = as_its_user("postgres")
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c"])
            .arg(format!("unix_socket_directories={}", directory.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let process = Process(child);
        let mut line = String::new();
        while !line.contains("ready to accept connections") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "PostgreSQL has ended");
        }
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Ok(Self { directory, _process: process })
    }

    /// What Vault connects to.
    pub(crate) fn connection_url(&self) -> String {
        format!("host={} user={USER} dbname=postgres", self.directory.path().display())
    }
}

/// Where the newest version's programs are.
fn programs() -> Option<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = std::fs::read_dir(VERSIONS).ok()?.flatten().map(|entry| entry.path());
    let newest = versions.max_by_key(|version| number(version))?.join("bin");
    newest.join("postgres").is_file().then_some(newest)
}

/// A number of a user, of the one that runs this if none is named.
fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
