//! Questions, answers, and the order of records.

use proptest::prelude::*;

use super::*;

const HOST: &str = "vault.test";

/// An answer to the question for `HOST` that holds records as they are given.
fn answer(flags: u16, records: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    let count = u16::try_from(records.len()).unwrap();
    for word in [7, flags, 1, count, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    push_question(&mut message, HOST).unwrap();
    message.extend(records.concat());
    message
}

/// A record whose owner is the question's name.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let mut record = vec![0xc0, 12];
    for word in [kind, CLASS_IN, 0, 60, length] {
        record.extend(word.to_be_bytes());
    }
    record.extend(data);
    record
}

fn srv(priority: u16, weight: u16, port: u16, target: &[u8]) -> Vec<u8> {
    let words = [priority, weight, port].map(u16::to_be_bytes);
    record(TYPE_SRV, &[&words.concat(), target].concat())
}

fn place(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record { priority, weight, port, target: target.to_owned() }
}

#[test]
fn question_is_as_rfc_1035_says() {
    let mut expected = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    expected.extend(b"\x05_http\x04_tcp\x05vault\x04test\x00\x00\x21\x00\x01");
    expected.extend(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00");
    assert_eq!(query(0x1234, "vault.test").unwrap(), expected);
    assert_eq!(query(0x1234, "vault.test.").unwrap(), expected);
}

#[test]
fn names_that_cannot_be_are_refused() {
    for host in ["", "a..b", ".", &"a".repeat(64), &"a.".repeat(130)] {
        assert_eq!(query(1, host), Err(Error::Name), "{host}");
    }
}

#[test]
fn records_are_read_with_and_without_pointers() {
    // Offset 23 is "vault.test" in the question.
    let records = [
        srv(1, 10, 8200, b"\x02v1\xc0\x17"),
        record(5, b"\x01x\xc0\x17"),
        srv(2, 0, 8201, b"\x02v2\x04test\x00"),
    ];
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let expected = [place(1, 10, 8200, "v1.vault.test"), place(2, 0, 8201, "v2.test")];
    assert_eq!(parse(7, HOST, &answer(0x8180, &records)).unwrap(), expected);
}

#[test]
fn answers_to_other_questions_are_foreign() {
    let good = answer(0x8180, &[&srv(1, 1, 1, b"\x01a\x00")]);
    assert_eq!(parse(8, HOST, &good), Err(Error::Foreign));
    assert_eq!(parse(7, "other.test", &good), Err(Error::Foreign));
    assert_eq!(parse(7, HOST, &query(7, HOST).unwrap()), Err(Error::Foreign));
    assert_eq!(parse(7, HOST, b""), Err(Error::Foreign));
    assert!(parse(7, "VAULT.test", &good).is_ok());
}

#[test]
fn what_the_server_says_is_told_apart() {
    let check = |flags, records: &[&[u8]], expected: Error| {
        assert_eq!(parse(7, HOST, &answer(flags, records)), Err(expected));
    };
    check(0x8183, &[], Error::NoRecord);
    check(0x8180, &[], Error::NoRecord);
    check(0x8180, &[&srv(0, 0, 0, b"\x00")], Error::NoRecord);
    check(0x8182, &[], Error::Refused { code: 2 });
    check(0x8185, &[], Error::Refused { code: 5 });
    check(0x8380, &[], Error::Truncated);
    check(0x8180, &[b"\xc0"], Error::Unreadable);
    check(0x8180, &[&srv(1, 1, 1, b"\xc0\x38")], Error::Unreadable);
    check(0x8180, &[&srv(1, 1, 1, b"\x03a.b\x00")], Error::Unreadable);
    let refusal = [0, 7, 0x81, 0x85, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(parse(7, HOST, &refusal), Err(Error::Refused { code: 5 }));
}

#[test]
fn priority_comes_first_and_weight_decides_within() {
    let records = [
        place(2, 100, 1, "late"),
        place(1, 0, 1, "never"),
        place(1, 30, 1, "b"),
        place(1, 10, 1, "a"),
    ];
    let check = |draws: &[u32], expected: [&str; 4]| {
        let mut draws = draws.iter().copied();
        let mut ordered = records.clone();
        order(&mut ordered, &mut |bound| draws.next().unwrap().min(bound - 1));
        assert_eq!(ordered.map(|record| record.target), expected);
    };
    check(&[0, 0, 0], ["a", "b", "never", "late"]);
    check(&[9, 0, 0], ["a", "b", "never", "late"]);
    check(&[10, 0, 0], ["b", "a", "never", "late"]);
    check(&[39, 0, 0], ["b", "a", "never", "late"]);
}

#[test]
fn records_without_weight_are_ordered_as_well() {
    let mut records = [place(1, 0, 1, "a"), place(0, 0, 1, "b")];
    order(&mut records, &mut |_| panic!("there is nothing to draw"));
    assert_eq!(records.map(|record| record.target), ["b", "a"]);
}

#[test]
fn name_servers_are_read() {
    let check = |text: &str, expected: &[&str]| {
        let expected: Vec<SocketAddr> =
            expected.iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(name_servers(text), expected);
    };
    check("# x\nsearch a\nnameserver 169.254.78.1\n", &["169.254.78.1:53"]);
    check(" nameserver\t2001:db8::1 # x\n;nameserver 1.1.1.1", &["[2001:db8::1]:53"]);
    check("nameserver x\nnameserver", &["127.0.0.1:53"]);
    let many = "nameserver 10.0.0.1\n".repeat(5);
    check(&many, &["10.0.0.1:53"; 3]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse(7, HOST, &bytes);
    }

    #[test]
    fn no_records_make_it_panic(
        count in any::<u16>(),
        records in prop::collection::vec(prop::sample::select(vec![0_u8, 1, 3, 12, 33, 63, 0xc0, 0xff]), 0..300),
    ) {
        let mut message = answer(0x8180, &[&records]);
        message[6..8].copy_from_slice(&count.to_be_bytes());
        let _ = parse(7, HOST, &message);
    }

    #[test]
    fn order_loses_nothing(
        weights in prop::collection::vec((0_u16..4, any::<u16>()), 0..20),
        draws in prop::collection::vec(any::<u32>(), 20),
    ) {
        let mut records: Vec<Record> = weights
            .iter()
            .zip(0..)
            .map(|((priority, weight), port)| place(*priority, *weight, port, "x"))
            .collect();
        let mut draws = draws.into_iter();
        order(&mut records, &mut |bound| draws.next().unwrap_or(0) % bound);
        prop_assert!(records.is_sorted_by_key(|record| record.priority));
        let mut ports: Vec<u16> = records.iter().map(|record| record.port).collect();
        ports.sort_unstable();
        prop_assert_eq!(ports.len(), weights.len());
        prop_assert!(ports.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
