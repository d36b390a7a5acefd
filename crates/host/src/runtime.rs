//! The runtime's state machine and the one invocation that is under way.
//!
//! States and messages are those of AWS's emulator:
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/main/internal/lambda/core/states.go>

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use strongroom_lambda_api::runtime as wire;

use crate::agents::transition_refused;
use crate::answer::{Answer, Reply};
use crate::invocation::{Request, Response, too_large_message};

/// Where the runtime stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum State {
    InitError,
    /// A response of a mode that does not exist was refused; there is no way on from here.
    InvocationResponse,
    Ready,
    ResponseSent,
    RestoreError,
    RestoreReady,
    Restoring,
    Running,
    #[default]
    Started,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two names are the emulator's own slips.
        f.write_str(match self {
            Self::InitError => "InitError",
            Self::InvocationResponse => "InvocationResponse",
            Self::Ready => "Ready",
            Self::ResponseSent => "RuntimeResponseSentState",
            Self::RestoreError => "RuntimeRestoreErrorState",
            Self::RestoreReady => "RestoreReady",
            Self::Restoring => "Restoring",
            Self::Running => "Running",
            Self::Started => "Started",
        })
    }
}

/// The runtime since the last reset.
#[derive(Debug, Default)]
pub(crate) struct RuntimeProcess {
    /// Whether it has called `next` since init or this invocation began.
    pub(crate) arrived: bool,
    pub(crate) current: Option<CurrentInvocation>,
    /// What it reported before its first `next`.
    pub(crate) init_error: Option<Response>,
    pub(crate) state: State,
    waiting: Vec<Reply>,
}

/// The invocation under way.
#[derive(Debug)]
pub(crate) struct CurrentInvocation {
    pub(crate) deadline_ms: u64,
    pub(crate) request: Request,
    pub(crate) request_id: String,
    /// What the caller gets, and since when that is known.
    pub(crate) response: Option<(Response, Instant)>,
    /// The answer to `next`.
    pub(crate) event: Answer,
}

impl CurrentInvocation {
    pub(crate) fn new(request: Request, deadline_ms: u64, function_arn: &str) -> Self {
        let request_id =
            request.request_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let mut event = Answer {
            body: request.payload.clone(),
            error_type: None,
            headers: vec![("content-type", "application/json".to_owned())],
            status: 200,
        }
        .with_header(wire::REQUEST_ID_HEADER, &request_id)
        .with_header(wire::FUNCTION_ARN_HEADER, function_arn)
        .with_header(wire::DEADLINE_HEADER, deadline_ms);
        let optional = [
            (wire::TRACE_ID_HEADER, &request.trace_id),
            (wire::CLIENT_CONTEXT_HEADER, &request.client_context),
        ];
        for (name, value) in optional {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                event = event.with_header(name, value);
            }
        }
        Self { deadline_ms, request, request_id, response: None, event }
    }
}

impl RuntimeProcess {
    /// Handles `invocation/next`.
    pub(crate) fn next(&mut self, reply: Reply) {
        match self.state {
            State::Started | State::Restoring | State::ResponseSent => {
                self.state = State::Ready;
                self.arrived = true;
                self.waiting.push(reply);
            }
            State::Ready => self.waiting.push(reply),
            // A runtime that lost the answer asks again and gets the same.
            State::Running => match &self.current {
                Some(current) => reply.send(current.event.clone()),
                None => reply.send(not_allowed(self.state, "Ready")),
            },
            State::InitError
            | State::InvocationResponse
            | State::RestoreError
            | State::RestoreReady => {
                reply.send(not_allowed(self.state, "Ready"));
            }
        }
    }

    /// Handles `restore/next`.
    pub(crate) fn restore_next(&mut self, reply: Reply) {
        if self.state != State::Started {
            reply.send(not_allowed(self.state, "RestoreReady"));
            return;
        }
        self.state = State::RestoreReady;
        self.arrived = true;
        self.waiting.push(reply);
    }

    /// Ends the wait of `restore/next`.
    pub(crate) fn restore(&mut self) {
        self.state = State::Restoring;
        self.arrived = false;
        let answer = Answer::empty(200);
        self.waiting.drain(..).for_each(|reply| reply.send(answer.clone()));
    }

    /// Handles `restore/error`.
    pub(crate) fn restore_error(&mut self, error_type: &str) -> Answer {
        if self.state != State::Restoring {
            return not_allowed(self.state, &State::RestoreError.to_string());
        }
        self.state = State::RestoreError;
        Answer { error_type: Some(error_type.to_owned()), ..Answer::accepted() }
    }

    /// Gives the current invocation to the runtime: now, or when it next asks.
    pub(crate) fn release(&mut self) {
        let Some(current) = &self.current else { return };
        self.arrived = false;
        self.state = State::Running;
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        if let Some(reply) = waiting.by_ref().find(|reply| !reply.is_closed()) {
            reply.send(current.event.clone());
        }
        self.waiting = waiting.collect();
    }

    pub(crate) fn has_responded(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.response.is_some())
    }

    /// Handles `response`; a payload of `None` was too large.
    pub(crate) fn respond(
        &mut self,
        request_id: &str,
        mode: Option<&str>,
        payload: Option<Bytes>,
    ) -> Answer {
        if !self.is_current(request_id) {
            return invalid_request_id();
        }
        if self.state != State::Running {
            return not_allowed(self.state, "InvocationResponse");
        }
        let (response, answer) = response(mode, payload);
        self.state =
            if answer.status == 400 { State::InvocationResponse } else { State::ResponseSent };
        self.set_response(response);
        answer
    }

    /// Handles `error` of an invocation.
    pub(crate) fn invocation_error(
        &mut self,
        request_id: &str,
        error_type: String,
        body: Bytes,
    ) -> Answer {
        if !self.is_current(request_id) {
            return invalid_request_id();
        }
        if self.state != State::Running {
            return not_allowed(self.state, "InvocationErrorResponse");
        }
        self.state = State::ResponseSent;
        self.set_response(Response { body, error_type: Some(error_type) });
        Answer::accepted()
    }

    /// Handles `init/error`.
    pub(crate) fn init_error(&mut self, error_type: String, body: Bytes) -> Answer {
        if self.state != State::Started {
            return not_allowed(self.state, "InitError");
        }
        self.state = State::InitError;
        let response = Response { body, error_type: Some(error_type) };
        self.init_error = Some(response.clone());
        self.set_response(response);
        Answer::accepted()
    }

    fn is_current(&self, request_id: &str) -> bool {
        self.current.as_ref().is_some_and(|current| current.request_id == request_id)
    }

    fn set_response(&mut self, response: Response) {
        if let Some(current) = &mut self.current {
            current.response.get_or_insert_with(|| (response, Instant::now()));
        }
    }
}

/// What the caller gets for a response, and the runtime for having sent it.
pub(crate) fn response(mode: Option<&str>, payload: Option<Bytes>) -> (Response, Answer) {
    if mode.is_some_and(|mode| !mode.is_empty() && mode != wire::STREAMING) {
        let error_type = Some("Runtime.InvalidResponseModeHeader".to_owned());
        let answer =
            Answer::error(400, "InvalidFunctionResponseMode", "Invalid function response mode");
        return (Response { body: Bytes::new(), error_type }, answer);
    }
    match payload {
        Some(body) => (Response { body, error_type: None }, Answer::accepted()),
        None => {
            let message = too_large_message("Exceeded");
            (Response::too_large(), Answer::error(413, "RequestEntityTooLarge", message))
        }
    }
}

pub(crate) fn invalid_request_id() -> Answer {
    Answer::error(400, "InvalidRequestID", "Invalid request ID")
}

fn not_allowed(from: State, to: &str) -> Answer {
    let reason = transition_refused(false);
    Answer::forbidden(
        "InvalidStateTransition",
        format_args!("State transition from {from} to {to} failed for runtime. Error: {reason}"),
    )
}
