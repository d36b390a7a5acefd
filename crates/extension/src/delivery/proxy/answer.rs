//! From an answer of Vault, or the lack of one, to what the client gets.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use strongroom_vault::error::{Error, chain};
use strongroom_vault::http::ResponseBody;
use strongroom_vault::session::Session;

use crate::store::{Leases, Problem};

/// A body for a client.
pub(in crate::delivery) enum AnswerBody {
    /// These bytes.
    Whole(Bytes),
    /// What Vault sends, as it comes, looked through for leases.
    Streamed(Box<Streamed>),
}

/// A body that is passed on, and what it is looked through for.
pub(in crate::delivery) struct Streamed {
    body: ResponseBody,
    leases: Leases,
    session: Arc<Session>,
}

impl AnswerBody {
    pub(in crate::delivery) fn whole(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    pub(super) fn streamed(body: ResponseBody, session: Arc<Session>) -> Self {
        Self::Streamed(Box::new(Streamed { body, leases: Leases::default(), session }))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(streamed) => {
                let Streamed { body, leases, session } = &mut **streamed;
                let frame = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &frame
                    && let Some(data) = frame.data_ref()
                    && leases.find(data)
                {
                    session.note_lease();
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}

/// An answer of the extension itself, in Vault's form.
pub(super) fn own_error(status: u16, text: &str) -> Response<AnswerBody> {
    let body = serde_json::json!({ "errors": [text] }).to_string();
    let mut response = Response::new(AnswerBody::Whole(body.into()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer that asks the client to come back in a second.
pub(in crate::delivery) fn busy(text: &str) -> Response<AnswerBody> {
    let mut response = own_error(503, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The answer to a client whose request has none of Vault.
pub(in crate::delivery) fn of_problem(problem: &Problem) -> Response<AnswerBody> {
    let status = match problem {
        Problem::Vault(Error::Busy | Error::Unavailable { .. }) => return busy(&explain(problem)),
        Problem::Token(error) if matches!(**error, Error::Unavailable { .. }) => {
            return busy(&explain(problem));
        }
        Problem::Broken(_) | Problem::Defect | Problem::Token(_) => 500,
        Problem::ClientBody => 400,
        Problem::Vault(Error::Deadline { .. }) => 504,
        Problem::Vault(_) => 502,
    };
    own_error(status, &explain(problem))
}

/// What happened, in one line; for the client and for the log.
pub(super) fn explain(problem: &Problem) -> String {
    let with_hint = |attempt: &str, error: &Error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("; hint: {hint}"));
        format!("{attempt}: {}{hint}", chain(error))
    };
    match problem {
        Problem::Broken(error) => with_hint("Vault's answer broke off", error),
        Problem::ClientBody => "the request's body broke off or came too late".to_owned(),
        Problem::Defect => "a defect of the extension; see its log".to_owned(),
        Problem::Token(error) => with_hint("the extension has no Vault token", error),
        Problem::Vault(error) => with_hint("no answer of Vault", error),
    }
}
