//! A child process that never outlives its test.
//!
//! It leads a process group, which is killed on drop; if the test's own thread dies first, the kernel kills the leader.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// How long a part may take to do what it was started for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A running program and everything that it has printed.
pub struct Process {
    child: Child,
    /// Behind a lock only so that threads may share the process.
    lines: Mutex<Receiver<String>>,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the command with its output captured.
    /// It dies with the thread that calls this, so a process that tests share needs a thread of its own.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[expect(unsafe_code, reason = "pre_exec is the only way to prctl in the child")]
        // SAFETY: between fork and exec only one system call is made, and it allocates nothing.
        unsafe {
            command.pre_exec(|| {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = mpsc::channel();
        let output = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        collect(stdout, sender.clone(), Arc::clone(&output));
        collect(stderr, sender, Arc::clone(&output));
        Self { child, lines: Mutex::new(lines), output }
    }

    /// The process id, in the test's own namespace.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far, on both streams.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads lines, from where the last call stopped, until `find` takes one.
    ///
    /// # Panics
    /// If the output ends, or 30 seconds pass, without such a line; the message holds the output.
    pub fn wait_for<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_line(left) {
                Ok(line) => {
                    if let Some(found) = find(&line) {
                        return found;
                    }
                }
                Err(error) => panic!("no {what}: {error}; it printed:\n{}", self.output()),
            }
        }
    }

    /// Sends a signal to the process alone, not to its group.
    ///
    /// # Panics
    /// If there is no such process any more.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("the process lives");
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// If it does not end within 30 seconds.
    pub fn wait(&mut self) -> ExitStatus {
        // Its output ends with the last process that holds the pipe.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_line(left) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("it did not end; it printed:\n{}", self.output())
                }
            }
        }
        self.child.wait().expect("a child can be waited for")
    }

    fn next_line(&mut self, patience: Duration) -> Result<String, mpsc::RecvTimeoutError> {
        self.lines.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if all of it is gone already.
        let _ = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end on a thread of its own, so that the process never waits for its reader.
fn collect(stream: impl Read + Send + 'static, lines: Sender<String>, output: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                output.push_str(&line);
                output.push('\n');
            }
            // The output is kept even when nobody waits for lines any more.
            let _ = lines.send(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let mut shell =
            Process::start(Command::new("sh").args(["-c", "sleep 600 & echo $!; wait"]));
        let sleeper: i32 = shell.wait_for("process id", |line| line.parse().ok());
        drop(shell);
        // The kill has been sent; the kernel carries it out when it next runs the process.
        // Killed, it may still wait to be reaped by whoever adopted it.
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{sleeper}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_gone() {
            assert!(Instant::now() < deadline, "process {sleeper} lives");
            std::thread::yield_now();
        }
    }

    #[test]
    fn both_streams_are_kept() {
        let mut shell = Process::start(Command::new("sh").args(["-c", "echo out; echo err >&2"]));
        assert!(shell.wait().success());
        let mut lines: Vec<_> = shell.output().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
    }
}
