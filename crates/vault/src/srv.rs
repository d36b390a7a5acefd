//! SRV records: the question, the answer, and the choice among several.
//!
//! Only what `VAULT_SRV_LOOKUP` needs, as functions of bytes; who calls them sends and receives.
//! <https://www.rfc-editor.org/rfc/rfc1035>, <https://www.rfc-editor.org/rfc/rfc2782>

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const TYPE_SRV: u16 = 33;
const TYPE_OPT: u16 = 41;
const CLASS_IN: u16 = 1;
const HEADER: usize = 12;

/// The largest answer that we say we take by UDP, and so the size of the buffer to receive into.
/// <https://www.dnsflagday.net/2020/>
pub const LARGEST_ANSWER: u16 = 1232;

/// Answers with more records than this are cut; Vault clusters have a handful of nodes.
const MOST_RECORDS: usize = 64;

/// One place where the service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Lower ones are tried first.
    pub priority: u16,
    /// How often to choose this among those of the same priority, in relation to the others.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, without a dot at its end.
    pub target: String,
}

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not the answer to this question, perhaps forged: wait for another.
    #[error("the answer is to another question")]
    Foreign,
    /// The host's name cannot be asked for.
    #[error("the name is too long or has an empty part")]
    Name,
    /// There is no such name, or no SRV record for it.
    #[error("there is no SRV record of that name")]
    NoRecord,
    /// The server cannot or will not answer.
    #[error("the name server answered with code {code}")]
    Refused {
        /// The RCODE.
        code: u8,
    },
    /// The answer did not fit: ask by TCP.
    #[error("the answer is too long for UDP")]
    Truncated,
    /// The answer is malformed.
    #[error("the answer is malformed")]
    Unreadable,
}

/// The question for `_http._tcp.<host>`, under a number that must be hard to guess.
///
/// # Errors
/// [`Error::Name`] if there can be no such name.
pub fn query(id: u16, host: &str) -> Result<Vec<u8>, Error> {
    let mut message = Vec::with_capacity(64 + host.len());
    // Recursion desired; one question, no answer, no authority, one additional record.
    for word in [id, 0x0100, 1, 0, 0, 1] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    push_question(&mut message, host)?;
    // EDNS: the root, OPT, our size, extended code and flags, no data.
    message.push(0);
    message.extend_from_slice(&TYPE_OPT.to_be_bytes());
    message.extend_from_slice(&LARGEST_ANSWER.to_be_bytes());
    message.extend_from_slice(&[0; 6]);
    Ok(message)
}

/// Reads the records out of the answer to [`query`], in the order in which it holds them.
///
/// # Errors
/// [`Error`]; after [`Error::Foreign`] the right answer may still come.
pub fn parse(id: u16, host: &str, answer: &[u8]) -> Result<Vec<Record>, Error> {
    let header: [u16; 6] = std::array::from_fn(|index| word(answer, 2 * index).unwrap_or(0));
    let [answered_id, flags, questions, records, _, _] = header;
    let is_answer = flags & 0x8000 != 0;
    let mut question = Vec::with_capacity(64 + host.len());
    push_question(&mut question, host)?;
    let echoed = answer.get(HEADER..HEADER + question.len());
    let same = echoed.is_some_and(|echoed| echoed.eq_ignore_ascii_case(&question));
    let code = (flags & 0xf) as u8;
    if answer.len() < HEADER || answered_id != id || !is_answer {
        return Err(Error::Foreign);
    }
    // Some servers leave the question out of a refusal.
    let bare_refusal = questions == 0 && code != 0;
    if !(same || bare_refusal) {
        return Err(Error::Foreign);
    }
    match code {
        0 => {}
        3 => return Err(Error::NoRecord),
        code => return Err(Error::Refused { code }),
    }
    if flags & 0x0200 != 0 {
        return Err(Error::Truncated);
    }
    let found = read_records(answer, HEADER + question.len(), records).ok_or(Error::Unreadable)?;
    if found.is_empty() { Err(Error::NoRecord) } else { Ok(found) }
}

/// Puts records in the order in which they should be tried: by priority, and within one at random
/// according to their weights. `random(n)` gives a number below `n`.
pub fn order(records: &mut [Record], random: &mut dyn FnMut(u32) -> u32) {
    // By hand, as there are few: a sort of the library would be 5 KB of the layer.
    for index in 1..records.len() {
        let key = |record: &Record| (record.priority, record.weight);
        let new = key(&records[index]);
        let at = records[..index].partition_point(|before| key(before) <= new);
        records[at..=index].rotate_right(1);
    }
    let mut from = 0;
    while from < records.len() {
        let priority = records[from].priority;
        let same = records[from..].iter().take_while(|record| record.priority == priority);
        let total: u32 = same.clone().map(|record| u32::from(record.weight)).sum();
        let count = same.count();
        let point = if total == 0 { 0 } else { random(total).min(total - 1) };
        let mut sum = 0;
        let chosen = records[from..from + count].iter().position(|record| {
            sum += u32::from(record.weight);
            sum > point
        });
        // The others keep their order, those of no weight stay in front among themselves.
        records[from..=from + chosen.unwrap_or(0)].rotate_right(1);
        from += 1;
    }
}

/// The name servers in the text of `/etc/resolv.conf`, at most three as in libc; this machine if
/// it names none.
#[must_use]
pub fn name_servers(resolv_conf: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = resolv_conf
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = (words.next() == Some("nameserver")).then(|| words.next()).flatten()?;
            let address: IpAddr = address.parse().ok()?;
            Some(SocketAddr::new(address, 53))
        })
        .take(3)
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
    }
    servers
}

fn push_question(message: &mut Vec<u8>, host: &str) -> Result<(), Error> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let before = message.len();
    for label in ["_http", "_tcp"].into_iter().chain(host.split('.')) {
        let length = u8::try_from(label.len()).map_err(|_| Error::Name)?;
        if !(1..=63).contains(&length) {
            return Err(Error::Name);
        }
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    if message.len() - before > 255 {
        return Err(Error::Name);
    }
    message.extend_from_slice(&TYPE_SRV.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    Ok(())
}

/// The SRV records among `count` records at `at`. Records of other types, such as the CNAME that
/// led there, are passed over.
fn read_records(message: &[u8], mut at: usize, count: u16) -> Option<Vec<Record>> {
    let mut found = Vec::new();
    for _ in 0..count {
        at = read_name(message, at)?.1;
        let (kind, class) = (word(message, at)?, word(message, at + 2)?);
        let data = at + 10;
        let length = usize::from(word(message, at + 8)?);
        at = data + length;
        message.get(data..at)?;
        if (kind, class) != (TYPE_SRV, CLASS_IN) || found.len() == MOST_RECORDS {
            continue;
        }
        let (target, end) = read_name(message, data + 6)?;
        if end > at {
            return None;
        }
        // A lone root means that the service is not there: RFC 2782.
        if target.is_empty() {
            continue;
        }
        found.push(Record {
            priority: word(message, data)?,
            weight: word(message, data + 2)?,
            port: word(message, data + 4)?,
            target,
        });
    }
    Some(found)
}

/// The name at `at`, and where it ends there. A pointer may only lead to what comes before it,
/// so that none leads round in a circle.
fn read_name(message: &[u8], at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let (mut position, mut limit) = (at, at);
    let mut end = None;
    loop {
        let length = usize::from(*message.get(position)?);
        match length {
            0 => break,
            1..=63 => {
                let label = message.get(position + 1..position + 1 + length)?;
                if !label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.') {
                    return None;
                }
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().map(|byte| char::from(*byte)));
                if name.len() > 253 {
                    return None;
                }
                position += 1 + length;
            }
            0xc0.. => {
                end = end.or(Some(position + 2));
                let target = usize::from(word(message, position)? & 0x3fff);
                if target >= limit {
                    return None;
                }
                (position, limit) = (target, target);
            }
            _ => return None,
        }
    }
    Some((name, end.unwrap_or(position + 1)))
}

fn word(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
