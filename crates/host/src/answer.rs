//! Answers of the Runtime and Extensions APIs, byte for byte as AWS's emulator writes them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use strongroom_lambda_api::extensions::ErrorBody;
use tokio::sync::oneshot;

use crate::journal::{Journal, What};

/// An answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) error_type: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) status: u16,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let mut body = escaped_json(body);
        body.push('\n');
        Self {
            body: body.into(),
            error_type: None,
            headers: vec![("content-type", "application/json".to_owned())],
            status,
        }
    }

    pub(crate) fn error(status: u16, error_type: &str, message: impl fmt::Display) -> Self {
        let body =
            ErrorBody { error_message: message.to_string(), error_type: error_type.to_owned() };
        Self { error_type: Some(error_type.to_owned()), ..Self::json(status, &body) }
    }

    pub(crate) fn forbidden(error_type: &str, message: impl fmt::Display) -> Self {
        Self::error(403, error_type, message)
    }

    pub(crate) fn accepted() -> Self {
        #[derive(Serialize)]
        struct Status {
            status: &'static str,
        }
        Self::json(202, &Status { status: "OK" })
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self {
            body: Bytes::copy_from_slice(text.as_bytes()),
            error_type: None,
            headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
            status,
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { body: Bytes::new(), error_type: None, headers: Vec::new(), status }
    }

    pub(crate) fn not_found() -> Self {
        Self::text(404, "404 page not found\n").with_header("x-content-type-options", "nosniff")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// JSON with the three characters escaped that Go escapes.
pub(crate) fn escaped_json(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .expect("structs of strings and numbers always serialize")
        .replace('<', r"\u003c")
        .replace('>', r"\u003e")
        .replace('&', r"\u0026")
}

/// Where an answer goes. It may be kept: an answer to `next` is given when there is an event.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) extension: Option<String>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) request: String,
    pub(crate) sender: oneshot::Sender<Answer>,
}

impl Reply {
    pub(crate) fn send(self, answer: Answer) {
        self.journal.add(What::Answered {
            extension: self.extension,
            request: self.request,
            status: answer.status,
            error_type: answer.error_type.clone(),
        });
        // A client that hung up has lost its answer, with Lambda too.
        drop(self.sender.send(answer));
    }

    /// Whether the client has hung up.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}
