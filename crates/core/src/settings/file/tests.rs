//! What a settings file becomes, and what is said of its mistakes, by table.

use std::collections::BTreeMap;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::reference::SecretId;
use crate::settings::{Environment, parse};

fn read(text: &str) -> SettingsFile {
    SettingsFile::parse("s.toml", text.as_bytes())
}

/// The variables that a file without mistakes becomes, as `NAME=value`.
fn check(text: &str, expect: &[&str]) {
    let file = read(text);
    assert_eq!(said(&file), [] as [&str; 0], "{text}");
    let text_of = |pair: &Pair| format!("{}={}", pair.key, *pair.value);
    let found: Vec<_> = file.variables.iter().map(text_of).collect();
    assert_eq!(found, expect, "{text}");
}

/// All that is said of a file with mistakes.
fn check_errors(text: &str, expect: &[&str]) {
    assert_eq!(said(&read(text)), expect, "{text}");
}

fn said(file: &SettingsFile) -> Vec<String> {
    file.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn keys_are_names_of_variables_and_values_become_texts() {
    check("", &[]);
    check("# nothing\n\n", &[]);
    check("VAULT_AUTH_ROLE = \"app\"", &["VAULT_AUTH_ROLE=app"]);
    check("VAULT_AUTH_ROLE = 'a\\b'\r\n", &["VAULT_AUTH_ROLE=a\\b"]);
    check("'VAULT_AUTH_ROLE' = \"\\u00e9\\n\"", &["VAULT_AUTH_ROLE=é\n"]);
    check("VAULT_CACERT_BYTES = \"\"\"\nA\nB\"\"\"", &["VAULT_CACERT_BYTES=A\nB"]);
    check(
        "STRONGROOM_CACHE_SIZE = 1_000\nVAULT_SKIP_VERIFY = true # really",
        &["STRONGROOM_CACHE_SIZE=1000", "VAULT_SKIP_VERIFY=true"],
    );
    check("VAULT_MAX_RETRIES = +5", &["VAULT_MAX_RETRIES=5"]);
    check("VAULT_MAX_RETRIES = -5", &["VAULT_MAX_RETRIES=-5"]);
    check("VAULT_SECRET_PATH_A = \"b\"", &["VAULT_SECRET_PATH_A=b"]);
    check("AWS_ENDPOINT_URL_STS = \"http://sts\"", &["AWS_ENDPOINT_URL_STS=http://sts"]);
}

#[test]
fn secrets_become_the_variables_one_would_set_by_hand() {
    check(
        "[[secret]]\npath = \"kv/data/a\"\nfile = \"a.json\"\n\
         [[secret]]\nname = \"db\"\npath = \"kv/data/db\"\nfile = \"/tmp/db\"\n\
         format = \"raw:password\"\nmode = \"0640\"\n",
        &[
            "STRONGROOM_FILE_FORMAT_DB=raw:password",
            "STRONGROOM_FILE_MODE_DB=0640",
            "VAULT_SECRET_FILE_1=a.json",
            "VAULT_SECRET_FILE_DB=/tmp/db",
            "VAULT_SECRET_PATH_1=kv/data/a",
            "VAULT_SECRET_PATH_DB=kv/data/db",
        ],
    );
    let variable = |more: &str, value: &str| {
        check(
            &format!("[[secret]]\npath = \"kv/data/a\"\nvariable = \"DB_PASSWORD\"\n{more}"),
            &[&format!("DB_PASSWORD={value}")],
        );
    };
    variable("field = \"password\"", "vault:kv/data/a#password");
    variable("field = \"*\"", "vault:kv/data/a#*");
    variable("field = \"a\"\nversion = 3", "vault:kv/data/a#a#3");
    variable("field = \"a#b\"\ndefault = \"x|y\"", "vault:kv/data/a#a\\#b|x\\|y");
    variable("field = \"a\"\nversion = \"3\"\ndefault = \"\"", "vault:kv/data/a#a#3|");
}

#[test]
fn what_is_for_the_command_line_is_passed_over() {
    check(
        "VAULT_ADDR = 'a'\n[setup]\nregion = 1.5\nlist = [ { a = 1 } ]\nb.c = {}\n[setup.vault]\nVAULT_ADDR = 'b'\n\
         [[setup.function]]\nname = 'f'\n[[secret]]\npath = 'p'\nfile = 'f'",
        &["VAULT_ADDR=a", "VAULT_SECRET_FILE_1=f", "VAULT_SECRET_PATH_1=p"],
    );
    check_errors(
        "setup = 1",
        &["s.toml:1: setup is no setting of this version: check its spelling in docs/variables.md"],
    );
}

#[test]
fn mistakes_of_toml_are_told_with_their_line() {
    check_errors(
        "VAULT_AUTH_ROLE = \"app\"\nVAULT_ADDR \"x\"\n",
        &["s.toml:2: this is no TOML: key with no value, expected `=`"],
    );
    check_errors(
        "\n[[secret]\n",
        &["s.toml:2: this is no TOML: unclosed array table, expected `]`"],
    );
    check_errors(
        "VAULT_ADDR = \"x\nVAULT_AUTH_ROLE = 1",
        &["s.toml:1: this is no TOML: invalid basic string, expected `\"`"],
    );
    check_errors("A = 0640", &["s.toml:1: this is no TOML: unexpected leading zero"]);
    check_errors(
        "A = yes",
        &["s.toml:1: this is no TOML: string values must be quoted, expected literal string"],
    );
    let not_utf8 = SettingsFile::parse("s.toml", b"A = 1\nB = \"\xff\"");
    assert_eq!(said(&not_utf8), ["s.toml:2: this is no TOML: not UTF-8"]);
}

#[test]
fn what_has_no_place_in_the_file_is_refused_by_name_and_line() {
    let unknown = "is no setting of this version";
    check_errors(
        "\nVAULT_AUTH_ROL = \"a\"",
        &[&format!("s.toml:2: VAULT_AUTH_ROL {unknown}: did you mean VAULT_AUTH_ROLE?")],
    );
    check_errors(
        "BAO_ADDR = \"a\"",
        &[&format!("s.toml:1: BAO_ADDR {unknown}: did you mean VAULT_ADDR?")],
    );
    check_errors(
        "DB_PASSWORD = \"x\"",
        &[&format!("s.toml:1: DB_PASSWORD {unknown}: check its spelling in docs/variables.md")],
    );
    check_errors(
        "DB_PASSWORD = \"vault:a#b\"",
        &[
            "s.toml:1: DB_PASSWORD is no setting: for a secret in a variable write a [[secret]] with variable = \"DB_PASSWORD\"",
        ],
    );
    for name in ["AWS_REGION", "AWS_LAMBDA_EXEC_WRAPPER", "AWS_SESSION_TOKEN", "AWS_CONTAINER_X"] {
        check_errors(
            &format!("{name} = \"a\""),
            &[&format!("s.toml:1: {name} is set by Lambda and cannot be set in a file")],
        );
    }
    check_errors(
        "STRONGROOM_CONFIG = \"a\"\nSTRONGROOM_SOCKET = \"b\"",
        &[
            "s.toml:1: STRONGROOM_CONFIG names the settings file and cannot be set in it",
            "s.toml:2: STRONGROOM_SOCKET is read by /opt/strongroom/exec, which reads no file: set it as a variable",
        ],
    );
    check_errors(
        "VAULT_ADDR = \"a\"\nVAULT_ADDR = \"b\"",
        &["s.toml:2: VAULT_ADDR is set twice: first on line 1"],
    );
    let quotes = "is no plain number: write it as a text, in quotes";
    check_errors(
        "VAULT_RATE_LIMIT = 1.5\nSTRONGROOM_FILE_MODE = 0o640\nVAULT_ADDR = 1979-05-27",
        &[
            &format!("s.toml:1: VAULT_RATE_LIMIT {quotes}"),
            &format!("s.toml:2: STRONGROOM_FILE_MODE {quotes}"),
            &format!("s.toml:3: VAULT_ADDR {quotes}"),
        ],
    );
    let plain = "write a text, a number, true or false";
    check_errors(
        "VAULT_HEADERS = { a = \"b\" }\nVAULT_ADDR = [\"a\", [\"b\"]]\nVAULT_AUTH_ROLE.x = 1\nVAULT_TOKEN = \"a\\u0000\"",
        &[
            &format!("s.toml:1: VAULT_HEADERS is an inline table: {plain}"),
            &format!("s.toml:2: VAULT_ADDR is an array: {plain}"),
            "s.toml:3: VAULT_AUTH_ROLE.x is a dotted key: none is known here",
            "s.toml:4: VAULT_TOKEN holds a NUL character",
        ],
    );
    let table = "is no table of a settings file: it has [[secret]] and [setup]";
    check_errors(
        "[vault]\naddr = 1.5\n[[secrets]]\nx = 1\n[secret]\npath = 'a'\n[a.b]",
        &[
            &format!("s.toml:1: [vault] {table}"),
            &format!("s.toml:3: [secrets] {table}"),
            &format!("s.toml:5: [secret] {table}"),
            &format!("s.toml:7: [a.b] {table}"),
        ],
    );
}

#[test]
fn a_secret_that_says_too_little_or_too_much_is_refused() {
    let secret = |body: &str, expect: &str| {
        check_errors(&format!("[[secret]]\n{body}"), &[&format!("s.toml:{expect}")]);
    };
    secret("", "1: [[secret]] has no path: write for example path = \"kv/data/app\"");
    secret(
        "path = ' '\nfile = 'a'",
        "1: [[secret]] has no path: write for example path = \"kv/data/app\"",
    );
    secret("path = 'a'", "1: [[secret]] goes nowhere: write file = \"...\" or variable = \"...\"");
    secret(
        "path = 'a'\nfile = 'a'\nvariable = 'A'",
        "1: [[secret]] has both file and variable: write a [[secret]] for each",
    );
    secret(
        "path = 'a'\nvariable = 'A'",
        "1: [[secret]] has no field: a variable holds one, or with field = \"*\" all",
    );
    secret(
        "path = 'a'\nfile = 'a'\nfield = 'b'",
        "4: field means nothing in a [[secret]] with file",
    );
    secret(
        "path = 'a'\nvariable = 'A'\nfield = 'b'\nmode = 640",
        "5: mode means nothing in a [[secret]] with variable",
    );
    secret(
        "path = 'a'\nvariable = 'VAULT_TOKEN'\nfield = 'b'",
        "3: variable is no name for a variable that holds a secret: those of AWS, Vault and Strongroom are never resolved",
    );
    secret(
        "path = 'a'\nvariable = 'A'\nfield = 'b'\nversion = 0",
        "5: version is no number above zero",
    );
    secret(
        "path = 'a'\nfile = 'a'\nname = 'a-b'",
        "4: name may hold letters, digits and underscores only",
    );
    secret(
        "path = 'a'\nfile = 'a'\nfiel = 'b'",
        "4: fiel is no key of [[secret]]: did you mean field?",
    );
    secret(
        "path = 'a'\nfile = 'a'\ntemplate = 'b'",
        "4: template is no key of [[secret]]: it has default, field, file, format, mode, name, path, variable, version",
    );
    secret("path = 'a'\npath = 'b'\nfile = 'a'", "3: path is set twice: first on line 2");
    secret(
        "path = 'a'\nfile = 'a'\nname = '2'\n[[secret]]\npath = 'a\\'\nvariable = 'A'\nfield = 'a'",
        "5: [[secret]] cannot be written as a reference: a part of it ends with a backslash or holds ${vault:",
    );
    check_errors(
        "[[secret]]\npath = 'a'\nfile = 'a'\nname = '2'\n[[secret]]\npath = 'b'\nfile = 'b'",
        &[
            "s.toml:6: VAULT_SECRET_PATH_2 is set twice: first on line 2",
            "s.toml:7: VAULT_SECRET_FILE_2 is set twice: first on line 3",
        ],
    );
}

#[test]
fn the_example_of_the_documentation_is_a_whole_settings_file() {
    let page = include_str!("../../../../../docs/settings-file.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    check(
        example,
        &[
            "API_KEY=vault:kv/data/app#api-key",
            "FLAGS=vault:kv/data/flags#*#3|{}",
            "STRONGROOM_CACHE_SIZE=1048576",
            "STRONGROOM_FILE_FORMAT_TLS=raw:key",
            "STRONGROOM_FILE_MODE_TLS=0400",
            "VAULT_AUTH_PROVIDER=aws",
            "VAULT_AUTH_ROLE=app",
            "VAULT_DEFAULT_CACHE_TTL=60s",
            "VAULT_SECRET_FILE_1=app.json",
            "VAULT_SECRET_FILE_TLS=/tmp/tls/key.pem",
            "VAULT_SECRET_PATH_1=kv/data/app",
            "VAULT_SECRET_PATH_TLS=kv/data/tls",
            "VLE_VAULT_ADDR=https://vault.example.com:8200",
        ],
    );
    let (settings, found) = parse(&Environment::new([]).with_file(read(example)));
    assert!(settings.is_some() && found.warnings.is_empty(), "{found:?}");
}

#[test]
fn a_file_of_the_greatest_size_is_read_and_its_errors_are_bounded() {
    let line = "a = 1\n";
    let wrong = line.repeat(SettingsFile::MAXIMUM_SIZE / line.len());
    assert_eq!(read(&wrong).errors.len(), MOST_ERRORS);
    let right: String = (0..8_000).map(|n| format!("VAULT_SECRET_FILE_{n} = 'x'\n")).collect();
    let file = read(&right);
    assert_eq!((file.variables.len(), file.errors.len()), (8_000, 0));
}

const BASE: &str = "VAULT_ADDR = 'http://127.0.0.1:9200'\nVAULT_AUTH_PROVIDER = 'aws'\n";

fn environment(text: &str, variables: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment::new(variables.iter().map(owned)).with_file(read(text))
}

#[test]
fn variables_win_over_the_file_name_by_name() {
    let check = |text: &str,
                 variables: &[(&str, &str)],
                 name: &str,
                 expect,
                 line: Option<usize>| {
        let environment = environment(text, variables);
        assert_eq!(environment.client(name), expect, "{text} {variables:?}");
        assert_eq!(environment.place(name).map(|place| place.line), line, "{text} {variables:?}");
    };
    check("VAULT_ADDR = 'a'", &[], "VAULT_ADDR", Some("a"), Some(1));
    check("\nVAULT_ADDR = 'a'", &[("VAULT_ADDR", "")], "VAULT_ADDR", Some("a"), Some(2));
    check("VAULT_ADDR = 'a'", &[("VAULT_ADDR", "b")], "VAULT_ADDR", Some("b"), None);
    check("VAULT_ADDR = 'a'", &[("BAO_ADDR", "b")], "VAULT_ADDR", Some("b"), None);
    check(
        "VAULT_AUTH_ROLE = 'a'",
        &[("BAO_AUTH_ROLE", "b")],
        "VAULT_AUTH_ROLE",
        Some("a"),
        Some(1),
    );
    check("VAULT_ADDR = ''", &[], "VAULT_ADDR", None, None);
    let environment = environment("\nVAULT_ADDR = 'a'", &[("VAULT_ADDR", "b")]);
    let overridden: Vec<_> =
        environment.overridden().map(|(name, place)| format!("{place} {name}")).collect();
    assert_eq!(overridden, ["s.toml:2 VAULT_ADDR"]);
}

/// Errors and warnings of a file and variables, as the log shows them.
fn check_findings(text: &str, variables: &[(&str, &str)], errors: &[&str], warnings: &[&str]) {
    let (settings, found) = parse(&environment(text, variables));
    let said = |findings: &[Finding]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said(&found.errors), errors, "{text}");
    assert_eq!(said(&found.warnings), warnings, "{text}");
    assert_eq!(settings.is_some(), errors.is_empty());
}

#[test]
fn a_finding_about_a_value_of_the_file_says_where_it_stands() {
    check_findings(
        &format!("{BASE}VAULT_MAX_RETRIES = 'many'\nVAULT_SKIP_VERIFY = true\n"),
        &[("VAULT_AUTH_ROLE", "app"), ("STRONGROOM_REVOKE", "perhaps")],
        &[
            "s.toml:3: VAULT_MAX_RETRIES is no whole number in range",
            "STRONGROOM_REVOKE is none of auto, always, never",
        ],
        &[
            "s.toml:4: VAULT_SKIP_VERIFY is on: anyone between the function and Vault can read its secrets; set VAULT_CACERT instead",
        ],
    );
}

#[test]
fn mistakes_of_the_file_and_of_variables_are_reported_together() {
    check_findings(
        &format!("{BASE}VAULT_AUTH_ROLES = 'app'\nVAULT_TOKEN = 1.5\n"),
        &[("STRONGROOM_REVOKE", "perhaps")],
        &[
            "s.toml:3: VAULT_AUTH_ROLES is no setting of this version: did you mean VAULT_AUTH_ROLE?",
            "s.toml:4: VAULT_TOKEN is no plain number: write it as a text, in quotes",
            "VAULT_AUTH_ROLE is unset: set it to the Vault role of this function",
            "STRONGROOM_REVOKE is none of auto, always, never",
        ],
        &[],
    );
    // The role was refused, not forgotten.
    check_findings(
        &format!("{BASE}VAULT_AUTH_ROLE = 1.5"),
        &[],
        &["s.toml:3: VAULT_AUTH_ROLE is no plain number: write it as a text, in quotes"],
        &[],
    );
    // Nobody knows what the rest of the file would have set.
    check_findings(
        "VAULT_AUTH_ROLE = 'app\nVAULT_ADDR = 'x'",
        &[],
        &["s.toml:1: this is no TOML: invalid literal string, expected `'`"],
        &[],
    );
}

#[test]
fn the_file_that_is_read_is_the_named_one_or_the_default() {
    let read = |named: &str, outcome: std::io::Result<Vec<u8>>| {
        let variables = [("STRONGROOM_CONFIG".to_owned(), named.to_owned())];
        let mut asked = String::new();
        let environment = Environment::new(variables).with_settings_file(|path, _| {
            path.clone_into(&mut asked);
            outcome
        });
        let (_, found) = parse(&environment);
        (asked, found.errors[0].to_string(), environment.settings_file().map(str::to_owned))
    };
    let absent = || Err(std::io::ErrorKind::NotFound.into());
    let (asked, error, file) = read("", absent());
    assert_eq!((asked.as_str(), file), ("/var/task/strongroom.toml", None));
    assert!(error.starts_with("VAULT_AUTH_PROVIDER is unset"), "{error}");
    let (asked, error, file) = read("/a/b", absent());
    assert_eq!((asked.as_str(), file.as_deref()), ("/a/b", Some("/a/b")));
    assert_eq!(
        error,
        "STRONGROOM_CONFIG is the settings file /a/b, which cannot be used: entity not found"
    );
    let (_, error, _) = read("", Err(std::io::ErrorKind::PermissionDenied.into()));
    assert!(error.ends_with("cannot be used: permission denied"), "{error}");
    let (_, error, _) = read("/a", Ok(vec![b'#'; SettingsFile::MAXIMUM_SIZE + 1]));
    assert!(error.ends_with("it is larger than 262144 bytes"), "{error}");
    let (_, error, file) = read("/a", Ok(b"[x]".to_vec()));
    assert!(error.starts_with("/a:1: [x]"), "{error}");
    assert_eq!(file.as_deref(), Some("/a"));
}

#[test]
fn no_value_of_the_file_is_shown() {
    let text =
        "VAULT_TOKEN = 'canary'\n[[secret]]\npath='a'\nvariable='A'\nfield='b'\ndefault='canary'";
    let file = read(text);
    assert!(!format!("{file:?}").contains("canary"));
    for text in [
        "A = canary",
        "A = \"canary",
        "VAULT_TOKEN = canary",
        "VAULT_TOKEN = 'canary' x",
        "X = 'canary'",
        "VAULT_TOKEN = ['canary']",
        "VAULT_TOKEN = 'canary'\nVAULT_TOKEN = 'canary'",
    ] {
        let said = said(&read(text)).join("\n");
        assert!(!said.is_empty() && !said.contains("canary"), "{said}");
    }
}

/// What becomes of `text` as a basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn settable() -> impl Strategy<Value = String> {
    let may_be_set = |name: &&str| {
        let pair = Pair { key: (*name).to_owned(), value: Zeroizing::default(), line: 1 };
        problem_of(&pair).is_none()
    };
    let names: Vec<_> = v::ALL.iter().map(|variable| variable.name).filter(may_be_set).collect();
    (proptest::sample::select(names), "[A-Z0-9_]{1,4}")
        .prop_map(|(name, suffix)| name.replace("<NAME>", &suffix))
}

fn all(environment: &Environment) -> Vec<(&str, &str)> {
    environment.names().map(|name| (name, environment.value(name).unwrap_or_default())).collect()
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "(\\[|\\]|\\{|\\}|=|\"|'|\\.|,|#|\n|\r\n| |secret|path|file|VAULT_ADDR|1|0x|true|\\\\|\\PC){0,40}",
    ) {
        let lines = text.matches('\n').count() + 1;
        let file = read(&text);
        for error in &file.errors {
            let line = error.place.as_ref().unwrap().line;
            prop_assert!((1..=lines).contains(&line), "{line} of {lines}");
        }
        let _ = parse(&Environment::new([]).with_file(file));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = SettingsFile::parse("s.toml", &bytes);
    }

    #[test]
    fn deep_nesting_is_refused(depth in 1usize..5_000) {
        for (open, close) in [("[", "]"), ("{a=", "}")] {
            let text = format!("A = {}1{}", open.repeat(depth), close.repeat(depth));
            prop_assert_eq!(read(&text).errors.len(), 1);
        }
    }

    #[test]
    fn a_file_and_the_same_variables_set_by_hand_mean_the_same(
        settings in proptest::collection::btree_map(settable(), "[^\0]{0,12}", 0..8),
        secrets in proptest::collection::vec(("[a-z/]{0,6}[a-z]", "[a-z]{1,6}", proptest::option::of(1u32..9)), 0..4),
    ) {
        let mut text = String::new();
        let mut by_hand: BTreeMap<String, String> = settings.clone();
        for (name, value) in &settings {
            text.push_str(&format!("{name} = {}\n", quoted(value)));
        }
        for (index, (path, word, version)) in secrets.iter().enumerate() {
            text.push_str(&format!("[[secret]]\npath = \"{path}\"\n"));
            match version {
                // The names that the list gives by itself are digits, as those above may be.
                None => {
                    let name = format!("LISTED_{index}");
                    text.push_str(&format!("name = \"listed_{index}\"\nfile = \"{word}\"\n"));
                    by_hand.insert(format!("VAULT_SECRET_PATH_{name}"), path.clone());
                    by_hand.insert(format!("VAULT_SECRET_FILE_{name}"), word.clone());
                }
                Some(version) => {
                    text.push_str(&format!("variable = \"V{index}\"\nfield = \"{word}\"\nversion = {version}\n"));
                    let path = SecretId::newest(path).path;
                    by_hand.insert(format!("V{index}"), format!("vault:{path}#{word}#{version}"));
                }
            }
        }
        let from_file = Environment::new([]).with_file(read(&text));
        let by_hand = Environment::new(by_hand);
        prop_assert_eq!(all(&from_file), all(&by_hand));
        let (settings, found) = parse(&from_file);
        let (expected, expected_found) = parse(&by_hand);
        prop_assert_eq!(format!("{settings:?}"), format!("{expected:?}"));
        let problems = |found: &[Finding]| {
            found.iter().map(|f| (f.variable.clone(), f.problem.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(problems(&found.errors), problems(&expected_found.errors));
        prop_assert_eq!(problems(&found.warnings), problems(&expected_found.warnings));
    }
}
