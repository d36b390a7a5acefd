//! What Vault said of its replication, sent with what follows: so a read sees the write before it, whichever node of
//! the cluster answers. <https://developer.hashicorp.com/vault/docs/enterprise/consistency>
//!
//! A state is `v1:<cluster>:<local index>:<replicated index>:<HMAC>` in base64, as Vault's own clients read it:
//! <https://pkg.go.dev/github.com/hashicorp/vault/api#ParseReplicationState>

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue};

use crate::client::INDEX;

/// The latest states of each cluster that was heard of.
#[derive(Debug, Default)]
pub(crate) struct Consistency(Mutex<Vec<State>>);

#[derive(Clone, Debug)]
struct State {
    /// `None` for one in another form, which replaces the one before it.
    position: Option<Position>,
    header: HeaderValue,
}

#[derive(Clone, Debug)]
struct Position {
    cluster: String,
    local: u64,
    replicated: u64,
}

impl Consistency {
    /// Notes the states of an answer.
    pub(crate) fn note(&self, answer: &HeaderMap) {
        for header in answer.get_all(INDEX).iter().filter(|header| is_usable(header)) {
            let state = State { position: Position::parse(header), header: header.clone() };
            let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.position.is_some() && states.iter().any(|known| known.covers(&state)) {
                continue;
            }
            // Neither of two that are ahead of each other in one index covers the other: both are kept.
            states.retain(|known| !state.covers(known));
            if states.len() == MOST_STATES {
                states.remove(0);
            }
            states.push(state);
        }
    }

    /// Asks for an answer that is not behind what was noted, unless the request says itself what it asks for.
    pub(crate) fn ask(&self, request: &mut HeaderMap) {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.is_empty() || request.contains_key(INDEX) {
            return;
        }
        for state in states.iter() {
            request.append(INDEX, state.header.clone());
        }
    }
}

impl State {
    /// Whether who has this state has the other one, too.
    fn covers(&self, other: &Self) -> bool {
        match (&self.position, &other.position) {
            (Some(own), Some(other)) => own.covers(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Position {
    fn parse(header: &HeaderValue) -> Option<Self> {
        let text = String::from_utf8(BASE64.decode(header.as_bytes()).ok()?).ok()?;
        let mut parts = text.splitn(5, ':');
        if parts.next()? != "v1" {
            return None;
        }
        let cluster = parts.next()?.to_owned();
        let (local, replicated) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next()?;
        Some(Self { cluster, local, replicated })
    }

    fn covers(&self, other: &Self) -> bool {
        self.cluster == other.cluster
            && self.local >= other.local
            && self.replicated >= other.replicated
    }
}

fn is_usable(header: &HeaderValue) -> bool {
    !header.is_empty() && header.len() <= LONGEST_STATE
}

const LONGEST_STATE: usize = 1024;
/// States at once: far more than there are clusters behind one address.
const MOST_STATES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(cluster: &str, local: u64, replicated: u64) -> HeaderValue {
        let state = BASE64.encode(format!("v1:{cluster}:{local}:{replicated}:hmac"));
        HeaderValue::from_str(&state).unwrap()
    }

    fn asked_after(answers: &[HeaderValue]) -> Vec<HeaderValue> {
        let consistency = Consistency::default();
        for answer in answers {
            consistency.note(&HeaderMap::from_iter([(INDEX, answer.clone())]));
        }
        let mut request = HeaderMap::new();
        consistency.ask(&mut request);
        request.get_all(INDEX).iter().cloned().collect()
    }

    #[test]
    fn the_latest_state_of_each_cluster_is_asked_for() {
        let check = |answers: &[HeaderValue], expect: &[HeaderValue]| {
            assert_eq!(asked_after(answers), expect);
        };
        check(&[], &[]);
        check(&[header("a", 1, 1)], &[header("a", 1, 1)]);
        check(&[header("a", 1, 1), header("a", 2, 1)], &[header("a", 2, 1)]);
        check(&[header("a", 2, 1), header("a", 1, 1)], &[header("a", 2, 1)]);
        check(&[header("a", 2, 1), header("a", 1, 2)], &[header("a", 2, 1), header("a", 1, 2)]);
        check(&[header("a", 2, 1), header("a", 1, 2), header("a", 2, 2)], &[header("a", 2, 2)]);
        check(&[header("a", 2, 2), header("b", 1, 1)], &[header("a", 2, 2), header("b", 1, 1)]);
    }

    #[test]
    fn states_of_another_form_replace_each_other() {
        let opaque = HeaderValue::from_static;
        let check = |answers: &[HeaderValue], expect: &[HeaderValue]| {
            assert_eq!(asked_after(answers), expect);
        };
        check(&[opaque("")], &[]);
        check(&[opaque("1"), opaque("djE6YTox"), opaque("###")], &[opaque("###")]);
        check(&[opaque("1"), header("a", 1, 1), opaque("2")], &[header("a", 1, 1), opaque("2")]);
    }

    #[test]
    fn no_answer_makes_it_keep_much() {
        let long = HeaderValue::from_str(&"a".repeat(LONGEST_STATE + 1)).unwrap();
        assert!(asked_after(&[long]).is_empty());
        let many: Vec<_> = (0..100).map(|number| header(&number.to_string(), 1, 1)).collect();
        assert_eq!(asked_after(&many).len(), MOST_STATES);
    }

    #[test]
    fn what_a_client_asks_for_itself_is_left_alone() {
        let consistency = Consistency::default();
        consistency.note(&HeaderMap::from_iter([(INDEX, header("a", 1, 1))]));
        let mut request = HeaderMap::from_iter([(INDEX, header("b", 7, 7))]);
        consistency.ask(&mut request);
        assert_eq!(request.get_all(INDEX).iter().collect::<Vec<_>>(), [header("b", 7, 7)]);
    }
}
