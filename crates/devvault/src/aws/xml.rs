//! The XML of AWS's query protocol, as STS and IAM write it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use quick_xml::escape::partial_escape;

use super::Service;
use crate::random;

/// An error answer. <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>
#[derive(Debug)]
pub(super) struct AwsError {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) status: StatusCode,
}

impl AwsError {
    pub(super) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: StatusCode::FORBIDDEN }
    }

    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { code: "NoSuchEntity", message: message.into(), status: StatusCode::NOT_FOUND }
    }
}

/// An element with text in it.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", partial_escape(text))
}

/// The whole answer to an action; `result` is XML already.
pub(super) fn answer(
    service: Service,
    action: &str,
    result: Result<String, AwsError>,
) -> Response<Bytes> {
    let namespace = service.namespace();
    let id = random::uuid();
    let (status, document) = match result {
        Ok(result) => (
            StatusCode::OK,
            format!(
                "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
                 <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>\n"
            ),
        ),
        Err(error) => (
            error.status,
            format!(
                "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Sender</Type>{}{}</Error>\
                 <RequestId>{id}</RequestId></ErrorResponse>\n",
                element("Code", error.code),
                element("Message", &error.message)
            ),
        ),
    };
    let mut response = Response::new(Bytes::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
