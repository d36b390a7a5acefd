//! `strongroom run`, as a person or a program calls it: a function and an extension of our own, and AWS's clients.

mod changes;
mod endpoint;
mod languages;
mod refusals;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A function and a layer that lie in a directory.
struct Site {
    root: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { root: tempfile::tempdir().unwrap() };
        site.write("code/bootstrap", include_str!("run/bootstrap.py"));
        site.write("layer/extensions/guard", include_str!("run/guard.py"));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Everything may be executed.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "fixtures, no secrets")]
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The command in the directory, with the layer, and without anybody's credentials.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(self.root.path());
        command.args(["--code", "code", "--layer", "layer"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).stdin(Stdio::null()))
    }
}

/// `strongroom run`, for who has no AWS.
fn bare(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.arg("run").current_dir(directory).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", "/nowhere").env("AWS_SHARED_CREDENTIALS_FILE", "/nowhere");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }
    command
}

/// What came of a command.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    err: String,
    out: String,
}

impl Ended {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
        Self { code: output.status.code(), err: err.unwrap(), out: out.unwrap() }
    }

    #[track_caller]
    fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Each line of standard output.
    fn answers(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.err.lines().filter(|seen| *seen == line).count()
    }
}

/// A command that goes on.
struct Running {
    child: Child,
    err: Receiver<String>,
    out: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
    /// The lines of standard error so far.
    said: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (err, err_reader) = lines(child.stderr.take().unwrap());
        let (out, out_reader) = lines(child.stdout.take().unwrap());
        Self { child, err, out, readers: vec![err_reader, out_reader], said: Vec::new() }
    }

    /// Waits for a line of standard error with this in it.
    #[track_caller]
    fn line(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.err.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {part:?} ({error}): {:#?}", self.said),
            }
        }
    }

    #[track_caller]
    fn answer(&mut self) -> Value {
        let line = self.out.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("no answer ({error}): {:#?}", self.said));
        serde_json::from_str(&line).unwrap()
    }

    fn signal(&self, which: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, which).unwrap();
    }

    /// Waits for the end; all lines of standard error.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.said.extend(self.err.try_iter());
        (status, std::mem::take(&mut self.said))
    }
}

impl Drop for Running {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn lines(output: impl std::io::Read + Send + 'static) -> (Receiver<String>, JoinHandle<()>) {
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // A test that wants no more has ended.
            let _ = sender.send(line);
        }
    });
    (lines, reader)
}

#[test]
fn an_event_is_answered_on_standard_output_and_all_else_is_told_beside_it() {
    let site = Site::new();
    let ended = site.run(&[]).exits_with(0);
    let [answer] = &ended.answers()[..] else { panic!("{ended:#?}") };
    assert_eq!((&answer["calls"], &answer["event"]), (&json!(1), &json!({})));
    for line in ["  function | event {}", "     guard | told INVOKE", "     guard | told SHUTDOWN"]
    {
        assert_eq!(ended.count(line), 1, "{line}: {}", ended.err);
    }
    assert!(ended.err.contains("the function has no AWS credentials"), "{}", ended.err);
    let rows = ["environment", "guard", "runtime", "init", "invocation"];
    let drawn = ended.err.lines().skip_while(|line| !line.starts_with("cold start: ")).skip(1);
    let drawn: Vec<_> = drawn.take(rows.len()).map(|line| &line[..22]).collect();
    assert_eq!(drawn, rows.map(|row| format!("  {row:20}")), "{}", ended.err);
    assert!(ended.err.lines().all(|line| line.chars().count() <= 100 || line.contains(" | ")));
}

#[test]
fn events_come_from_files_standard_input_and_arguments_and_run_in_one_environment() {
    let site = Site::new();
    site.write("one.json", "{\n \"n\": 1\n}");
    let mut command = site.command(&["one.json", "-", "--event", "[3]", "--count", "2"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"n\": 2}").unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    let answers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = answers.iter().map(|answer| answer["event"].clone()).collect();
    let round = [json!({ "n": 1 }), json!({ "n": 2 }), json!([3])];
    assert_eq!(events, [round.clone(), round].concat());
    let calls: Vec<_> = answers.iter().map(|answer| answer["calls"].as_u64().unwrap()).collect();
    assert_eq!(calls, [1, 2, 3, 4, 5, 6]);
    assert_eq!(err.matches("cold start: ").count(), 1, "{err}");
    assert_eq!(err.matches("warm invocation: ").count(), 5, "{err}");
}

#[test]
fn each_event_has_an_environment_of_its_own_if_it_is_to_be_cold() {
    let site = Site::new();
    let ended = site.run(&["--count", "3", "--cold"]).exits_with(0);
    let mut instances: Vec<_> =
        ended.answers().iter().map(|answer| answer["instance"].to_string()).collect();
    instances.sort();
    instances.dedup();
    assert_eq!(instances.len(), 3, "{ended:#?}");
    assert_eq!(ended.err.matches("cold start: ").count(), 3, "{}", ended.err);
    assert_eq!(ended.count("     guard | told SHUTDOWN"), 3, "{}", ended.err);
}

#[test]
fn a_function_that_fails_is_told_with_type_and_message() {
    let site = Site::new();
    let events = ["--event", "{\"do\":\"fail\"}", "--event", "{}"];
    let ended = site.run(&events).exits_with(1);
    assert_eq!(ended.answers()[0], json!({ "errorMessage": "told to", "errorType": "Told" }));
    assert_eq!(ended.answers()[1]["calls"], 2, "the environment goes on");
    assert_eq!(ended.count("error: the function failed with Told: told to"), 1, "{}", ended.err);

    let ended = site.run(&["--event", "{\"do\":\"exit\"}", "--event", "{}"]).exits_with(1);
    let told = "Runtime exited with error: exit status 3";
    assert!(ended.err.contains(told), "{}", ended.err);
    assert_eq!(ended.err.matches("cold start: ").count(), 2, "{}", ended.err);

    let ended = site.run(&["--event", "{\"do\":\"hang\"}", "--timeout", "1"]).exits_with(1);
    assert!(ended.err.contains("Task timed out after 1.00 seconds"), "{}", ended.err);
}

#[test]
fn an_object_for_each_invocation_has_the_times_of_its_start() {
    let site = Site::new();
    let event = ["--event", "{\"n\": 123456789012345678901234567890}"];
    let ended = site.run(&[&event[..], &["--json", "--count", "2"]].concat()).exits_with(0);
    let [cold, warm] = &ended.answers()[..] else { panic!("{ended:#?}") };
    assert_eq!((&cold["cold"], &warm["cold"]), (&json!(true), &json!(false)));
    assert_eq!(warm["waterfall"], Value::Null);
    assert_eq!(cold["payload"]["calls"], 1);
    assert!(ended.out.contains("\"n\": 123456789012345678901234567890"), "{}", ended.out);
    assert!(!ended.err.contains("cold start: "), "{}", ended.err);
    let rows = cold["waterfall"].as_array().unwrap();
    let number = |row: &Value, name: &str| row[name].as_f64().unwrap();
    let row = |kind: &str| rows.iter().find(|row| row["kind"] == kind).unwrap();
    let (guard, runtime, init) = (row("extension"), row("runtime"), row("init"));
    assert!(number(guard, "start_ms") < number(guard, "registered_ms"), "{rows:#?}");
    assert!(number(guard, "registered_ms") <= number(runtime, "start_ms"), "{rows:#?}");
    assert!(number(runtime, "end_ms") <= number(init, "end_ms"), "{rows:#?}");
    assert!(number(init, "end_ms") <= number(row("invocation"), "start_ms"), "{rows:#?}");
}

#[test]
fn variables_and_settings_reach_the_function() {
    let site = Site::new();
    site.write("function.env", "# of the function\nA=file\nB=file\n");
    site.write("strongroom.toml", "VAULT_ADDR = 'http://127.0.0.1:1'\n");
    let event = json!({
        "variables": ["A", "B", "STRONGROOM_CONFIG", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_ACCESS_KEY_ID"],
        "files": ["/opt/strongroom.toml"],
    });
    let mut command = site.command(&["--env-file", "function.env", "--env", "B=given"]);
    command.args(["--config", "strongroom.toml", "--region", "eu-central-1", "--name", "mine"]);
    command.args(["--memory", "512", "--event", &event.to_string()]).stdin(Stdio::null());
    command.env("AWS_ACCESS_KEY_ID", "AKIDTEST").env("AWS_SECRET_ACCESS_KEY", "canary");
    let ended = Ended::of(&mut command);
    // Without root or user namespaces there is no /opt to read.
    if !ended.err.contains("no mount namespace") {
        let ended = ended.exits_with(0);
        let answer = &ended.answers()[0];
        assert_eq!(answer["/opt/strongroom.toml"], "VAULT_ADDR = 'http://127.0.0.1:1'\n");
        let expected = json!({
            "A": "file", "B": "given", "STRONGROOM_CONFIG": "/opt/strongroom.toml",
            "AWS_REGION": "eu-central-1", "AWS_LAMBDA_FUNCTION_NAME": "mine",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_ACCESS_KEY_ID": "AKIDTEST",
        });
        assert_eq!(answer["variables"], expected);
        assert!(!ended.err.contains("canary") && !ended.err.contains("no AWS credentials"));
    }
}

#[test]
fn a_profile_gives_the_function_its_credentials_and_nothing_else() {
    let site = Site::new();
    let keys = |name: &str, more: &str| {
        format!("[{name}]\naws_access_key_id = AKID{name}\naws_secret_access_key = canary\n{more}")
    };
    let content = keys("LASTING", "") + &keys("SESSION", "aws_session_token = token\n");
    site.write("credentials", content);
    site.write("config", "[profile SESSION]\nregion = eu-west-1\n");
    let event = json!({ "variables": ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_PROFILE"] });
    let check = |profile: &str, expected: Value| {
        let mut command = site.command(&["--profile", profile, "--event", &event.to_string()]);
        command.env("AWS_SHARED_CREDENTIALS_FILE", site.path("credentials"));
        command.env("AWS_CONFIG_FILE", site.path("config")).env("AWS_PROFILE", "other");
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            command.env_remove(name);
        }
        let ended = Ended::of(command.stdin(Stdio::null())).exits_with(0);
        assert_eq!(ended.answers()[0]["variables"], expected, "{}", ended.err);
    };
    // An empty token would be sent by some SDKs: a key that lasts has none.
    check(
        "LASTING",
        json!({
            "AWS_ACCESS_KEY_ID": "AKIDLASTING", "AWS_SESSION_TOKEN": null, "AWS_REGION": "us-east-1",
            "AWS_PROFILE": null,
        }),
    );
    check(
        "SESSION",
        json!({
            "AWS_ACCESS_KEY_ID": "AKIDSESSION", "AWS_SESSION_TOKEN": "token", "AWS_REGION": "eu-west-1",
            "AWS_PROFILE": null,
        }),
    );
}

#[test]
fn code_and_layers_may_be_archives() {
    let site = Site::new();
    for (archive, file, from) in [
        ("code.zip", "bootstrap", "code/bootstrap"),
        ("layer.zip", "extensions/guard", "layer/extensions/guard"),
    ] {
        let mut zip = zip::ZipWriter::new(fs::File::create(site.path(archive)).unwrap());
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file(file, options).unwrap();
        zip.write_all(&fs::read(site.path(from)).unwrap()).unwrap();
        zip.finish().unwrap();
    }
    let mut command = bare(site.root.path());
    command.args(["--code", "code.zip", "--layer", "layer.zip", "--runtime", "provided.al2023"]);
    let ended = Ended::of(&mut command).exits_with(0);
    assert_eq!(ended.answers()[0]["calls"], 1);
    assert_eq!(ended.count("     guard | told SHUTDOWN"), 1, "{}", ended.err);
}

#[test]
fn an_interrupt_ends_an_invocation_tells_extensions_and_leaves_no_process() {
    for (more, code) in [(&[][..], 130), (&["--watch"][..], 0)] {
        let site = Site::new();
        let arguments = [&["--event", "{\"do\":\"hang\"}", "--timeout", "600"], more].concat();
        let directories = tempfile::tempdir().unwrap();
        let mut command = site.command(&arguments);
        let mut running = Running::start(command.env("TMPDIR", directories.path()));
        let processes = ["guard runs as ", "function runs as "].map(|what| {
            let line = running.line(what);
            line.rsplit_once(' ').unwrap().1.to_owned()
        });
        running.line("event {");
        let start = Instant::now();
        running.signal(Signal::INT);
        let (status, said) = running.end();
        let took = start.elapsed();
        assert_eq!(status.code(), Some(code), "{said:#?}");
        assert!(said.iter().any(|line| line == "     guard | told SHUTDOWN"), "{said:#?}");
        assert!(took < Duration::from_secs(10), "{took:?} {said:#?}");
        assert_eq!(fs::read_dir(directories.path()).unwrap().count(), 0, "{said:#?}");
        for process in processes {
            assert!(!Path::new("/proc").join(&process).exists(), "{process} {said:#?}");
        }
    }
}
