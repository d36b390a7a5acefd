//! The thread that starts an environment's processes.
//!
//! One thread does it from first to last, for two reasons. A mount namespace belongs to a
//! thread, so what this thread starts sees Lambda's paths while the rest of the program sees
//! the machine's. And a process that is to die with its parent dies with the *thread* that
//! started it, which for a worker of a pool would be any time.
//!
//! The only file of the crate with unsafe code: what happens between fork and exec.

use std::fs;
use std::io::{self, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::fs::Access;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::UnshareFlags;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::HostError;
use crate::config::{Identity, Network, Paths};
use crate::keeper::{Keeper, Mounts};
use crate::sandbox::Sandbox;
use crate::variables::Variables;

/// Held to write by who writes executables, to read while a process starts: a fork that holds
/// an executable open for writing, if only until its own exec, keeps it from being executed.
pub(crate) static EXECUTABLES: RwLock<()> = RwLock::new(());

/// How often an executable that something still writes is tried again, 5 ms apart: the
/// program around this crate may fork, too.
const BUSY_RETRIES: u32 = 40;

/// A process to start.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) directory: PathBuf,
    /// Where `program` lies on this machine, outside any namespace.
    pub(crate) file: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) address_space: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) program: PathBuf,
    pub(crate) variables: Variables,
}

type Request = (Spec, oneshot::Sender<io::Result<Child>>);

/// A handle on the thread, which ends with it. Processes end with the thread.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

/// The thread, what it can do here, and the Runtime API's listener in its network.
pub(crate) struct Ready {
    pub(crate) listener: TcpListener,
    /// Whether processes see Lambda's paths; else why not.
    pub(crate) namespace: Result<(), String>,
    pub(crate) spawner: Spawner,
    thread: Pid,
    tmp_is_limited: bool,
}

impl Ready {
    /// Where `/tmp` lies here, if it is a file system that only the thread sees.
    pub(crate) fn tmp(&self) -> Option<PathBuf> {
        let process = std::process::id();
        let path = format!("/proc/{process}/task/{}/root/tmp", self.thread);
        self.tmp_is_limited.then(|| path.into())
    }
}

/// What the configuration says about namespaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) network: Network,
    pub(crate) paths: Paths,
    pub(crate) tmp_bytes: Option<u64>,
}

/// Starts the thread, with Lambda's paths where one of the ways to them is allowed.
pub(crate) async fn start(sandbox: &Sandbox, wanted: Wanted) -> Result<Ready, HostError> {
    let mounts = Mounts {
        code: sandbox.code.clone(),
        lang: sandbox.lang.clone(),
        opt: sandbox.opt(),
        runtime: sandbox.runtime(),
        tmp: sandbox.tmp(),
        var: sandbox.var(),
    };
    if wanted.network == Network::Isolated || wanted.tmp_bytes.is_some() {
        let enter = move || enter_namespaces(&mounts, wanted).map(|()| None);
        let mut ready = start_thread(enter, Ok(())).await.map_err(HostError::Namespace)?;
        ready.tmp_is_limited = wanted.tmp_bytes.is_some();
        return Ok(ready);
    }
    let refused = match wanted.paths {
        Paths::Translated => "not wanted".to_owned(),
        // A thread that fails halfway is gone, and its mounts with it.
        Paths::LambdaIfAllowed => {
            let own = mounts.clone();
            let enter = move || enter_namespaces(&own, wanted).map(|()| None);
            let as_root = match start_thread(enter, Ok(())).await {
                Ok(ready) => return Ok(ready),
                Err(error) => error,
            };
            let keep = move || Keeper::start(&mounts).map(Some);
            match start_thread(keep, Ok(())).await {
                Ok(ready) => return Ok(ready),
                Err(error) => format!("{as_root}; {error}"),
            }
        }
    };
    start_thread(|| Ok(None), Err(refused)).await.map_err(HostError::Namespace)
}

async fn start_thread(
    enter: impl FnOnce() -> io::Result<Option<Keeper>> + Send + 'static,
    namespace: Result<(), String>,
) -> io::Result<Ready> {
    let (requests, received) = mpsc::channel::<Request>();
    let (ready, started) = oneshot::channel();
    let tokio = tokio::runtime::Handle::current();
    thread::Builder::new().name("lambda-host-spawner".to_owned()).spawn(move || {
        let _context = tokio.enter();
        let entered = enter().and_then(|keeper| {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            listener.set_nonblocking(true)?;
            Ok((keeper, listener))
        });
        let (keeper, listener) = match entered {
            Ok(entered) => entered,
            Err(error) => return drop(ready.send(Err(error))),
        };
        if ready.send(Ok((listener, rustix::thread::gettid()))).is_err() {
            return;
        }
        for (spec, reply) in received {
            // Whoever asked may be gone; the process then dies with this thread.
            drop(reply.send(spawn(&spec, keeper.as_ref())));
        }
    })?;
    let ended = |_| io::Error::other("the thread ended");
    let (listener, thread) = started.await.map_err(ended)??;
    let spawner = Spawner { requests };
    Ok(Ready { listener, namespace, spawner, thread, tmp_is_limited: false })
}

impl Spawner {
    /// Starts a process, in a process group of its own.
    pub(crate) async fn spawn(&self, spec: Spec) -> io::Result<Child> {
        let ended = || io::Error::other("the thread that starts processes ended");
        let (reply, child) = oneshot::channel();
        self.requests.send((spec, reply)).map_err(|_| ended())?;
        child.await.map_err(|_| ended())?
    }
}

fn spawn(spec: &Spec, keeper: Option<&Keeper>) -> io::Result<Child> {
    match keeper {
        // This thread sees what the process will see.
        None => refuse_unknown_format(&spec.program)?,
        Some(_) => {
            refuse_unknown_format(&spec.file)?;
            // What `exec` would say, which here is said out of sight.
            rustix::fs::access(&spec.file, Access::EXEC_OK)?;
        }
    }
    let _others_write_no_executable = EXECUTABLES.read().unwrap_or_else(PoisonError::into_inner);
    let mut tries = 0;
    loop {
        match command(spec, keeper).spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_RETRIES =>
            {
                tries += 1;
                thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// The C library hands a file of unknown format to a shell; Lambda does not.
fn refuse_unknown_format(program: &Path) -> io::Result<()> {
    let mut start = Vec::new();
    match fs::File::open(program) {
        Ok(file) => file.take(4).read_to_end(&mut start)?,
        // Executing needs no right to read; what exec says decides.
        Err(_) => return Ok(()),
    };
    if start == *b"\x7fELF" || start.starts_with(b"#!") {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(rustix::io::Errno::NOEXEC.raw_os_error()))
}

fn command(spec: &Spec, keeper: Option<&Keeper>) -> Command {
    let mut command = match keeper {
        Some(keeper) => keeper.command(&spec.program, &spec.directory),
        None => {
            let mut command = std::process::Command::new(&spec.program);
            command.current_dir(&spec.directory);
            command
        }
    };
    command
        .env_clear()
        .envs(&spec.variables)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Identity::User { uid, gid } = spec.identity {
        command.uid(uid).gid(gid);
    }
    let limits = [(Resource::Nofile, spec.open_files), (Resource::As, spec.address_space)];
    let prepare = move || {
        for (resource, limit) in limits {
            if limit.is_some() {
                rustix::process::setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
            }
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        Ok(())
    };
    #[expect(unsafe_code, reason = "a few system calls, which may be made between fork and exec")]
    // SAFETY: the closure allocates nothing and takes no lock; all calls are plain system calls.
    unsafe {
        command.pre_exec(prepare);
    }
    Command::from(command)
}

/// Gives the calling thread Lambda's `/opt`, `/var` and `/tmp`.
fn enter_namespaces(mounts: &Mounts, wanted: Wanted) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(io::Error::other("only root may mount"));
    }
    let flags = match wanted.network {
        Network::Isolated => UnshareFlags::NEWNS | UnshareFlags::NEWNET,
        Network::Shared => UnshareFlags::NEWNS,
    };
    #[expect(unsafe_code, reason = "unsharing is unsafe for the table of descriptors only")]
    // SAFETY: the descriptor table stays shared; only mounts and network become the thread's own.
    unsafe {
        rustix::thread::unshare_unsafe(flags)?;
    }
    rustix::mount::mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    if wanted.network == Network::Isolated {
        raise_loopback()?;
    }
    build_var(mounts)?;
    bind_read_only(&mounts.opt, Path::new("/opt"))?;
    rustix::mount::mount_bind_recursive(&mounts.var, "/var")?;
    // Last, because the sources may lie in the machine's own.
    let Some(bytes) = wanted.tmp_bytes else {
        rustix::mount::mount_bind(&mounts.tmp, "/tmp")?;
        return Ok(());
    };
    let options = std::ffi::CString::new(format!("size={bytes},mode=1777"))?;
    rustix::mount::mount("tmpfs", "/tmp", "tmpfs", MountFlags::empty(), options.as_c_str())?;
    Ok(())
}

/// Builds a `/var` with Lambda's directories beside the machine's, on a file system that only
/// this thread sees: removing the directory later finds it empty.
fn build_var(mounts: &Mounts) -> io::Result<()> {
    rustix::mount::mount("tmpfs", &mounts.var, "tmpfs", MountFlags::empty(), c"mode=0755")?;
    let ours = ["lang", "runtime", "task"];
    for entry in fs::read_dir("/var")? {
        let entry = entry?;
        let target = mounts.var.join(entry.file_name());
        let kind = entry.file_type()?;
        if ours.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            fs::create_dir(&target)?;
            rustix::mount::mount_bind_recursive(entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
        }
    }
    bind_new(&mounts.code, &mounts.var.join("task"))?;
    bind_new(&mounts.runtime, &mounts.var.join("runtime"))?;
    if let Some(lang) = &mounts.lang {
        bind_new(lang, &mounts.var.join("lang"))?;
    }
    Ok(())
}

fn bind_new(source: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir(target)?;
    bind_read_only(source, target)
}

fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    rustix::mount::mount_bind(source, target)?;
    rustix::mount::mount_remount(target, MountFlags::BIND | MountFlags::RDONLY, "")?;
    Ok(())
}

/// A new network namespace has loopback, but down.
fn raise_loopback() -> io::Result<()> {
    let status = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("`ip link set lo up`: {status}")))
}
