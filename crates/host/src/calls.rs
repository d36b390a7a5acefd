//! What each request of a process means to the environment.

use bytes::Bytes;
use serde::Serialize;
use strongroom_lambda_api::extensions;

use crate::answer::{Answer, Reply, escaped_json};
use crate::api::{Call, ErrorTime};
use crate::config::InitializationType;
use crate::environment::Environment;
use crate::invocation::Response;
use crate::journal::What;

impl Environment {
    pub(crate) fn call(&mut self, call: Call, reply: Reply) {
        match call {
            Call::Credentials { token } => reply.send(self.answer_credentials(token.as_deref())),
            Call::ExtensionError { error_type, identifier, when } => {
                self.extension_error(identifier, when, error_type.as_deref(), reply);
            }
            Call::ExtensionNext { identifier } => {
                let ready = self.agents.find(identifier).is_some_and(|agent| agent.arrived);
                let sent = self.agents.next(identifier, reply);
                if let Some(agent) = self.agents.find(identifier)
                    && agent.arrived
                    && !ready
                {
                    let extension = Some(agent.name.clone());
                    self.observe(What::Ready { extension });
                }
                if let Some((extension, event)) = sent {
                    self.observe(What::Sent { extension, event: event.to_owned() });
                }
            }
            Call::Register { body, name, wants_account } => {
                reply.send(self.register(&name, &body, wants_account));
            }
            Call::RuntimeNext if self.is_managed() => {
                self.runtime.arrived = true;
                self.managed.poll(reply, &self.fixed);
            }
            Call::InvocationResponse { mode, payload, request_id } if self.is_managed() => {
                reply.send(self.managed.respond(&request_id, mode.as_deref(), payload));
            }
            Call::InvocationError { body, error_type, request_id } if self.is_managed() => {
                reply.send(self.managed.fail(&request_id, error_type, body));
            }
            Call::RuntimeNext => {
                let ready = std::mem::replace(&mut self.runtime.arrived, false);
                self.runtime.next(reply);
                if self.runtime.arrived && !ready {
                    self.observe(What::Ready { extension: None });
                }
                self.runtime.arrived |= ready;
            }
            Call::InvocationResponse { mode, payload, request_id } => {
                reply.send(self.runtime.respond(&request_id, mode.as_deref(), payload));
            }
            Call::InvocationError { body, error_type, request_id } => {
                reply.send(self.runtime.invocation_error(&request_id, error_type, body));
            }
            Call::InitError { body, error_type } => {
                reply.send(self.runtime.init_error(error_type, body));
            }
            Call::RestoreNext | Call::RestoreError { .. }
                if self.fixed.config.initialization != InitializationType::SnapStart =>
            {
                reply.send(Answer::not_found());
            }
            Call::RestoreNext => self.runtime.restore_next(reply),
            Call::RestoreError { body, error_type } => {
                reply.send(self.restore_error(error_type, body));
            }
        }
    }

    fn register(&mut self, name: &str, body: &Bytes, wants_account: bool) -> Answer {
        let registered = match self.agents.register(name, body) {
            Ok(registered) => registered,
            Err(answer) => return answer,
        };
        self.observe(What::Registered {
            extension: name.to_owned(),
            external: registered.external,
            events: registered.events,
        });
        let config = &self.fixed.config;
        // In the order of AWS's emulator, which is not that of the shared type.
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            account_id: Option<&'a str>,
            function_name: &'a str,
            function_version: &'a str,
            handler: &'a str,
        }
        let body = Body {
            account_id: wants_account.then_some(config.account_id.as_str()),
            function_name: &config.function_name,
            function_version: "$LATEST",
            handler: &config.function.handler,
        };
        Answer::json(200, &body).with_header(extensions::IDENTIFIER_HEADER, registered.id)
    }

    fn extension_error(
        &mut self,
        identifier: uuid::Uuid,
        when: ErrorTime,
        error_type: Option<&str>,
        mut reply: Reply,
    ) {
        reply.extension = self.agents.find(identifier).map(|agent| agent.name.clone());
        let answer = match self.agents.error(identifier, when, error_type) {
            Err(answer) => answer,
            Ok(()) => {
                let failure = match when {
                    ErrorTime::Init => "Extension.InitError",
                    ErrorTime::Exit => "Extension.ExitError",
                };
                if !self.shutting_down {
                    self.fail(failure);
                }
                Answer::accepted()
            }
        };
        reply.send(answer);
    }

    fn restore_error(&mut self, error_type: String, body: Bytes) -> Answer {
        let answer = self.runtime.restore_error(&error_type);
        if answer.status == 202 {
            self.fail(&error_type);
            self.cancelled.get_or_insert_with(|| error_type.clone());
            self.runtime.init_error = Some(Response { body, error_type: Some(error_type) });
        }
        answer
    }

    /// The endpoint behind `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
    fn answer_credentials(&self, token: Option<&str>) -> Answer {
        use secrecy::ExposeSecret as _;

        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            access_key_id: &'a str,
            secret_access_key: &'a str,
            token: &'a str,
            expiration: &'a str,
        }
        if self.fixed.config.initialization != InitializationType::SnapStart {
            return Answer::not_found();
        }
        if token != Some(self.fixed.credentials_token.as_str()) {
            return Answer::text(404, "cannot get credentials for the provided token\n")
                .with_header("x-content-type-options", "nosniff");
        }
        let body = escaped_json(&Body {
            access_key_id: &self.credentials.access_key_id,
            secret_access_key: self.credentials.secret_access_key.expose_secret(),
            token: self.credentials.session_token.expose_secret(),
            expiration: &self.credentials.expiration,
        });
        Answer::text(200, &body)
    }
}
