//! Finds out whether something in an answer would end with our token: a lease, or a token that
//! was made with it. Looks at the bytes as they pass, without parsing or holding them.

use memchr::memchr_iter;

/// Looks through the pieces of one answer.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    is_found: bool,
    /// The end of what was seen: a name may be cut by the end of a piece.
    tail: Vec<u8>,
}

/// Whether a whole body holds a lease or a token.
pub(super) fn hold_on(body: &[u8]) -> bool {
    // An underscore stands in both names and is rarer in JSON than anything else of them.
    memchr_iter(b'_', body).any(|at| {
        NAMES.iter().any(|(before, after)| {
            body[..at].ends_with(before)
                && body[at + 1..].strip_prefix(*after).is_some_and(is_followed_by_text)
        })
    })
}

impl Leases {
    /// Looks through the next piece; true once something was found.
    pub(crate) fn find(&mut self, piece: &[u8]) -> bool {
        if self.is_found {
            return true;
        }
        let mut seam = std::mem::take(&mut self.tail);
        seam.extend_from_slice(&piece[..piece.len().min(WINDOW)]);
        self.is_found = hold_on(&seam) || hold_on(piece);
        let recent = if piece.len() < WINDOW { &seam } else { piece };
        self.tail = recent[recent.len().saturating_sub(WINDOW)..].to_vec();
        self.is_found
    }
}

/// Whether a name's value is a text that is not empty.
fn is_followed_by_text(rest: &[u8]) -> bool {
    let mut rest = rest.iter().skip_while(|byte| **byte == b':' || byte.is_ascii_whitespace());
    rest.next() == Some(&b'"') && rest.next().is_some_and(|byte| *byte != b'"')
}

/// Before and after the underscore.
const NAMES: [(&[u8], &[u8]); 2] = [(b"\"lease", b"id\""), (b"\"client", b"token\"")];
/// More than a name, its colon and the begin of its value take.
const WINDOW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_and_tokens_are_found_wherever_the_pieces_are_cut() {
        let check = |body: &str, expect: bool| {
            for cut in 0..=body.len() {
                let mut leases = Leases::default();
                let first = leases.find(&body.as_bytes()[..cut]);
                assert_eq!(
                    first | leases.find(&body.as_bytes()[cut..]),
                    expect,
                    "{body} cut at {cut}"
                );
            }
        };
        check(r#"{"lease_id":"database/creds/r/1"}"#, true);
        check("{\"lease_id\" :\n \"a\"}", true);
        check(r#"{"auth":{"client_token":"hvs.x"}}"#, true);
        check(r#"{"lease_id":"","x":"lease_id"}"#, false);
        check(r#"{"lease_id":"","auth":{"client_token":"t"}}"#, true);
        check(r#"{"lease_id":null,"data":{"a":"b"}}"#, false);
        check(r#"{""lease_id":"a"}"#, true);
        check("", false);
    }
}
