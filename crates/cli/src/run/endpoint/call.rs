//! A call of a function, as it stands in an HTTP request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use strongroom_host::Request;

use super::refusal::Refusal;

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) request: Request,
    pub(super) tail: Tail,
}

/// What the caller waits for. <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    DryRun,
    Event,
    RequestResponse,
}

/// Whether the caller wants the end of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    Unwanted,
    Wanted,
}

impl Call {
    /// What the head of a request says; `name` is the function's, if it has one.
    pub(super) fn parse(head: &Parts, name: Option<&str>) -> Result<Self, Refusal> {
        // Browsers send it with what a page asks for, and no page shall run anybody's function.
        if head.headers.contains_key("origin") {
            return Err(Refusal::web_page());
        }
        let path = head.uri.path();
        let function = path.strip_prefix(FUNCTIONS).and_then(|rest| rest.strip_suffix(INVOCATIONS));
        let Some(function) = function.filter(|_| head.method == Method::POST) else {
            return Err(Refusal::unknown_operation(&head.method, path));
        };
        let function = percent_decode_str(function).decode_utf8_lossy();
        if name.is_some_and(|name| name != name_in(&function)) {
            return Err(Refusal::no_such_function(&function));
        }
        let headers = &head.headers;
        let kind = match text(headers, "x-amz-invocation-type").as_deref() {
            None | Some("RequestResponse") => Kind::RequestResponse,
            Some("Event") => Kind::Event,
            Some("DryRun") => Kind::DryRun,
            Some(other) => return Err(Refusal::parameter(&format!("invocation type {other}"))),
        };
        let tail = match text(headers, "x-amz-log-type").as_deref() {
            None | Some("None") => Tail::Unwanted,
            Some("Tail") => Tail::Wanted,
            Some(other) => return Err(Refusal::parameter(&format!("log type {other}"))),
        };
        let context = text(headers, "x-amz-client-context");
        let context = context.map(|context| client_context(&context)).transpose()?;
        let request = Request {
            client_context: context,
            payload: Bytes::new(),
            request_id: Some(uuid::Uuid::new_v4().to_string()),
            trace_id: text(headers, "x-amzn-trace-id"),
        };
        Ok(Self { kind, request, tail })
    }

    /// The event.
    pub(super) fn add(&mut self, event: Bytes) -> Result<(), Refusal> {
        // Of nothing Lambda makes an empty object.
        let event = if event.is_empty() { Bytes::from_static(b"{}") } else { event };
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&event) {
            return Err(Refusal::content(&format!(
                "Could not parse request body into json: {error}"
            )));
        }
        self.request.payload = event;
        Ok(())
    }

    pub(super) fn id(&self) -> String {
        self.request.request_id.clone().unwrap_or_default()
    }
}

/// What the function is called in a name, an ARN or a part of one, with or without a version.
fn name_in(reference: &str) -> &str {
    let parts: Vec<_> = reference.split(':').collect();
    let function = parts.iter().position(|part| *part == "function");
    let at = function.map_or(0, |at| at + 1);
    parts.get(at).copied().unwrap_or_default()
}

fn client_context(header: &str) -> Result<String, Refusal> {
    let context = STANDARD.decode(header).ok().and_then(|json| String::from_utf8(json).ok());
    // It becomes a header, which has no line breaks.
    let context = context.filter(|context| !context.contains(['\r', '\n']));
    context.ok_or_else(|| Refusal::content("the client context is no JSON in base64"))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

const FUNCTIONS: &str = "/2015-03-31/functions/";
const INVOCATIONS: &str = "/invocations";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, headers: &[(&str, &str)], name: Option<&str>) -> Result<Call, u16> {
        let mut request = http::Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Call::parse(&head, name).map_err(|refusal| refusal.into_response().status().as_u16())
    }

    #[test]
    fn a_function_is_known_by_its_name_its_arn_and_parts_of_that() {
        let check = |function: &str, status: Option<u16>| {
            let path = format!("/2015-03-31/functions/{function}/invocations");
            assert_eq!(parse(&path, &[], Some("mine")).err(), status, "{function}");
            assert!(parse(&path, &[], None).is_ok(), "{function}");
        };
        check("mine", None);
        check("mine:live", None);
        check("mine%3Alive", None);
        check("arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Amine", None);
        check("arn:aws:lambda:us-east-1:123456789012:function:mine:7", None);
        check("123456789012:function:mine", None);
        check("other", Some(404));
        check("arn:aws:lambda:us-east-1:123456789012:function:other", Some(404));
    }

    #[test]
    fn what_is_no_invocation_is_refused() {
        let path = "/2015-03-31/functions/f/invocations";
        let check = |path: &str, headers: &[(&str, &str)], status: u16| {
            assert_eq!(parse(path, headers, None).err(), Some(status), "{path} {headers:?}");
        };
        check("/2015-03-31/functions/f", &[], 404);
        check("/2021-11-15/functions/f/response-streaming-invocations", &[], 404);
        check(path, &[("x-amz-invocation-type", "Perhaps")], 400);
        check(path, &[("x-amz-log-type", "All")], 400);
        check(path, &[("x-amz-client-context", "%")], 400);
        check(path, &[("origin", "http://evil.example")], 403);
        let call = parse(path, &[("x-amz-client-context", "eyJhIjoxfQ==")], None).unwrap();
        assert_eq!(call.request.client_context.as_deref(), Some("{\"a\":1}"));
    }

    #[test]
    fn an_event_is_json_and_nothing_is_an_empty_object() {
        let mut call = parse("/2015-03-31/functions/f/invocations", &[], None).unwrap();
        assert!(call.add(Bytes::from_static(b"{")).is_err());
        call.add(Bytes::new()).unwrap();
        assert_eq!(call.request.payload, "{}");
        call.add(Bytes::from_static(b"[1, 2]")).unwrap();
        assert_eq!(call.request.payload, "[1, 2]");
    }
}
