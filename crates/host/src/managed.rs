//! Managed Instances: many invocations at once, told to the runtime only, and no reset.
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-runtimes.html>

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::HostError;
use crate::answer::{Answer, Reply};
use crate::environment::{Environment, Fixed, Life, epoch_ms};
use crate::invocation::{Invocation, Request, Response};
use crate::journal::What;
use crate::runtime::{CurrentInvocation, invalid_request_id, response};
use strongroom_lambda_api::runtime::INVOCATION_ID_HEADER;

/// The invocations under way, and the requests of the runtime for more.
#[derive(Debug, Default)]
pub(crate) struct Managed {
    in_flight: Vec<InFlight>,
    /// Identifiers of invocations whose callers gave up.
    overdue: VecDeque<String>,
    waiting: VecDeque<Reply>,
}

/// How many identifiers of overdue invocations are remembered.
const MOST_OVERDUE: usize = 256;

#[derive(Debug)]
struct InFlight {
    current: CurrentInvocation,
    deadline: Instant,
    delivered: bool,
    reply: oneshot::Sender<Result<Invocation, HostError>>,
    start: Instant,
}

impl InFlight {
    fn finish(self, response: Response) {
        let duration = self.start.elapsed();
        let invocation = Invocation {
            duration,
            function_error: response.error_type,
            init: None,
            payload: response.body,
            request_id: self.current.request_id,
            reset: None,
            responded: duration,
        };
        // The caller may have gone.
        drop(self.reply.send(Ok(invocation)));
    }
}

impl Managed {
    /// Handles `invocation/next`, of which there may be many.
    pub(crate) fn poll(&mut self, reply: Reply, fixed: &Fixed) {
        self.waiting.push_back(reply);
        self.deliver(fixed);
    }

    fn deliver(&mut self, fixed: &Fixed) {
        self.waiting.retain(|reply| !reply.is_closed());
        for invocation in self.in_flight.iter_mut().filter(|invocation| !invocation.delivered) {
            let Some(reply) = self.waiting.pop_front() else { return };
            invocation.delivered = true;
            let request_id = invocation.current.request_id.clone();
            fixed.journal.add(What::InvocationStarted { request_id });
            let event = invocation.current.event.clone();
            reply.send(event.with_header(INVOCATION_ID_HEADER, uuid::Uuid::new_v4()));
        }
    }

    fn take(&mut self, request_id: &str) -> Result<InFlight, Answer> {
        if self.overdue.iter().any(|overdue| overdue == request_id) {
            return Err(Answer::error(410, "InvokeTimeout", "Invoke timeout"));
        }
        let found = self.in_flight.iter().position(|invocation| {
            invocation.delivered && invocation.current.request_id == request_id
        });
        found.map(|index| self.in_flight.swap_remove(index)).ok_or_else(invalid_request_id)
    }

    /// Handles `response`.
    pub(crate) fn respond(
        &mut self,
        request_id: &str,
        mode: Option<&str>,
        payload: Option<Bytes>,
    ) -> Answer {
        match self.take(request_id) {
            Err(answer) => answer,
            Ok(invocation) => {
                let (response, answer) = response(mode, payload);
                invocation.finish(response);
                answer
            }
        }
    }

    /// Handles `error` of an invocation.
    pub(crate) fn fail(&mut self, request_id: &str, error_type: String, body: Bytes) -> Answer {
        match self.take(request_id) {
            Err(answer) => answer,
            Ok(invocation) => {
                invocation.finish(Response { body, error_type: Some(error_type) });
                Answer::accepted()
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.in_flight.iter().map(|invocation| invocation.deadline).min()
    }
}

impl Environment {
    pub(crate) fn invoke_managed(
        &mut self,
        request: Request,
        reply: oneshot::Sender<Result<Invocation, HostError>>,
    ) {
        let refused = match &self.life {
            Life::Unhealthy { error_type } => {
                Some(HostError::Unhealthy { error_type: error_type.clone() })
            }
            Life::Ended => Some(HostError::Ended),
            _ => None,
        };
        if let Some(error) = refused {
            return drop(reply.send(Err(error)));
        }
        let start = Instant::now();
        let config = &self.fixed.config;
        let timeout = config.timeout;
        let current =
            CurrentInvocation::new(request, epoch_ms(config, timeout), &config.function_arn());
        let invocation =
            InFlight { current, deadline: start + timeout, delivered: false, reply, start };
        if self.managed.in_flight.len() >= usize::from(config.max_concurrency) {
            return invocation.finish(Response {
                body: Bytes::from_static(br#"{"errorType":"Runtime.Unavailable"}"#),
                error_type: Some("Runtime.Unavailable".to_owned()),
            });
        }
        self.managed.in_flight.push(invocation);
        self.managed.deliver(&self.fixed);
    }

    /// Answers callers whose time is up. The handler goes on: Lambda does not stop it here.
    pub(crate) fn time_out_managed(&mut self) {
        let now = Instant::now();
        let late = |invocation: &mut InFlight| invocation.deadline <= now;
        let timeout = self.fixed.config.timeout;
        for invocation in self.managed.in_flight.extract_if(.., late) {
            let request_id = invocation.current.request_id.clone();
            let response = Response::timed_out(&request_id, timeout, jiff::Timestamp::now());
            self.managed.overdue.push_back(request_id);
            if self.managed.overdue.len() > MOST_OVERDUE {
                self.managed.overdue.pop_front();
            }
            invocation.finish(response);
        }
    }

    /// After a failure Lambda replaces the environment; this one is done.
    pub(crate) fn note_unhealthy(&mut self) {
        let Some(message) = self.cancelled.clone() else { return };
        if self.is_managed() && matches!(self.life, Life::Ready { .. }) {
            let error_type = self.first_failure();
            self.fail_managed(&error_type, &message);
            self.life = Life::Unhealthy { error_type };
        }
    }

    pub(crate) fn fail_managed(&mut self, error_type: &str, message: &str) {
        for invocation in self.managed.in_flight.drain(..) {
            let id = invocation.current.request_id.clone();
            invocation.finish(Response::failure(error_type, &id, message));
        }
    }
}
