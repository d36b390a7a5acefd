//! Variables: what is set, what stays, and when the program is started without asking.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::stage::{Stage, listed, quiet_output, refused, variables};

const REFERENCE: &str = "vault:kv/data/app#password";

fn pairs(expect: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let mut pairs: Vec<_> =
        expect.iter().map(|(name, value)| (name.into(), value.into())).collect();
    pairs.sort();
    pairs
}

#[test]
fn what_the_extension_answers_is_set_and_all_else_stays() {
    let stage = Stage::new();
    let extension = stage.extension(variables("DB_PASSWORD=s3cret\0NEW=a=b\0EMPTY=\0"));
    let mut wrapper = stage.wrapper(&["env", "-0"]);
    wrapper.env("DB_PASSWORD", REFERENCE).env("OTHER", "vault:8200");
    let seen = listed(&quiet_output(&mut wrapper));
    let socket = stage.socket();
    let expect = pairs(&[
        ("DB_PASSWORD", "s3cret"),
        ("EMPTY", ""),
        ("NEW", "a=b"),
        ("OTHER", "vault:8200"),
        ("PATH", "/usr/bin:/bin"),
        ("STRONGROOM_SOCKET", socket.to_str().unwrap()),
    ]);
    assert_eq!(seen, expect);
    let request = "GET /environment HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(extension.requests(), [request]);
}

#[test]
fn bytes_that_are_no_text_pass_in_both_kinds_of_variables() {
    let stage = Stage::new();
    let odd: Vec<u8> = (1..=255).collect();
    let _extension = stage.extension(variables([b"SECRET=", &odd[..], b"\0"].concat()));
    let mut wrapper = stage.wrapper(&["env", "-0"]);
    wrapper.env("SECRET", REFERENCE).env("KEPT", OsStr::from_bytes(&odd));
    wrapper.env(OsString::from_vec(b"N\xffAME".to_vec()), "x");
    let seen = listed(&quiet_output(&mut wrapper));
    let value = |name: &[u8]| {
        let found = seen.iter().find(|(seen, _)| seen.as_bytes() == name);
        found.map(|(_, value)| value.as_bytes())
    };
    assert_eq!(value(b"SECRET"), Some(&odd[..]));
    assert_eq!(value(b"KEPT"), Some(&odd[..]));
    assert_eq!(value(b"N\xffAME"), Some(&b"x"[..]));
}

#[test]
fn an_extension_is_asked_even_if_no_variable_refers_to_a_secret() {
    let stage = Stage::new();
    let extension = stage.extension(variables(""));
    assert_eq!(quiet_output(&mut stage.wrapper(&["echo", "ran"])), b"ran\n");
    assert_eq!(extension.requests().len(), 1);
}

#[test]
fn without_an_extension_a_program_that_needs_no_secret_starts_at_once() {
    let stage = Stage::new();
    assert_eq!(quiet_output(&mut stage.wrapper(&["echo", "ran"])), b"ran\n");
    stage.leave_a_stale_socket();
    assert_eq!(quiet_output(&mut stage.wrapper(&["echo", "ran"])), b"ran\n");
    std::fs::remove_dir_all(stage.directory()).unwrap();
    assert_eq!(quiet_output(&mut stage.wrapper(&["echo", "ran"])), b"ran\n");
}

#[test]
fn without_an_extension_a_program_that_needs_secrets_is_not_started() {
    let stage = Stage::new();
    let check = || {
        let mut wrapper = stage.wrapper(&["echo", "ran"]);
        let said = refused(wrapper.env("A", REFERENCE).env("B", "x${vault:a#b}"), 125);
        let place = stage.socket();
        let expect = format!(
            "A and 1 more variables refer to secrets, but no extension listens at {}; hint: ",
            place.display()
        );
        assert!(said.contains(&expect), "{said}");
        assert!(said.ends_with("error=Runtime.StrongroomSecretUnavailable"), "{said}");
    };
    check();
    stage.leave_a_stale_socket();
    check();
    std::fs::remove_dir_all(stage.directory()).unwrap();
    check();
}

#[test]
fn a_malformed_reference_is_for_the_extension_to_explain() {
    let stage = Stage::new();
    let said = refused(stage.wrapper(&["echo", "ran"]).env("A", "vault:#b"), 125);
    assert!(said.contains("A refers to a secret"), "{said}");
}

#[test]
fn variables_of_lambda_vault_and_strongroom_refer_to_nothing() {
    let stage = Stage::new();
    let mut wrapper = stage.wrapper(&["echo", "ran"]);
    for name in ["AWS_X", "VAULT_X", "BAO_X", "VLE_X", "STRONGROOM_X"] {
        wrapper.env(name, REFERENCE);
    }
    assert_eq!(quiet_output(&mut wrapper), b"ran\n");
}

#[test]
fn a_reference_that_the_extension_does_not_know_is_no_value_for_the_program() {
    let stage = Stage::new();
    let _extension = stage.extension(variables("A=s3cret\0"));
    let mut wrapper = stage.wrapper(&["echo", "ran"]);
    let said = refused(wrapper.env("A", REFERENCE).env("LATER", REFERENCE), 125);
    assert!(said.contains("LATER refers to a secret, but the extension does not know"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_value_may_have_128_kib_and_not_a_byte_more() {
    let stage = Stage::new();
    let most = 128 * 1024 - "A=\0".len();
    for (size, fits) in [(most, true), (most + 1, false)] {
        let value = "x".repeat(size);
        let extension = stage.extension(variables(format!("A={value}\0")));
        let mut wrapper = stage.wrapper(&["sh", "-c", "echo ${#A}"]);
        wrapper.env("A", REFERENCE);
        if fits {
            assert_eq!(quiet_output(&mut wrapper), format!("{size}\n").as_bytes());
        } else {
            let said = refused(&mut wrapper, 125);
            assert!(said.contains("A has 131073 bytes with its name"), "{said}");
            assert!(!said.contains("xxxx"), "{said}");
        }
        drop(extension);
        std::fs::remove_file(stage.socket()).unwrap();
    }
}

#[test]
fn more_than_the_kernel_takes_in_all_is_explained() {
    let stage = Stage::new();
    // 48 of 120,000 bytes are allowed one by one, and 5.7 MB are allowed by us, but not beside 500 kB of our own.
    let body: String =
        (0..48).map(|number| format!("V{number}={}\0", "x".repeat(120_000 + number))).collect();
    let _extension = stage.extension(variables(body));
    let mut wrapper = stage.wrapper(&["echo", "ran"]);
    for number in 0..5 {
        wrapper.env(format!("OWN{number}"), "y".repeat(120_000));
    }
    let said = refused(&mut wrapper, 126);
    assert!(said.contains("the largest that was set is V47 with 120052 bytes"), "{said}");
    assert!(said.ends_with("error=Runtime.StrongroomExec"), "{said}");
}
