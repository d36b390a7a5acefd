//! Finds out whether something in an answer would end with our token: a lease, or a token that
//! was made with it. Looks at the bytes as they pass, without parsing or holding them.

/// Looks through the pieces of one answer.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// How much of each name has been seen.
    matched: [usize; NAMES.len()],
    state: State,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// After a name: blanks and a colon may follow.
    AfterName,
    /// After the quote that opens the value: another quote means that it is empty.
    AtValue,
    #[default]
    Elsewhere,
    /// Something is leased.
    Found,
}

const NAMES: [&[u8]; 2] = [b"\"lease_id\"", b"\"client_token\""];

/// Whether a whole body holds a lease or a token.
pub(super) fn hold_on(body: &[u8]) -> bool {
    Leases::default().find(body)
}

impl Leases {
    /// Looks through the next piece; true once something was found.
    pub(crate) fn find(&mut self, piece: &[u8]) -> bool {
        for &byte in piece {
            match self.state {
                State::Found => return true,
                State::AtValue => {
                    self.state = if byte == b'"' { State::Elsewhere } else { State::Found }
                }
                State::AfterName if byte == b'"' => self.state = State::AtValue,
                State::AfterName if byte == b':' || byte.is_ascii_whitespace() => {}
                // No text follows, such as null: look on.
                State::AfterName => self.state = State::Elsewhere,
                State::Elsewhere => self.match_names(byte),
            }
        }
        self.state == State::Found
    }

    fn match_names(&mut self, byte: u8) {
        for (matched, name) in self.matched.iter_mut().zip(NAMES) {
            // The first byte of a name, a quote, stands again only at its end: no partial restarts.
            *matched =
                if name[*matched] == byte { *matched + 1 } else { usize::from(byte == b'"') };
            if *matched == name.len() {
                *matched = 0;
                self.state = State::AfterName;
            }
        }
        if self.state == State::AfterName {
            self.matched = [0; NAMES.len()];
        }
    }
}

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
