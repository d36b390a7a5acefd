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
