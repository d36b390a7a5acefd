//! Tells Lambda why the function's program is not started, so that the caller of the function reads it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::deadline::{Deadline, Timed};
use crate::failure::Failure;
use crate::json::Object;

/// Reports `failure` to the Runtime API at `address`, which Lambda gives as numbers and a port.
///
/// # Errors
/// Why Lambda does not know of it, in words.
pub(crate) fn init_error(address: &str, failure: &Failure) -> Result<(), String> {
    let server: SocketAddr =
        address.parse().map_err(|_| "AWS_LAMBDA_RUNTIME_API is no IP address with a port")?;
    let status = post(server, &request(address, failure)).map_err(|error| error.to_string())?;
    if status == ACCEPTED { Ok(()) } else { Err(format!("init/error was answered with {status}")) }
}

fn request(host: &str, failure: &Failure) -> String {
    let error_type = failure.category.error_type();
    let body = Object::default()
        .string("errorMessage", &failure.to_string())
        .string("errorType", error_type)
        .raw("stackTrace", "[]")
        .end();
    let length = body.len();
    format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {host}\r\n\
         Lambda-Runtime-Function-Error-Type: {error_type}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The status with which it was answered. Lambda is not told until it has answered.
fn post(server: SocketAddr, request: &str) -> io::Result<u16> {
    let deadline = Deadline::after(PATIENCE);
    let socket = TcpStream::connect_timeout(&server, PATIENCE)?;
    let mut stream = Timed { socket, deadline };
    stream.write_all(request.as_bytes())?;
    // "HTTP/1.1 202"
    let mut begin = [0; 12];
    stream.read_exact(&mut begin)?;
    let status =
        begin.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(&rest[2..]).ok());
    status
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP"))
}

const ACCEPTED: u16 = 202;
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use strongroom_core::wrapper::Category;

    use super::*;

    #[test]
    fn an_address_that_lambda_does_not_give_is_not_asked() {
        let failure = Failure { category: Category::NotFound, message: "x".to_owned(), hint: None };
        for address in ["", "localhost", "127.0.0.1", "example.com:80", "127.0.0.1:x"] {
            let reason = init_error(address, &failure).unwrap_err();
            assert!(reason.contains("AWS_LAMBDA_RUNTIME_API"), "{reason}");
        }
    }
}
