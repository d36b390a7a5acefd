//! The life of the extension: listen, log in, deliver, register, wait for events, end.
//!
//! The only place that knows `event/next`. Lambda starts the runtime when every extension has
//! registered, and the first invocation when every extension asks for its first event.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::lease::{Lease, UnixMilliseconds};
use strongroom_core::settings::{Environment, Identity, Settings, variables as v};
use strongroom_lambda_api::extensions::Event;
use strongroom_lambda_api::initialization::InitializationType;
use strongroom_vault::aws::sts;
use strongroom_vault::client::Client;
use strongroom_vault::clock::{Clock, Deadline};
use strongroom_vault::forward::Forward;
use strongroom_vault::http::{Connector, Freeze, Limits, Progress};
use strongroom_vault::login::Login;
use strongroom_vault::tls::Peer;
use strongroom_vault::token::{Token, TokenKind, TokenOrigin};
use tokio::task::JoinHandle;

use crate::USER_AGENT;
use crate::delivery::{files, proxy};
use crate::exit::{Category, Failure};
use crate::lambda::{ExtensionsApi, Registered};
use crate::process;
use crate::session::{Session, TokenSource};
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
    let freeze = Freeze::new(clock.clone());
    let parts =
        Parts { settings, environment, progress: progress.clone(), clock: clock.clone(), freeze };
    let extension = parts.build(initialization)?;
    let _watch = Task(tokio::spawn(watch_freezes(Arc::clone(extension.store.client().freeze()))));
    let _proxy =
        listener.map(|listener| Task(tokio::spawn(listener.serve(Arc::clone(&extension.store)))));
    let waiting = Task(tokio::spawn(tell_what_is_waited_for(progress)));
    extension.run(api, waiting).await
}

/// What the extension is made of.
struct Parts {
    settings: Settings,
    environment: Environment,
    progress: Progress,
    clock: Clock,
    freeze: Arc<Freeze>,
}

struct Extension {
    store: Arc<Store>,
    files: Vec<strongroom_core::settings::SecretFile>,
    missing_secret: strongroom_core::settings::MissingSecret,
    initialization: InitializationType,
    init_deadline: Deadline,
    clock: Clock,
}

impl Parts {
    fn build(self, initialization: InitializationType) -> Result<Extension, Failure> {
        let Self { settings, environment, progress, clock, freeze } = self;
        let failed =
            |error: strongroom_vault::error::Error| Failure::of_vault("cannot start", &error);
        let environment = Arc::new(environment);
        let lookup = {
            let environment = Arc::clone(&environment);
            move |name: &str| environment.value(name).map(str::to_owned)
        };
        let forward = Forward::from_environment(&lookup);
        let to_vault = Connector::new(
            settings.vault.tls.clone(),
            Peer::Vault,
            forward.clone(),
            progress.clone(),
        );
        // Frozen or not, Managed Instances run on: there an idle connection stays good for longer.
        let idle = match initialization {
            InitializationType::ManagedInstances => IDLE_LIMIT_WITHOUT_FREEZE,
            _ => IDLE_LIMIT,
        };
        let limits = Limits { connections: process::connection_limit(), idle };
        let client =
            Client::new(settings.vault, to_vault, clock.clone(), freeze, limits, USER_AGENT)
                .map_err(failed)?;
        let source = match settings.identity {
            Identity::Token(secret) => {
                let lease = Lease { granted: 0, milliseconds: None, renewable: false };
                let token = Token::new(secret, lease, TokenKind::Service, TokenOrigin::Given, None);
                TokenSource::Given(Arc::new(token.ok_or_else(|| {
                    Failure::new(
                        Category::Config,
                        "VAULT_TOKEN contains characters that no HTTP header can carry",
                    )
                })?))
            }
            Identity::AwsIam(iam) => {
                let tls = strongroom_core::settings::Tls {
                    authorities: strongroom_core::settings::Authorities::Default {
                        ssl_cert_file: environment.value(v::SSL_CERT_FILE).map(Into::into),
                        ssl_cert_dir: environment.value(v::SSL_CERT_DIR).map(Into::into),
                    },
                    ..Default::default()
                };
                let to_aws = Connector::new(tls, Peer::Aws, forward, progress);
                let sts = sts::Settings::from_environment(&lookup);
                let login = Login::new(iam, sts, Box::new(lookup), to_aws);
                TokenSource::Login(Arc::new(login.map_err(failed)?))
            }
        };
        let client = Arc::new(client);
        let session =
            Session::new(Arc::clone(&client), source, settings.token_grace, settings.revoke);
        let cache = settings.proxy.and_then(|proxy| proxy.cache);
        let init_timeout = settings.init_timeout.unwrap_or(match initialization {
            InitializationType::OnDemand => INIT_TIMEOUT_ON_DEMAND,
            _ => INIT_TIMEOUT_OTHERWISE,
        });
        Ok(Extension {
            store: Store::new(client, session, cache),
            files: settings.files,
            missing_secret: settings.missing_secret,
            initialization,
            init_deadline: clock.deadline_in(init_timeout),
            clock,
        })
    }
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
        let logged_in =
            login.await.unwrap_or_else(|_| Err(Arc::new(strongroom_vault::error::Error::Frozen)));
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

async fn watch_freezes(freeze: Arc<Freeze>) {
    freeze.watch().await;
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

const IDLE_LIMIT: Duration = Duration::from_secs(5);
const IDLE_LIMIT_WITHOUT_FREEZE: Duration = Duration::from_secs(60);
const INIT_TIMEOUT_ON_DEMAND: Duration = Duration::from_secs(8);
const INIT_TIMEOUT_OTHERWISE: Duration = Duration::from_secs(60);
const TEND_EVERY: Duration = Duration::from_secs(10);
const REVOKE_TIMEOUT: Duration = Duration::from_secs(1);
