//! The extensions of an environment and their state machine.
//!
//! States, messages and codes are those of AWS's emulator:
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator/tree/main/internal/lambda/core>

use serde::Deserialize;
use strongroom_lambda_api::extensions::{self, INVALID_EVENT_TYPE};
use strongroom_lambda_api::initialization::InitializationType;
use uuid::Uuid;

use crate::answer::{Answer, Reply};
use crate::api::ErrorTime;
use crate::sandbox::MOST_EXTENSIONS;

/// `errorType` where a call does not fit the extension's state.
const INVALID_STATE: &str = "Extension.InvalidExtensionState";

/// Where an extension stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    ExitError,
    InitError,
    Ready,
    Registered,
    Running,
    Started,
}

/// An extension.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Whether it has called `next` since init or this invocation began.
    pub(crate) arrived: bool,
    pub(crate) external: bool,
    pub(crate) id: Uuid,
    pub(crate) invoke: bool,
    pub(crate) name: String,
    /// An event that it gets when it next asks.
    pending: Option<(&'static str, Answer)>,
    pub(crate) shutdown: bool,
    pub(crate) state: State,
    waiting: Option<Reply>,
}

/// The extensions since the last reset.
#[derive(Debug)]
pub(crate) struct Agents {
    list: Vec<Agent>,
    managed_instances: bool,
    pub(crate) registration: Registration,
}

/// Whether internal extensions may still register.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Registration {
    Closed,
    Open,
}

/// What `register` led to.
pub(crate) struct Registered {
    pub(crate) events: Vec<String>,
    pub(crate) external: bool,
    pub(crate) id: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegisterBody {
    #[serde(default)]
    configuration_keys: Option<Vec<String>>,
    #[serde(default)]
    events: Option<Vec<String>>,
}

impl Agents {
    pub(crate) fn new(initialization: InitializationType) -> Self {
        Self {
            list: Vec::new(),
            managed_instances: initialization == InitializationType::ManagedInstances,
            registration: Registration::Open,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.list.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn find(&mut self, id: Uuid) -> Option<&mut Agent> {
        self.list.iter_mut().find(|agent| agent.id == id)
    }

    /// Notes an extension that is a file in `/opt/extensions`.
    pub(crate) fn add_external(&mut self, name: &str) {
        self.list.push(Agent::new(name, true));
    }

    pub(crate) fn all_external_registered(&self) -> bool {
        self.list.iter().all(|agent| !agent.external || agent.state != State::Started)
    }

    pub(crate) fn all_arrived(&self) -> bool {
        self.list.iter().all(|agent| agent.arrived)
    }

    /// Handles `register`. A name that is no file's makes an internal extension.
    pub(crate) fn register(&mut self, name: &str, body: &[u8]) -> Result<Registered, Answer> {
        let body = parse(body)?;
        let events = body.events.unwrap_or_default();
        let known = self.list.iter().position(|agent| agent.external && agent.name == name);
        self.check_events(&events, known.is_some())?;
        let index = match known {
            Some(index) => index,
            None => self.add_internal(name)?,
        };
        let agent = &mut self.list[index];
        if agent.state != State::Started {
            return Err(not_allowed(agent.state, "Registered", name, self.managed_instances));
        }
        agent.state = State::Registered;
        agent.invoke = events.iter().any(|event| event == "INVOKE");
        agent.shutdown = events.iter().any(|event| event == "SHUTDOWN");
        Ok(Registered { events, external: agent.external, id: agent.id })
    }

    fn check_events(&self, events: &[String], external: bool) -> Result<(), Answer> {
        if self.managed_instances && !external {
            let message = "No events allowed for internal extensions";
            let refused = Answer::forbidden(INVALID_EVENT_TYPE, message);
            return if events.is_empty() { Ok(()) } else { Err(refused) };
        }
        for event in events {
            let reason = match event.as_str() {
                "INVOKE" if !self.managed_instances => continue,
                "SHUTDOWN" if external => continue,
                "SHUTDOWN" => "ShutdownEventNotSupportedForInternalExtension",
                _ => "ErrorInvalidEventType",
            };
            return Err(Answer::forbidden(INVALID_EVENT_TYPE, format_args!("{event}: {reason}")));
        }
        Ok(())
    }

    fn add_internal(&mut self, name: &str) -> Result<usize, Answer> {
        if self.registration == Registration::Closed {
            return Err(Answer::forbidden(
                "Extension.RegistrationClosed",
                "Extension registration closed already",
            ));
        }
        if self.list.len() >= MOST_EXTENSIONS {
            return Err(Answer::forbidden(
                "Extension.TooManyExtensions",
                format_args!("Extension limit ({MOST_EXTENSIONS}) reached"),
            ));
        }
        if self.list.iter().any(|agent| agent.name == name) {
            return Err(Answer::forbidden(
                INVALID_STATE,
                "Extension with this name already registered",
            ));
        }
        self.list.push(Agent::new(name, false));
        Ok(self.list.len() - 1)
    }

    /// Handles `next`. Returns the event that was delivered at once, if there was one.
    pub(crate) fn next(&mut self, id: Uuid, mut reply: Reply) -> Option<(String, &'static str)> {
        let managed = self.managed_instances;
        let Some(agent) = self.find(id) else {
            let message = format_args!("Unknown extension {id}").to_string();
            reply.send(Answer::forbidden("Extension.UnknownExtensionIdentifier", message));
            return None;
        };
        reply.extension = Some(agent.name.clone());
        if !matches!(agent.state, State::Registered | State::Running) {
            let name = id.to_string();
            reply.send(not_allowed(agent.state, "Ready", &name, managed));
            return None;
        }
        agent.state = State::Ready;
        agent.arrived = true;
        agent.waiting = Some(reply);
        let (event, answer) = agent.pending.take()?;
        agent.deliver(event, answer);
        Some((agent.name.clone(), event))
    }

    /// Handles `init/error` and `exit/error`; true if it counts as a failure.
    pub(crate) fn error(
        &mut self,
        id: Uuid,
        when: ErrorTime,
        error_type: Option<&str>,
    ) -> Result<(), Answer> {
        if error_type.is_none() {
            return Err(Answer::forbidden(
                "Extension.MissingHeader",
                "Lambda-Extension-Function-Error-Type not found",
            ));
        }
        let managed = self.managed_instances;
        let Some(agent) = self.find(id) else {
            return Err(Answer::forbidden(
                "Extension.UnknownExtensionIdentifier",
                "Unknown Lambda-Extension-Identifier",
            ));
        };
        // "Exited" is what AWS's emulator writes where it means ExitError.
        let (target, name, allowed): (_, _, &[State]) = match when {
            ErrorTime::Init => {
                (State::InitError, "InitError", &[State::Registered, State::InitError])
            }
            ErrorTime::Exit => (
                State::ExitError,
                "Exited",
                &[State::Registered, State::Ready, State::Running, State::ExitError],
            ),
        };
        if !allowed.contains(&agent.state) {
            return Err(not_allowed(agent.state, name, &id.to_string(), managed));
        }
        agent.state = target;
        Ok(())
    }

    /// Lets those go on that `wanted` picks: a waiting one gets the event now, another when it
    /// asks. Returns the names of those that got it.
    pub(crate) fn release(
        &mut self,
        event: &'static str,
        answer: impl Fn() -> Answer,
        wanted: impl Fn(&Agent) -> bool,
    ) -> Vec<String> {
        let mut delivered = Vec::new();
        for agent in self.list.iter_mut().filter(|agent| wanted(agent)) {
            agent.arrived = false;
            if agent.waiting.is_some() {
                agent.deliver(event, answer());
                delivered.push(agent.name.clone());
            } else {
                agent.pending = Some((event, answer()));
            }
        }
        delivered
    }
}

impl Agent {
    fn new(name: &str, external: bool) -> Self {
        Self {
            arrived: false,
            external,
            id: Uuid::new_v4(),
            invoke: false,
            name: name.to_owned(),
            pending: None,
            shutdown: false,
            state: State::Started,
            waiting: None,
        }
    }

    fn deliver(&mut self, event: &'static str, answer: Answer) {
        let Some(reply) = self.waiting.take() else { return };
        if self.state != State::Ready {
            let name = self.id.to_string();
            let message = "Concurrent state modification";
            reply.send(Answer::forbidden(
                INVALID_STATE,
                format_args!(
                    "State transition from {:?} to Ready failed for extension {name}. Error: {message}",
                    self.state
                ),
            ));
            return;
        }
        self.state = State::Running;
        let answer = match event {
            "INVOKE" => answer
                .with_header("content-type", "application/json")
                .with_header(extensions::EVENT_IDENTIFIER_HEADER, Uuid::new_v4()),
            _ => answer,
        };
        reply.send(answer);
    }
}

fn parse(body: &[u8]) -> Result<RegisterBody, Answer> {
    let invalid = |message: String| Answer::forbidden("InvalidRequestFormat", message);
    if body.is_empty() {
        return Err(invalid("unexpected end of JSON input".to_owned()));
    }
    let body: RegisterBody =
        serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    if body.configuration_keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
        let message = "configurationKeys are deprecated; use environment variables instead";
        return Err(invalid(message.to_owned()));
    }
    Ok(body)
}

fn not_allowed(from: State, to: &str, name: &str, managed_instances: bool) -> Answer {
    let reason = transition_refused(managed_instances);
    Answer::forbidden(
        INVALID_STATE,
        format_args!(
            "State transition from {from:?} to {to} failed for extension {name}. Error: {reason}"
        ),
    )
}

/// The two trees of AWS's emulator spell it differently.
pub(crate) fn transition_refused(managed_instances: bool) -> &'static str {
    if managed_instances {
        "state transition is not allowed"
    } else {
        "State transition is not allowed"
    }
}
