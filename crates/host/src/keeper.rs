//! Lambda's paths for who is not root: a process that keeps a user and a mount namespace.
//!
//! A program of several threads cannot enter a user namespace itself. So util-linux's `unshare`
//! makes one, a shell in it mounts and then waits, and each process of the environment starts
//! through `nsenter`. Within it they are root, which is the caller outside.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// What is mounted where.
#[derive(Clone, Debug)]
pub(crate) struct Mounts {
    pub(crate) code: PathBuf,
    pub(crate) lang: Option<PathBuf>,
    pub(crate) opt: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) tmp: PathBuf,
    pub(crate) var: PathBuf,
}

/// The process; it ends when this value is dropped, or with this program.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    /// The shell waits for its end.
    stdin: Option<ChildStdin>,
}

impl Keeper {
    /// Makes the namespaces.
    pub(crate) fn start(mounts: &Mounts) -> io::Result<Self> {
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", SCRIPT])
            .arg("sh")
            .args([&mounts.opt, &mounts.code, &mounts.runtime, &mounts.tmp, &mounts.var])
            .arg(mounts.lang.as_deref().unwrap_or_else(|| Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout.take(64)).read_line(&mut line)?;
        }
        let mut keeper = Self { stdin: child.stdin.take(), child };
        if line == "ready\n" {
            return Ok(keeper);
        }
        let mut reason = String::new();
        if let Some(stderr) = keeper.child.stderr.take() {
            stderr.take(4096).read_to_string(&mut reason)?;
        }
        let reason = reason.lines().next().unwrap_or("it ended at once");
        Err(io::Error::other(format!("unshare: {reason}")))
    }

    /// A command that runs `program` in the namespaces, in `directory`.
    pub(crate) fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command
            .args(["--preserve-credentials", "--user", "--mount", "--target"])
            .arg(self.child.id().to_string())
            .args(["--", "/usr/bin/env", "-C"])
            .args([directory, program]);
        command
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It reads the end of its input and ends, at once.
        let _status = self.child.wait();
    }
}

/// The same mounts that root makes in `spawner`. Making them read-only is refused for file
/// systems whose other options are locked; then they stay writable.
const SCRIPT: &str = r#"
set -e
opt=$1 code=$2 runtime=$3 tmp=$4 var=$5 lang=$6
read_only() {
  mount -o remount,bind,ro "$1" 2>/dev/null || :
}
bind_new() {
  mkdir "$2"
  mount --bind "$1" "$2"
  read_only "$2"
}
mount -t tmpfs -o mode=0755 tmpfs "$var"
for entry in /var/*; do
  name=${entry#/var/}
  case $name in lang|runtime|task) continue ;; esac
  if [ -L "$entry" ]; then
    cp -P "$entry" "$var/$name"
  elif [ -d "$entry" ]; then
    mkdir "$var/$name"
    mount --rbind "$entry" "$var/$name"
  fi
done
bind_new "$code" "$var/task"
bind_new "$runtime" "$var/runtime"
if [ -n "$lang" ]; then
  bind_new "$lang" "$var/lang"
fi
mount --bind "$opt" /opt
read_only /opt
mount --rbind "$var" /var
mount --bind "$tmp" /tmp
echo ready
exec >/dev/null 2>&1
read -r _end || :
"#;
