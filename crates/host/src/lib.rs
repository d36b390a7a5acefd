//! A local Lambda: it runs a function with its layers as real processes and serves them the
//! Runtime and Extensions APIs as Lambda does, from init to shutdown.
//!
//! It knows Lambda only: nothing of Vault, nothing of Strongroom's extension. The Telemetry API
//! and response streaming are not there yet; a subscription is answered as AWS's own emulator
//! answers it. Linux only.
//!
//! Each environment has a mount namespace of its own, so that processes find `/opt`, `/var/task`
//! and `/tmp` as in Lambda: as root, and elsewhere where user namespaces are allowed and
//! util-linux is there. Otherwise they get directories elsewhere: variables that begin with one
//! of these paths are translated, `LAMBDA_TASK_ROOT` says where the code lies, and an
//! observation ([`What::Note`]) says so.
//!
//! # SnapStart
//!
//! With [`InitializationType::SnapStart`] init runs at once and ends with a snapshot, which here
//! is a freeze: [`Host::initialize`] returns when every process stands still (SIGSTOP), and
//! [`Host::restore`], or else the next invocation, makes them go on.
//!
//! As in Lambda: the runtime that polled `restore/next` runs its hooks and is waited for;
//! extensions are told nothing and have their first event with the first invocation; the
//! credentials endpoint gives what the restored environment was given, for the authorization
//! token from before the snapshot, which
//! [stays valid](https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/main/internal/lambda/core/credentials.go);
//! output goes to another log stream ([`What::LogStream`]), so that no variable names one.
//!
//! Unlike Lambda: processes are not cloned, so that a snapshot is restored once, by the process
//! that it was made of, and `/tmp` is the same; the machine's clocks, the monotonic ones too, run
//! on while they stand still, for as long as the caller waits; connections stay open, to the
//! Runtime API and to anybody, where Lambda's are dead after a restore: have a proxy in between
//! cut them; sources of randomness are not rewound.
//!
//! ```no_run
//! # async fn run(credentials: strongroom_host::Credentials) -> Result<(), strongroom_host::HostError> {
//! use strongroom_host::{Config, Function, Host, Layer, Runtime};
//!
//! let function = Function {
//!     code: "function".into(),
//!     handler: "app.handler".to_owned(),
//!     runtime: Runtime::Python { interpreter: "target/python/bin/python".into() },
//! };
//! let mut config = Config::new(function, credentials);
//! config.layers.push(Layer::Zip("layer.zip".into()));
//! let host = Host::start(config).await?;
//! let answer = host.invoke(r#"{"key": "value"}"#).await?;
//! assert_eq!(answer.function_error, None);
//! host.shutdown("spindown").await?;
//! # Ok(())
//! # }
//! ```

mod agents;
mod answer;
mod api;
mod bootstrap;
mod calls;
mod config;
mod environment;
mod host;
mod invocation;
mod journal;
mod keeper;
mod managed;
mod phases;
mod process;
mod runtime;
mod sandbox;
mod shutdown;
mod spawner;
mod variables;

pub use config::{
    Config, Credentials, Function, Identity, InitializationType, Layer, Network, Paths, Runtime,
    ShutdownBudgets,
};
pub use host::{Host, HostError};
pub use invocation::{Invocation, Request};
pub use journal::{
    InitPhase, LONGEST_LINE, LogLine, MOST_LINES, Observation, Source, Stream, What,
};
pub use shutdown::Shutdown;
