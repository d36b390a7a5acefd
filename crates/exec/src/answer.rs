//! The extension's answer, from bytes that may come in any pieces and may be anything.
//!
//! `200` with `application/octet-stream` is variables; every other status is a refusal in words.

use std::io::{self, Read};

use strongroom_core::wrapper::Category;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// What the extension said.
pub(crate) enum Answer {
    /// Why the program may not be started.
    Refused(Failure),
    /// Why variables are given no longer, which is nothing to a program that needs none.
    TooLate(Failure),
    /// `NAME=value` and a NUL, for each variable; possibly none.
    Variables(Zeroizing<Vec<u8>>),
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// The other end went away first.
    #[error("it ended before its answer was complete")]
    Closed,
    /// These are not the words of the extension.
    #[error("its answer {0}")]
    Garbled(&'static str),
    /// Reading failed.
    #[error("its answer cannot be read: {0}")]
    Unreadable(io::Error),
}

/// The status with which the extension says that variables are given no longer.
const FORBIDDEN: u16 = 403;

/// Reads one answer, and no more than is needed for it.
pub(crate) fn read(source: &mut impl Read) -> Result<Answer, Broken> {
    let mut buffer = Zeroizing::new(vec![0; LARGEST_HEAD]);
    let mut filled = 0;
    let (head, begin) = loop {
        let count = read_some(source, &mut buffer[filled..])?;
        filled += count;
        if let Some(found) = Head::parse(&buffer[..filled])? {
            break found;
        }
        if filled == buffer.len() {
            return Err(Broken::Garbled("has a head above 8 KiB"));
        }
    };
    let early = &buffer[begin..filled];
    if early.len() > head.length {
        return Err(Broken::Garbled("is longer than it says"));
    }
    // In one allocation, as what grows leaves copies behind.
    let mut body = Zeroizing::new(vec![0; head.length]);
    body[..early.len()].copy_from_slice(early);
    let mut filled = early.len();
    while filled < body.len() {
        filled += read_some(source, &mut body[filled..])?;
    }
    Ok(head.with(body))
}

/// What of an answer's head matters.
struct Head {
    length: usize,
    status: u16,
}

impl Head {
    /// The head, and where the body begins; `None` if it is not yet complete.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let begin = match response.parse(bytes) {
            Ok(httparse::Status::Complete(begin)) => begin,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Broken::Garbled("is no HTTP")),
        };
        let status = response.code.unwrap_or_default();
        let value = |name: &str| {
            let mut named =
                response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            let value = named.next().and_then(|header| std::str::from_utf8(header.value).ok());
            value.filter(|_| named.next().is_none())
        };
        let kind = value("content-type").unwrap_or_default();
        let (kind_is_ours, largest) = match status {
            200 => (kind == "application/octet-stream", LARGEST_VARIABLES),
            _ => (kind.starts_with("text/plain"), LARGEST_REFUSAL),
        };
        if !kind_is_ours || value("transfer-encoding").is_some() {
            return Err(Broken::Garbled("is not of the extension"));
        }
        let length = value("content-length")
            .filter(|length| length.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|length| length.parse().ok());
        let length = length.ok_or(Broken::Garbled("does not say how long it is"))?;
        if length > largest {
            return Err(Broken::Garbled("is longer than any that can be used"));
        }
        Ok(Some((Self { length, status }, begin)))
    }

    fn with(self, body: Zeroizing<Vec<u8>>) -> Answer {
        match self.status {
            200 => Answer::Variables(body),
            _ => {
                let message = String::from_utf8_lossy(&body).trim().to_owned();
                let category = Category::SecretUnavailable;
                let failure = Failure { category, message, hint: None };
                if self.status == FORBIDDEN {
                    Answer::TooLate(failure)
                } else {
                    Answer::Refused(failure)
                }
            }
        }
    }
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Broken> {
    loop {
        match source.read(buffer) {
            Ok(0) => return Err(Broken::Closed),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(Broken::Closed);
            }
            Err(error) => return Err(Broken::Unreadable(error)),
        }
    }
}

const LARGEST_HEAD: usize = 8 * 1024;
const LARGEST_REFUSAL: usize = 16 * 1024;
/// The kernel takes 6 MiB of arguments and variables at most:
/// <https://man7.org/linux/man-pages/man2/execve.2.html>
const LARGEST_VARIABLES: usize = 6 * 1024 * 1024;
const MOST_HEADERS: usize = 16;

/// For the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    use super::*;
    use crate::variables;

    /// Answers on the extension's socket: what is taken for variables is all of the body.
    ///
    /// # Panics
    /// If it is not.
    pub fn wrapper_answer(bytes: &[u8]) {
        let mut source = bytes;
        let Ok(Answer::Variables(body)) = read(&mut source) else { return };
        assert!(bytes.ends_with(&body), "the body is the end of the answer");
        let Ok(variables) = variables::parse(&body) else { return };
        let again: usize = variables.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        assert_eq!(again, body.len(), "nothing of the body is left out");
        assert!(variables.iter().all(|(name, _)| !name.is_empty()), "each has a name");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of the given sizes, again and again.
    struct Pieces<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl<'a> Pieces<'a> {
        fn new(bytes: &'a [u8], sizes: &'a [usize]) -> Self {
            Self { bytes, sizes: sizes.iter().cycle() }
        }
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.next().copied().unwrap_or(usize::MAX);
            let count = size.min(buffer.len()).min(self.bytes.len());
            let (now, later) = self.bytes.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.bytes = later;
            Ok(count)
        }
    }

    /// What the answer says, in one string.
    fn said(bytes: &[u8]) -> String {
        match read(&mut Pieces::new(bytes, &[usize::MAX])) {
            Ok(Answer::Variables(body)) => format!("variables {}", String::from_utf8_lossy(&body)),
            Ok(Answer::Refused(failure)) => {
                format!("{}: {}", failure.category.error_type(), failure.message)
            }
            Ok(Answer::TooLate(failure)) => format!("too late: {}", failure.message),
            Err(broken) => broken.to_string(),
        }
    }

    fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    }

    const BYTES: &str = "Content-Type: application/octet-stream";
    const TEXT: &str = "content-type: text/plain; charset=utf-8";

    #[test]
    fn variables_and_refusals_are_told_apart_by_the_status() {
        assert_eq!(said(&answer("200 OK", BYTES, "A=b\0")), "variables A=b\0");
        assert_eq!(said(&answer("200 OK", BYTES, "")), "variables ");
        let unavailable = "Runtime.StrongroomSecretUnavailable: no secret at kv/data/app";
        let text = " no secret at kv/data/app\n";
        for status in ["503 Service Unavailable", "404 Not Found", "500 Oh"] {
            assert_eq!(said(&answer(status, TEXT, text)), unavailable);
        }
        let too_late = "too late: no secret at kv/data/app";
        assert_eq!(said(&answer("403 Forbidden", TEXT, text)), too_late);
    }

    #[test]
    fn what_the_extension_does_not_say_is_refused() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(said(bytes), expect);
        let foreign = "its answer is not of the extension";
        check(b"SSH-2.0-OpenSSH_9.2\r\n", "its answer is no HTTP");
        check(&answer("200 OK", "Content-Type: text/html", "<html>"), foreign);
        check(&answer("500 Oh", "Content-Type: text/html", "<html>"), foreign);
        check(&answer("200 OK", "X: y", "A=b\0"), foreign);
        check(&answer("200 OK", &format!("{BYTES}\r\n{BYTES}"), "A=b\0"), foreign);
        let chunked = format!("{BYTES}\r\nTransfer-Encoding: chunked");
        check(&answer("200 OK", &chunked, "A=b\0"), foreign);
        let no_length = "its answer does not say how long it is";
        check(format!("HTTP/1.1 200 OK\r\n{BYTES}\r\n\r\nA=b\0").as_bytes(), no_length);
        for length in ["", "-1", "+4", "4, 4", "4\r\nContent-Length: 4", "99999999999999999999"] {
            let head = format!("HTTP/1.1 200 OK\r\n{BYTES}\r\nContent-Length: {length}\r\n\r\n");
            check(head.as_bytes(), no_length);
        }
        let head = format!("HTTP/1.1 200 OK\r\n{BYTES}\r\nContent-Length: 6291457\r\n\r\n");
        check(head.as_bytes(), "its answer is longer than any that can be used");
        let mut longer = answer("200 OK", BYTES, "A=b\0");
        longer.push(b'C');
        check(&longer, "its answer is longer than it says");
        let long_head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(LARGEST_HEAD));
        check(long_head.as_bytes(), "its answer has a head above 8 KiB");
        check(b"", "it ended before its answer was complete");
    }

    proptest! {
        #[test]
        fn an_answer_is_the_same_in_whatever_pieces_it_comes(
            body in proptest::collection::vec(any::<u8>(), 0..2000),
            sizes in proptest::collection::vec(1usize..700, 1..20),
        ) {
            let mut bytes = answer("200 OK", BYTES, &"x".repeat(body.len()));
            let begin = bytes.len() - body.len();
            bytes[begin..].copy_from_slice(&body);
            let read = read(&mut Pieces::new(&bytes, &sizes));
            prop_assert!(matches!(read, Ok(Answer::Variables(read)) if *read == body));
        }

        #[test]
        fn a_truncated_answer_is_never_taken(
            body in "[A-Z]{1,9}=[a-z]{0,300}", cut in 0.0..1.0f64, size in 1usize..400,
        ) {
            let bytes = answer("200 OK", BYTES, &body);
            let kept = (bytes.len() as f64 * cut) as usize;
            let sizes = [size];
            let read = read(&mut Pieces::new(&bytes[..kept], &sizes));
            prop_assert!(matches!(read, Err(Broken::Closed)));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(
            begin in "(HTTP/1.1 [0-9]{3} )?", bytes in proptest::collection::vec(any::<u8>(), 0..600),
            size in 1usize..100,
        ) {
            let bytes = [begin.into_bytes(), bytes].concat();
            let sizes = [size];
            let _ = read(&mut Pieces::new(&bytes, &sizes));
        }
    }
}
