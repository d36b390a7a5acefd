//! The life of the extension: listen, log in, deliver, register, wait for events, end.
//!
//! The only place that knows `event/next`. Lambda starts the runtime when every extension has
//! registered, and the first invocation when every extension asks for its first event.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings::{Environment, MissingSecret, SecretFile, Settings, variables as v};
use strongroom_lambda_api::extensions::Event;
use strongroom_lambda_api::initialization::InitializationType;
use strongroom_vault::clock::{Clock, Deadline};
use strongroom_vault::error::Error;
use strongroom_vault::http::Progress;
use tokio::task::JoinHandle;

use crate::assembly;
use crate::delivery::{files, proxy};
use crate::exit::{Category, Failure};
use crate::lambda::{ExtensionsApi, Registered};
use crate::store::{MARGIN_BEFORE_TIMEOUT, Store};

/// Runs until SHUTDOWN, or until something fails.
pub(crate) async fn run(
    settings: Settings,
    environment: Environment,
    name: String,
) -> Result<(), Failure> {
    let clock = Clock::system();
    let runtime_api = environment.value(v::AWS_LAMBDA_RUNTIME_API).ok_or_else(|| {
        Failure::new(
            Category::LambdaApi,
            "AWS_LAMBDA_RUNTIME_API is unset: this program is started by AWS Lambda",
        )
    })?;
    let initialization = environment
        .value(v::AWS_LAMBDA_INITIALIZATION_TYPE)
        .map_or(InitializationType::OnDemand, InitializationType::from_variable);
    let api = ExtensionsApi::new(runtime_api, name, clock.clone())?;
    let progress = Progress::default();
    let listener = match settings.proxy {
        Some(proxy) => Some(proxy::Listener::bind(proxy).await?),
        None => None,
    };
    let init_timeout = settings.init_timeout.unwrap_or(match initialization {
        InitializationType::OnDemand => INIT_TIMEOUT_ON_DEMAND,
        _ => INIT_TIMEOUT_OTHERWISE,
    });
    let init_deadline = clock.deadline_in(init_timeout);
    let store = assembly::store(assembly::Parts {
        vault: settings.vault,
        identity: settings.identity,
        token_grace: settings.token_grace,
        revoke: settings.revoke,
        cache: settings.proxy.and_then(|proxy| proxy.cache),
        initialization,
        environment,
        progress: progress.clone(),
        clock: clock.clone(),
    })?;
    let extension = Extension {
        store,
        files: settings.files,
        missing_secret: settings.missing_secret,
        initialization,
        init_deadline,
        clock,
    };
    let freeze = Arc::clone(extension.store.client().freeze());
    let _watch = Task(tokio::spawn(async move { freeze.watch().await }));
    let _proxy =
        listener.map(|listener| Task(tokio::spawn(listener.serve(Arc::clone(&extension.store)))));
    let waiting = Task(tokio::spawn(tell_what_is_waited_for(progress)));
    extension.run(api, waiting).await
}

struct Extension {
    store: Arc<Store>,
    files: Vec<SecretFile>,
    missing_secret: MissingSecret,
    initialization: InitializationType,
    init_deadline: Deadline,
    clock: Clock,
}

impl Extension {
    async fn run(self, api: ExtensionsApi, waiting: Task) -> Result<(), Failure> {
        // The login begins now, beside whatever else happens before it is needed.
        let login = {
            let (session, deadline) = (Arc::clone(self.store.session()), self.init_deadline);
            let is_urgent = !self.files.is_empty();
            tokio::spawn(async move {
                if !is_urgent {
                    give_way().await;
                }
                session.token(0, deadline).await
            })
        };
        if !self.files.is_empty() {
            // The runtime starts when we register: its files must be there.
            files::remove_leftovers(&self.files);
            files::deliver(&self.store, &self.files, self.missing_secret, self.init_deadline)
                .await?;
        }
        let registered = api.register().await?;
        let logged_in = login.await.unwrap_or_else(|_| Err(Arc::new(Error::Frozen)));
        if let Err(error) = logged_in {
            let failure = Failure::of_vault("cannot log in to Vault", &error);
            registered.init_error(&failure).await;
            return Err(failure);
        }
        drop(waiting);
        if self.initialization == InitializationType::SnapStart {
            self.prepare_for_snapshot().await;
        }
        tracing::info!("ready: secrets of {} are delivered", self.store.client().address());
        let ended = tokio::select! {
            ended = self.events(&registered) => ended,
            never = self.tend() => match never {},
        };
        if let Err(failure) = &ended {
            registered.exit_error(failure).await;
        }
        ended
    }

    async fn events(&self, registered: &Registered) -> Result<(), Failure> {
        loop {
            match registered.next().await? {
                Event::Invoke { deadline_ms, .. } => self.invoked(deadline_ms).await,
                Event::Shutdown { shutdown_reason, .. } => {
                    tracing::debug!(reason = shutdown_reason, "the environment ends");
                    self.store.session().end(self.clock.deadline_in(REVOKE_TIMEOUT)).await;
                    return Ok(());
                }
            }
        }
    }

    /// On Managed Instances there is no event when an invocation begins, and no freeze: a timer
    /// does what is due.
    async fn tend(&self) -> Infallible {
        if self.initialization != InitializationType::ManagedInstances {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            let ahead = self.clock.deadline_in(TEND_EVERY * 2);
            self.renew_until(ahead.0, ahead).await;
        }
    }

    /// What is due is done beside the handler, and finished or given up before the next event.
    async fn invoked(&self, deadline: UnixMilliseconds) {
        self.store.invocation_until(deadline);
        let give_up = Deadline(deadline.saturating_sub(MARGIN_BEFORE_TIMEOUT));
        self.renew_until(deadline, give_up).await;
    }

    async fn renew_until(&self, until: UnixMilliseconds, give_up: Deadline) {
        if self.store.session().is_good_until(until) {
            return;
        }
        if let Err(error) = self.store.session().token(until, give_up).await {
            let hint = error.hint().unwrap_or_default();
            tracing::error!(hint, "cannot log in to Vault: {}", crate::exit::chain(&*error));
        }
    }

    /// Nothing that belongs to this environment may wake up in another.
    async fn prepare_for_snapshot(&self) {
        self.store.session().end(self.clock.deadline_in(REVOKE_TIMEOUT)).await;
        self.store.forget();
    }
}

/// Lets the registration, a request to this machine, go out before the login's signature and key
/// exchange take the thread: the runtime starts when we have registered.
async fn give_way() {
    // Connect, then hand over to the connection, then write.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// If Lambda kills a slow init, the log already says what it was waiting for.
async fn tell_what_is_waited_for(progress: Progress) {
    let mut elapsed = 0;
    for after in [1, 3, 6] {
        tokio::time::sleep(Duration::from_secs(after - elapsed)).await;
        elapsed = after;
        if let Some(stage) = progress.stage() {
            tracing::warn!("still starting after {after} s, waiting for {stage}");
        }
    }
}

const INIT_TIMEOUT_ON_DEMAND: Duration = Duration::from_secs(8);
const INIT_TIMEOUT_OTHERWISE: Duration = Duration::from_secs(60);
const TEND_EVERY: Duration = Duration::from_secs(10);
const REVOKE_TIMEOUT: Duration = Duration::from_secs(1);
