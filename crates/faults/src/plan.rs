//! What is to happen and what has happened, shared by the connections.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::Protocol;
use crate::rule::{ConnectionFault, Fault, Rule};

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RuleId(usize);

/// A request that arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Which connection brought it; the first is 1.
    pub connection: usize,
    /// The fault that it met, if any.
    pub fault: Option<Fault>,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
}

/// What all open connections are told at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    CarryOn,
    Reset,
    Silence,
}

#[derive(Debug)]
pub(crate) struct Plan {
    commands: watch::Sender<Command>,
    /// Tokens are remembered by their hash only.
    hasher: RandomState,
    pub(crate) protocol: Protocol,
    seen_count: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    accepted: usize,
    dead_tokens: HashSet<u64>,
    for_connections: VecDeque<ConnectionFault>,
    next_rule: usize,
    rules: Vec<(RuleId, Rule)>,
    seen: Vec<Seen>,
    seen_tokens: HashSet<u64>,
    target: SocketAddr,
}

/// What a connection is given when it is accepted.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) commands: watch::Receiver<Command>,
    pub(crate) fault: Option<ConnectionFault>,
    pub(crate) number: usize,
    pub(crate) target: SocketAddr,
}

/// What a request is given.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) delay: Duration,
    pub(crate) fault: Fault,
}

impl Plan {
    pub(crate) fn new(target: SocketAddr, protocol: Protocol) -> Self {
        let state = State {
            accepted: 0,
            dead_tokens: HashSet::new(),
            for_connections: VecDeque::new(),
            next_rule: 0,
            rules: Vec::new(),
            seen: Vec::new(),
            seen_tokens: HashSet::new(),
            target,
        };
        Self {
            commands: watch::Sender::new(Command::CarryOn),
            hasher: RandomState::new(),
            protocol,
            seen_count: watch::Sender::new(0),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single step, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_target(&self, target: SocketAddr) {
        self.state().target = target;
    }

    pub(crate) fn inject(&self, rule: Rule) -> RuleId {
        let mut state = self.state();
        let id = RuleId(state.next_rule);
        state.next_rule += 1;
        state.rules.push((id, rule));
        id
    }

    pub(crate) fn inject_on_connections(&self, fault: ConnectionFault, times: usize) {
        self.state().for_connections.extend(std::iter::repeat_n(fault, times));
    }

    pub(crate) fn remove(&self, rule: RuleId) {
        self.state().rules.retain(|(id, _)| *id != rule);
    }

    pub(crate) fn met(&self, rule: RuleId) -> usize {
        let state = self.state();
        let found = state.rules.iter().find(|(id, _)| *id == rule);
        found.map_or(0, |(_, rule)| rule.met)
    }

    pub(crate) fn clear(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.for_connections.clear();
        state.dead_tokens.clear();
    }

    pub(crate) fn kill_tokens(&self) {
        let mut state = self.state();
        let seen = std::mem::take(&mut state.seen_tokens);
        state.dead_tokens.extend(seen);
    }

    pub(crate) fn command(&self, command: Command) {
        // Nobody listens if no connection is open.
        let _nobody = self.commands.send(command);
    }

    pub(crate) fn admit(&self) -> Admission {
        let mut state = self.state();
        state.accepted += 1;
        Admission {
            commands: self.commands.subscribe(),
            fault: state.for_connections.pop_front(),
            number: state.accepted,
            target: state.target,
        }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state().accepted
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Decides what a request meets, and notes it.
    pub(crate) fn judge(
        &self,
        connection: usize,
        method: &str,
        path: &str,
        token: Option<&[u8]>,
    ) -> Verdict {
        let mut state = self.state();
        let token = token.map(|token| self.hasher.hash_one(token));
        let is_dead = token.is_some_and(|token| state.dead_tokens.contains(&token));
        let verdict = if is_dead && !path.ends_with("/login") {
            Verdict { delay: Duration::ZERO, fault: Fault::dead_token() }
        } else {
            if !is_dead {
                state.seen_tokens.extend(token);
            }
            state.first_rule(method, path)
        };
        state.seen.push(Seen {
            connection,
            fault: Some(verdict.fault.clone()).filter(|fault| *fault != Fault::Forward),
            method: method.to_owned(),
            path: path.to_owned(),
        });
        self.seen_count.send_replace(state.seen.len());
        verdict
    }

    pub(crate) async fn wait_for_requests(&self, count: usize, patience: Duration) -> bool {
        let mut seen = self.seen_count.subscribe();
        let enough = seen.wait_for(|seen| *seen >= count);
        matches!(tokio::time::timeout(patience, enough).await, Ok(Ok(_)))
    }
}

impl State {
    fn first_rule(&mut self, method: &str, path: &str) -> Verdict {
        for (_, rule) in &mut self.rules {
            if rule.left == Some(0) || !rule.matches(method, path) {
                continue;
            }
            if rule.to_spare > 0 {
                rule.to_spare -= 1;
                continue;
            }
            rule.left = rule.left.map(|left| left - 1);
            rule.met += 1;
            return Verdict { delay: rule.delay, fault: rule.fault.clone() };
        }
        Verdict { delay: Duration::ZERO, fault: Fault::Forward }
    }
}
