//! The life of the extension: listen, log in, deliver, register, wait for events, end.
//!
//! The only place that knows `event/next`. Lambda starts the runtime when every extension has
//! registered, and the first invocation when every extension asks for its first event.

pub(crate) mod wrapper;

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_core::lease::UnixMilliseconds;
use strongroom_core::settings::{Environment, OnOutage, Settings, variables as v};
use strongroom_core::wrapper::default_init_timeout;
use strongroom_lambda_api::extensions::Event;
use strongroom_lambda_api::initialization::InitializationType;
use strongroom_vault::clock::{Clock, Deadline, Pause};
use strongroom_vault::error::{Error, chain};
use strongroom_vault::http::Progress;
use strongroom_vault::{session, task};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::assembly;
use crate::delivery::files::Files;
use crate::delivery::variables::{Block, Variables};
use crate::delivery::{proxy, socket};
use crate::exit::{Category, Failure};
use crate::lambda::{ExtensionsApi, Registered};
use crate::store::{Batch, MARGIN_BEFORE_TIMEOUT, Store};
use wrapper::Wrapper;

/// Runs until SHUTDOWN, or until something fails. Of the time for init, `spent` is over.
pub(crate) async fn run(
    settings: Settings,
    environment: Arc<Environment>,
    name: String,
    spent: Duration,
) -> Result<(), Failure> {
    let clock = crate::clock::start();
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
    let cache = settings.proxy.as_ref().and_then(|proxy| proxy.cache);
    let attempts = settings.proxy.as_ref().map_or(NonZeroU32::MIN, |proxy| proxy.attempts);
    let listener = match settings.proxy {
        Some(proxy) => Some(proxy::Listener::bind(proxy).await?),
        None => None,
    };
    let socket = settings.socket.as_ref().map(socket::Listener::bind).transpose()?;
    let init_timeout = settings.init_timeout.unwrap_or_else(|| {
        default_init_timeout(environment.value(v::AWS_LAMBDA_INITIALIZATION_TYPE))
    });
    let init_deadline = clock.deadline_in(init_timeout.saturating_sub(spent));
    let wrapper = Wrapper::of(&environment, settings.waits);
    let store = assembly::store(assembly::Parts {
        vault: settings.vault,
        identity: settings.identity,
        token_grace: settings.token_grace,
        revoke: settings.revoke,
        on_outage: settings.on_outage,
        cache,
        attempts,
        initialization,
        environment,
        progress: progress.clone(),
        clock: clock.clone(),
    })?;
    let files =
        Files::new(settings.files, settings.missing_secret, settings.refresh, clock.clone());
    let variables = Variables::new(settings.references);
    // What variables hold cannot come later.
    let starts_without_vault = settings.on_outage == OnOutage::Lazy && variables.is_empty();
    let start_deadline = match starts_without_vault {
        true => init_deadline.min(clock.deadline_in(LAZY_PATIENCE)),
        false => init_deadline,
    };
    let sees_invocations = initialization != InitializationType::ManagedInstances;
    let (proxy, serving) = listener.map(|listener| listener.open(&store)).unzip();
    let (desk, answering) = socket
        .map(|socket| socket.open(&store, &variables, proxy, init_deadline, sees_invocations))
        .map_or((None, None), |(desk, answering)| (Some(desk), Some(Task(task::spawn(answering)))));
    let extension = Extension {
        store,
        files: tokio::sync::Mutex::new(files),
        variables,
        desk,
        wrapper,
        initialization,
        init_deadline,
        start_deadline,
        starts_without_vault,
        refresh: settings.refresh,
        login_pause: Mutex::default(),
        clock,
    };
    let freeze = Arc::clone(extension.store.client().freeze());
    let _watch = Task(task::spawn(async move { freeze.watch().await }));
    let _proxy = serving.flatten().map(|serving| Task(task::spawn(serving)));
    let _answering = answering;
    let waiting = Task(task::spawn(tell_what_is_waited_for(progress)));
    extension.run(api, waiting).await
}

struct Extension {
    store: Arc<Store>,
    files: tokio::sync::Mutex<Files>,
    variables: Arc<Variables>,
    /// Where variables are asked for.
    desk: Option<Arc<socket::Desk>>,
    wrapper: Wrapper,
    initialization: InitializationType,
    init_deadline: Deadline,
    /// Until when the start waits for Vault.
    start_deadline: Deadline,
    /// Whether it goes on after that.
    starts_without_vault: bool,
    refresh: Option<Duration>,
    /// After a login of our own accord that failed.
    login_pause: Mutex<Pause>,
    clock: Clock,
}

impl Extension {
    async fn run(self, api: ExtensionsApi, waiting: Task) -> Result<(), Failure> {
        let has_files = !self.files.lock().await.is_empty();
        let wrapper_waits = self.wrapper.waits && (has_files || !self.variables.is_empty());
        if let Some(desk) =
            self.desk.as_ref().filter(|_| !wrapper_waits && self.variables.is_empty())
        {
            // There is nothing for which the wrapper would have to wait.
            desk.publish(Ok(Block::default()));
        }
        let login = self.begin_login(has_files && !wrapper_waits);
        let batch = Batch::new(&self.store, self.start_deadline);
        let references = self.begin_references(&batch);
        if has_files && !wrapper_waits {
            // The runtime starts when we register: its files must be there.
            let outcome = self.files.lock().await.deliver(&batch).await;
            self.tolerated(outcome)?;
        }
        let registered = api.register().await?;
        let logged_in = login.await.unwrap_or_else(|_| Err(Arc::new(Error::Frozen)));
        let mut outcome = logged_in
            .map_err(|error| Failure::of_vault("cannot log in to Vault", &error))
            .map(drop);
        if outcome.is_ok() && has_files && wrapper_waits {
            outcome = self.files.lock().await.deliver(&batch).await;
        }
        let outcome = self.tolerated(outcome);
        let is_resolved = self.publish(references, &outcome).await;
        if let (Err(failure), false) = (&outcome, wrapper_waits) {
            self.let_the_wrapper_tell().await;
            registered.init_error(failure).await;
            return outcome;
        }
        drop((waiting, batch));
        if self.initialization == InitializationType::SnapStart {
            self.prepare_for_snapshot().await;
        }
        match &outcome {
            Ok(()) if is_resolved => {
                tracing::info!("ready: secrets of {} are delivered", self.store.client().address())
            }
            Ok(()) => {}
            Err(failure) => {
                let hint = failure.hint.as_deref().unwrap_or_default();
                tracing::error!(hint, "{failure}; the exec wrapper tells Lambda");
            }
        }
        let start = Start::of(outcome);
        let ended = tokio::select! {
            ended = self.events(&registered, &start) => ended,
            Err(failure) = self.tend(&start) => Err(failure),
        };
        if let Err(failure) = &ended {
            registered.exit_error(failure).await;
        }
        ended
    }

    /// The login begins now, beside whatever else happens before it is needed.
    fn begin_login(&self, is_urgent: bool) -> oneshot::Receiver<session::Outcome> {
        let (session, deadline) = (Arc::clone(self.store.session()), self.start_deadline);
        task::begin(async move {
            if !is_urgent {
                give_way().await;
            }
            session.token(0, deadline).await
        })
    }

    /// What came of the start, where it may be that Vault is out of order.
    fn tolerated(&self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(failure) if self.starts_without_vault && failure.is_outage => {
                let hint = failure.hint.as_deref().unwrap_or_default();
                tracing::warn!(
                    hint,
                    "the environment starts without Vault (STRONGROOM_ON_OUTAGE=lazy), and files come with an invocation \
                     that finds Vault well: {failure}"
                );
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// References are resolved early, whoever will ask for them.
    fn begin_references(&self, batch: &Arc<Batch>) -> Option<oneshot::Receiver<Resolved>> {
        if self.variables.is_empty() {
            return None;
        }
        let (variables, batch) = (Arc::clone(&self.variables), Arc::clone(batch));
        Some(task::begin(async move {
            give_way().await;
            variables.resolve(&batch).await
        }))
    }

    /// Tells who asks on the socket what became of variables and files; returns whether all references are resolved.
    async fn publish(
        &self,
        references: Option<oneshot::Receiver<Resolved>>,
        outcome: &Result<(), Failure>,
    ) -> bool {
        let Some(desk) = &self.desk else { return true };
        if let Err(failure) = outcome {
            desk.publish_end(&self.variables.concerned_by(failure));
            return false;
        }
        let resolved = match references {
            None => Ok(Block::default()),
            Some(references) => references.await.unwrap_or_else(|_| {
                Err(Failure::new(Category::Config, "a defect of the extension; see its log"))
            }),
        };
        let is_resolved = resolved.is_ok();
        desk.publish(resolved);
        is_resolved
    }

    /// Before the end, the wrapper has a moment to tell the function's caller why.
    async fn let_the_wrapper_tell(&self) {
        let desk = self.desk.as_ref().filter(|_| !self.variables.is_empty());
        if let Some(desk) = desk
            && tokio::time::timeout(TELLING, desk.answered()).await.is_ok()
        {
            // Whose error Lambda hears of first is the one that the caller reads.
            tokio::time::sleep(TELLING).await;
        }
    }

    async fn events(&self, registered: &Registered, start: &Start) -> Result<(), Failure> {
        loop {
            match registered.next().await? {
                Event::Invoke { deadline_ms, .. } => {
                    if let Some(failure) = start.is_seen() {
                        // The function has started, though the wrapper would have kept it from it.
                        failure?;
                        self.function_has_started();
                    }
                    self.invoked(deadline_ms).await;
                }
                Event::Shutdown { shutdown_reason, .. } => {
                    tracing::debug!(reason = shutdown_reason, "the environment ends");
                    self.store.session().end().await;
                    return Ok(());
                }
            }
        }
    }

    fn function_has_started(&self) {
        let Some(desk) = &self.desk else { return };
        desk.close();
        if !self.variables.is_empty() && !desk.is_asked() {
            let hint = self.wrapper.remedy();
            tracing::error!(
                hint,
                "no exec wrapper has asked for the variables that refer to secrets: the function sees the references \
                 themselves"
            );
        }
    }

    /// On Managed Instances there is no event when an invocation begins, and no freeze: a timer
    /// does what is due.
    async fn tend(&self, start: &Start) -> Result<Infallible, Failure> {
        if self.initialization != InitializationType::ManagedInstances {
            return std::future::pending().await;
        }
        let every =
            self.refresh.map_or(TEND_EVERY, |refresh| (refresh / 2).clamp(TEND_LEAST, TEND_EVERY));
        loop {
            tokio::time::sleep(every).await;
            let is_init_over = self.init_deadline.after(self.clock.now()).is_zero();
            if is_init_over && let Some(failure) = start.is_seen() {
                // Who has asked has been told, and tells Lambda.
                if !self.desk.as_ref().is_some_and(|desk| desk.is_asked()) {
                    failure?;
                }
                self.function_has_started();
            }
            let ahead = self.clock.deadline_in(TEND_EVERY * 2);
            self.do_what_is_due(ahead.0, ahead).await;
        }
    }

    /// What is due is done beside the handler, and finished or given up before the next event.
    async fn invoked(&self, deadline: UnixMilliseconds) {
        self.store.invocation_until(deadline);
        let give_up = Deadline(deadline.saturating_sub(MARGIN_BEFORE_TIMEOUT));
        self.do_what_is_due(deadline, give_up).await;
    }

    /// Token, leases and files, each only if it will not do until `until`.
    async fn do_what_is_due(&self, until: UnixMilliseconds, give_up: Deadline) {
        // The handler may long be done, and its caller pays for the time.
        self.renew_until(until, give_up, give_up.min(self.clock.deadline_in(LOGIN_PATIENCE))).await;
        let give_up = give_up.min(self.clock.deadline_in(PATIENCE));
        let ended = self.store.renew_leases(until, give_up).await;
        let mut files = self.files.lock().await;
        for ended in &ended {
            files.note_end(ended);
            if let Some(names) = self.variables.note_end(ended) {
                tracing::warn!(
                    "the lease of {} cannot be prolonged, and with it ends what {names} hold: variables cannot be \
                     changed in a process that runs; read it by file or through the local Vault API",
                    ended.secret
                );
            }
        }
        if files.needs_refresh() {
            Box::pin(files.refresh(&Batch::new(&self.store, give_up))).await;
        }
        drop(ended);
        self.store.forget_unused_leases();
    }

    /// A login that lasts longer than our patience goes on if a request waits for it, too.
    async fn renew_until(&self, until: UnixMilliseconds, give_up: Deadline, patience: Deadline) {
        let is_paused = self.login_pause().lasts(&self.clock);
        if is_paused || self.store.session().is_good_until(until) {
            return;
        }
        let token = self.clock.before(patience, self.store.session().token(until, give_up)).await;
        let outcome = token.unwrap_or_else(|| {
            let waiting_for = self.store.client().waiting_for();
            Err(Arc::new(Error::Deadline { waiting_for }))
        });
        if let Err(error) = outcome {
            *self.login_pause() = self.clock.pause(PAUSE);
            let hint = error.hint().unwrap_or_default();
            tracing::error!(hint, "cannot log in to Vault: {}", chain(&*error));
        }
    }

    fn login_pause(&self) -> MutexGuard<'_, Pause> {
        self.login_pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing that belongs to this environment may wake up in another: nothing is kept from here to the first
    /// invocation, and the files that are there are due at it.
    async fn prepare_for_snapshot(&self) {
        if let Some(desk) = self.desk.as_ref().filter(|_| !self.variables.is_empty()) {
            // The function's program has not started yet: it is still to have its variables.
            let _ = tokio::time::timeout(ASKING, desk.answered()).await;
            desk.forget();
        }
        self.store.expect_snapshot().await;
        self.files.lock().await.make_due();
    }
}

/// How the start went, until the function is seen to have started.
struct Start(Mutex<Option<Result<(), Failure>>>);

impl Start {
    fn of(outcome: Result<(), Failure>) -> Self {
        Self(Mutex::new(Some(outcome)))
    }

    /// The function is seen to have started: the first time, returns how that went.
    fn is_seen(&self) -> Option<Result<(), Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

type Resolved = Result<Block, Failure>;

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

const TEND_EVERY: Duration = Duration::from_secs(10);
const TEND_LEAST: Duration = Duration::from_secs(1);
/// How long an invocation may be held up by a login that is due: Vault asks AWS in its course.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);
/// How long none is tried at the beginning of an invocation after one that failed.
const PAUSE: Duration = Duration::from_secs(30);
/// How long an invocation may be held up by leases and files that are due.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the start waits for Vault where it can do without.
const LAZY_PATIENCE: Duration = Duration::from_secs(2);
/// How long after the registration a wrapper may begin to ask.
const ASKING: Duration = Duration::from_secs(5);
/// How long the wrapper has to fetch why the environment ends.
const TELLING: Duration = Duration::from_millis(300);
