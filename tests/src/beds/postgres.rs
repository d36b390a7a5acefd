//! PostgreSQL on a Unix socket, for secrets that Vault leases.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::process::Process;
use super::vault::Vault;

/// Where Debian installs its versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user that PostgreSQL runs as; as root it refuses to.
const USER: &str = "postgres";

/// A running database server, empty, without passwords.
#[derive(Debug)]
pub struct Postgres {
    // Dropped first: the server's directory goes after the server.
    _process: Process,
    directory: TempDir,
}

impl Postgres {
    /// Makes a database and serves it.
    ///
    /// # Panics
    /// If PostgreSQL is not there or does not start.
    #[must_use]
    pub fn start() -> Self {
        let programs = programs().expect("PostgreSQL is installed");
        let (uid, gid) = (id("-u"), id("-g"));
        let (uid, gid) = (uid.expect("its user exists"), gid.expect("its group exists"));
        let directory = TempDir::new().expect("a temporary directory");
        chown(directory.path(), Some(uid), Some(gid)).expect("an owner can be set");
        // Vault comes in by its socket.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("a mode");
        let as_its_user = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command.uid(uid).gid(gid).current_dir(directory.path()).arg("-D").arg("data");
            command
        };
        let made = as_its_user("initdb").args(["-A", "trust", "-U", USER, "--no-sync"]).output();
        let made = made.expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_its_user("postgres");
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=20"]);
        server.arg("-c").arg(format!("unix_socket_directories={}", directory.path().display()));
        let mut process = Process::start(&mut server);
        process.wait_for("ready line of PostgreSQL", |line| {
            line.contains("ready to accept connections").then_some(())
        });
        super::took_part(&format!("PostgreSQL {}", version(&programs)));
        Self { _process: process, directory }
    }

    /// Whether a user can log in, which it can from its lease's beginning to its end.
    ///
    /// # Panics
    /// If `psql` does not start.
    #[must_use]
    pub fn lets_in(&self, user: &str) -> bool {
        let mut psql = Command::new(programs().expect("PostgreSQL is installed").join("psql"));
        psql.args([
            "--no-psqlrc",
            "--dbname",
            "postgres",
            "--command",
            "SELECT 1",
            "--username",
            user,
        ]);
        psql.arg("--host").arg(self.directory.path());
        psql.output().expect("psql starts").status.success()
    }

    /// Has Vault make users here: `database/creds/app` is leased for an hour.
    pub fn serve(&self, vault: &Vault) {
        let socket = self.directory.path().display();
        vault.write("sys/mounts/database", &json!({"type": "database"}));
        vault.write(
            "database/config/app",
            &json!({
                "plugin_name": "postgresql-database-plugin",
                "connection_url": format!("host={socket} user={USER} dbname=postgres"),
                "allowed_roles": ["app"],
            }),
        );
        let create = r#"CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"#;
        vault.write(
            "database/roles/app",
            &json!({"db_name": "app", "creation_statements": [create], "default_ttl": "1h"}),
        );
    }
}

/// Why it cannot take part, if it cannot.
pub(super) fn missing() -> Option<String> {
    if programs().is_none() || id("-u").is_none() {
        return Some("PostgreSQL is not installed".to_owned());
    }
    (!rustix::process::geteuid().is_root())
        .then(|| "only root may run PostgreSQL as its user".to_owned())
}

/// Where the newest version's programs are.
fn programs() -> Option<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir(VERSIONS).ok()?.flatten().map(|entry| entry.path());
    let newest = versions.max_by_key(|version| number(version))?.join("bin");
    newest.join("postgres").is_file().then_some(newest)
}

/// A number of PostgreSQL's user: `-u` for the user, `-g` for its group.
fn id(option: &str) -> Option<u32> {
    let output = Command::new("id").args([option, USER]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn version(programs: &Path) -> String {
    let output = Command::new(programs.join("postgres")).arg("--version").output();
    let said = String::from_utf8(output.expect("postgres starts").stdout).expect("it says text");
    said.split_whitespace().nth(2).unwrap_or("of unknown version").to_owned()
}
