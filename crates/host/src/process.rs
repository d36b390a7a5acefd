//! Running processes: their output, their end, and the signals they are sent.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::environment::Event;
use crate::journal::{Journal, LONGEST_LINE, LogLine, Source, Stream, What};

/// How long output is still read after a process ended, while something it started holds on
/// to its output.
const OUTPUT_GRACE: Duration = Duration::from_millis(50);
/// How long processes may take to stand still once they were told to.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// A process and the group it leads.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) ended: bool,
    group: Pid,
    pub(crate) source: Source,
}

/// The processes of an environment since its last reset. Dropping it kills them.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    list: Vec<Process>,
    /// Asks readers of output to say when nothing is left to read.
    readers: Vec<mpsc::Sender<oneshot::Sender<()>>>,
    watchers: JoinSet<()>,
}

impl Processes {
    /// Takes charge of a child: its lines go to the journal, its end to `events`.
    pub(crate) fn watch(
        &mut self,
        mut child: Child,
        source: Source,
        generation: u64,
        journal: Arc<Journal>,
        events: mpsc::Sender<Event>,
    ) -> io::Result<()> {
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .ok_or_else(|| io::Error::other("the process has ended"))?;
        self.list.push(Process { ended: false, group, source: source.clone() });
        let mut output = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            let lines = Lines { journal: Arc::clone(&journal), source: source.clone() };
            output.spawn(lines.copy(stdout, Stream::Stdout, self.reader()));
        }
        if let Some(stderr) = child.stderr.take() {
            let lines = Lines { journal, source: source.clone() };
            output.spawn(lines.copy(stderr, Stream::Stderr, self.reader()));
        }
        self.watchers.spawn(async move {
            let status = child.wait().await;
            // What it leaves behind in its group would outlive the environment.
            signal(group, Signal::KILL);
            let rest = async { while output.join_next().await.is_some() {} };
            drop(tokio::time::timeout(OUTPUT_GRACE, rest).await);
            let status = status.unwrap_or_else(|_| ExitStatus::from_raw(1 << 8));
            drop(events.send(Event::Exited { generation, source, status }).await);
        });
        Ok(())
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Process> {
        self.list.iter().filter(|process| !process.ended)
    }

    pub(crate) fn is_running(&self, source: &Source) -> bool {
        self.running().any(|process| process.source == *source)
    }

    pub(crate) fn mark_ended(&mut self, source: &Source) {
        for process in self.list.iter_mut().filter(|process| process.source == *source) {
            process.ended = true;
        }
    }

    /// Signals the group of every running process of `source`.
    pub(crate) fn signal(&self, source: &Source, which: Signal) {
        for process in self.running().filter(|process| process.source == *source) {
            signal(process.group, which);
        }
    }

    pub(crate) fn kill_all(&self) {
        self.running().for_each(|process| signal(process.group, Signal::KILL));
    }

    /// Waits until the lines that were written are in the journal.
    pub(crate) async fn read_up(&self) {
        let all = async {
            for reader in &self.readers {
                let (reply, read) = oneshot::channel();
                // One that has ended has read everything.
                if reader.send(reply).await.is_ok() {
                    let _ended = read.await;
                }
            }
        };
        drop(tokio::time::timeout(OUTPUT_GRACE, all).await);
    }

    fn reader(&mut self) -> mpsc::Receiver<oneshot::Sender<()>> {
        let (sender, asked) = mpsc::channel(1);
        self.readers.push(sender);
        asked
    }

    /// Stops every process and waits until each stands still.
    pub(crate) async fn stop(&self) {
        self.running().for_each(|process| signal(process.group, Signal::STOP));
        let limit = Instant::now() + STOP_GRACE;
        for process in self.running() {
            while !stands_still(process.group) && Instant::now() < limit {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    pub(crate) fn resume(&self) {
        self.running().for_each(|process| signal(process.group, Signal::CONT));
    }
}

impl Drop for Processes {
    /// Kills what runs and waits until it is dead, which takes a moment and no more.
    fn drop(&mut self) {
        self.kill_all();
        let limit = Instant::now() + STOP_GRACE;
        for process in self.running() {
            while !matches!(state(process.group), None | Some('X' | 'Z')) && Instant::now() < limit
            {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn signal(group: Pid, signal: Signal) {
    // The one way to fail is that the group has ended, which is what most callers want.
    let _ended = rustix::process::kill_process_group(group, signal);
}

/// The state of a process, the third field of its `stat`; `None` if it is gone.
fn state(process: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

fn stands_still(process: Pid) -> bool {
    matches!(state(process), None | Some('T' | 't' | 'X' | 'Z'))
}

/// Where the lines of a process go.
struct Lines {
    journal: Arc<Journal>,
    source: Source,
}

impl Lines {
    /// Copies lines until there are no more, and answers `asked` when there are none right now.
    async fn copy(
        self,
        output: impl AsyncRead + Unpin,
        stream: Stream,
        mut asked: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            let read = tokio::select! {
                biased;
                read = output.fill_buf() => read,
                Some(reply) = asked.recv() => {
                    let _gone = reply.send(());
                    continue;
                }
            };
            let Ok(read) = read else { break };
            if read.is_empty() {
                break;
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            line.extend_from_slice(&part[..part.len().min(LONGEST_LINE - line.len())]);
            let used = part.len() + usize::from(end.is_some());
            output.consume(used);
            if end.is_some() {
                self.add(stream, &mut line);
            }
        }
        if !line.is_empty() {
            self.add(stream, &mut line);
        }
    }

    fn add(&self, stream: Stream, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line).into_owned();
        line.clear();
        self.journal.add(What::Line(LogLine { source: self.source.clone(), stream, text }));
    }
}

/// How a process ended, in the words of AWS's messages (which are Go's).
pub(crate) fn describe(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exit status {}", status.code().unwrap_or_default());
    };
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal: signal {other}"),
    };
    format!("signal: {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(output: &[u8]) -> Vec<String> {
        let journal = Arc::new(Journal::new());
        let (_nobody, asked) = mpsc::channel(1);
        let lines = Lines { journal: Arc::clone(&journal), source: Source::Function };
        lines.copy(output, Stream::Stdout, asked).await;
        let texts = journal.all().into_iter().filter_map(|observation| match observation.what {
            What::Line(line) => Some(line.text),
            _ => None,
        });
        texts.collect()
    }

    #[tokio::test]
    async fn output_is_cut_into_lines() {
        assert_eq!(lines(b"one\n\ntwo").await, ["one", "", "two"]);
        assert_eq!(lines(b"\xff\n").await, ["\u{fffd}"]);
        assert!(lines(b"").await.is_empty());
    }

    #[tokio::test]
    async fn a_line_without_end_is_bounded() {
        let mut output = vec![b'x'; 10 * LONGEST_LINE];
        output.extend_from_slice(b"\nnext\n");
        let lines = lines(&output).await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE, 4]);
    }

    #[test]
    fn an_end_is_told_in_gos_words() {
        let check = |raw: i32, told: &str| assert_eq!(describe(ExitStatus::from_raw(raw)), told);
        check(0, "exit status 0");
        check(3 << 8, "exit status 3");
        check(9, "signal: killed");
        check(15, "signal: terminated");
        check(34, "signal: signal 34");
    }
}
