//! What each variable does, by table.

mod identity;
mod twins;

use super::*;

const BASE: &[(&str, &str)] = &[
    ("VAULT_ADDR", "http://127.0.0.1:9200"),
    ("VAULT_AUTH_PROVIDER", "aws"),
    ("VAULT_AUTH_ROLE", "lambda"),
];

/// Those of [`BASE`] with `more`, which win over them.
fn environment(more: &[(&str, &str)]) -> Environment {
    let is_replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    let base = BASE.iter().filter(|(name, _)| !is_replaced(name));
    Environment::new(
        base.chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn parsed(more: &[(&str, &str)]) -> Settings {
    let (settings, findings) = parse(&environment(more));
    settings.unwrap_or_else(|| panic!("{more:?}: {findings:?}"))
}

/// Which variables are errors and which are warnings.
fn check(more: &[(&str, &str)], errors: &[&str], warnings: &[&str]) {
    let (settings, findings) = parse(&environment(more));
    let names =
        |findings: &[Finding]| findings.iter().map(|f| f.variable.clone()).collect::<Vec<_>>();
    assert_eq!(names(&findings.errors), errors, "errors of {more:?}");
    assert_eq!(names(&findings.warnings), warnings, "warnings of {more:?}");
    assert_eq!(settings.is_some(), errors.is_empty());
    for (_, value) in more.iter().filter(|(_, value)| value.len() > 8) {
        assert!(!format!("{findings:?}").contains(value), "a finding shows a value");
    }
}

#[test]
fn what_the_incumbent_refuses_is_an_error_and_what_it_tolerates_a_warning() {
    check(&[], &[], &[]);
    check(&[("VAULT_ADDR", " http://127.0.0.1:9200 ")], &["VAULT_ADDR"], &[]);
    check(&[("VAULT_ADDR", "127.0.0.1:9200")], &["VAULT_ADDR"], &[]);
    check(&[("VAULT_ADDR", "http://127.0.0.1:8200")], &["VLE_VAULT_ADDR"], &[]);
    check(&[("VAULT_ADDR", "")], &["VAULT_ADDR"], &[]);
    check(
        &[("VAULT_AUTH_PROVIDER", ""), ("VAULT_AUTH_ROLE", " ")],
        &["VAULT_AUTH_PROVIDER", "VAULT_AUTH_ROLE"],
        &[],
    );
    check(
        &[("VAULT_AUTH_ROLE", ""), ("VAULT_TOKEN", "hvs.canary-token")],
        &["VAULT_AUTH_ROLE"],
        &[],
    );
    check(&[("VAULT_TOKEN", "hvs.canary-token")], &[], &["VAULT_TOKEN"]);
    check(&[("VAULT_RUN_MODE", "bogus")], &[], &["VAULT_RUN_MODE"]);
    check(&[("VAULT_TOKEN_EXPIRY_GRACE_PERIOD", "300")], &["VAULT_TOKEN_EXPIRY_GRACE_PERIOD"], &[]);
    check(&[("VAULT_DEFAULT_CACHE_TTL", "300")], &[], &["VAULT_DEFAULT_CACHE_TTL"]);
    check(
        &[("VAULT_DEFAULT_CACHE_TTL", "60s"), ("VAULT_DEFAULT_CACHE_ENABLED", "yes")],
        &[],
        &["VAULT_DEFAULT_CACHE_ENABLED"],
    );
    check(&[("VAULT_SKIP_VERIFY", "yes")], &["VAULT_SKIP_VERIFY"], &[]);
    check(&[("VAULT_SKIP_VERIFY", "1")], &[], &["VAULT_SKIP_VERIFY"]);
    check(&[("VAULT_CLIENT_CERT", "/c.pem")], &["VAULT_CLIENT_KEY"], &[]);
    check(&[("VAULT_CLIENT_TIMEOUT", "soon")], &["VAULT_CLIENT_TIMEOUT"], &[]);
    check(&[("VAULT_MAX_RETRIES", "many")], &["VAULT_MAX_RETRIES"], &[]);
    check(&[("VAULT_HEADERS", "X-Custom: one")], &["VAULT_HEADERS"], &[]);
    check(&[("VAULT_HEADERS", r#"{"X-Vault-Token":"t"}"#)], &["VAULT_HEADERS"], &[]);
    check(&[("VAULT_RATE_LIMIT", "fast")], &["VAULT_RATE_LIMIT"], &[]);
    check(&[("VAULT_PROXY_ADDR", "://x")], &["VAULT_PROXY_ADDR"], &[]);
    check(&[("VAULT_DISABLE_REDIRECTS", "maybe")], &["VAULT_DISABLE_REDIRECTS"], &[]);
    check(&[("VAULT_SRV_LOOKUP", "on")], &["VAULT_SRV_LOOKUP"], &[]);
    check(&[("VAULT_SECRET_FILE", "x.json")], &[], &["VAULT_SECRET_FILE"]);
    check(&[("VAULT_SECRET_PATH_DB", "kv/data/db")], &["VAULT_SECRET_PATH_DB"], &[]);
    check(&[("VAULT_SECRET_FILE_DB", "db.json")], &["VAULT_SECRET_FILE_DB"], &[]);
    check(
        &[("VAULT_SECRET_PATH_", "kv/data/db"), ("VAULT_SECRET_FILE_", "db.json")],
        &["VAULT_SECRET_PATH_"],
        &[],
    );
    check(
        &[
            ("VAULT_SECRET_PATH", "a"),
            ("VAULT_SECRET_PATH_DB", "b"),
            ("VAULT_SECRET_FILE_DB", "./x/../secret.json"),
        ],
        &["VAULT_SECRET_PATH_DB"],
        &[],
    );
    check(
        &[("VAULT_RUN_MODE", "proxy"), ("VAULT_SECRET_PATH_DB", "kv/data/db")],
        &[],
        &["VAULT_SECRET_PATH_DB"],
    );
}

#[test]
fn our_own_variables_are_strict() {
    check(&[("STRONGROOM_REVOKE", "sometimes")], &["STRONGROOM_REVOKE"], &[]);
    check(&[("STRONGROOM_MISSING_SECRET", "NULL")], &["STRONGROOM_MISSING_SECRET"], &[]);
    check(&[("STRONGROOM_INIT_TIMEOUT", "8")], &["STRONGROOM_INIT_TIMEOUT"], &[]);
    check(&[("STRONGROOM_PROXY_PORT", "0")], &["STRONGROOM_PROXY_PORT"], &[]);
    check(&[("STRONGROOM_PROXY_PORT", "70000")], &["STRONGROOM_PROXY_PORT"], &[]);
    for wrong in ["0.0.0.0:8200", "10.0.0.1:8200", "[::1]", "127.0.0.1:0", "localhost", "[::]:1"] {
        check(&[("STRONGROOM_LISTEN", wrong)], &["STRONGROOM_LISTEN"], &[]);
    }
    for more in ["127.0.0.1:8201", "off"] {
        let twice = [("STRONGROOM_LISTEN", more), ("STRONGROOM_PROXY_PORT", "8300")];
        check(&twice, &["STRONGROOM_LISTEN"], &[]);
    }
    check(&[("STRONGROOM_ALLOW", "kv/*/x")], &["STRONGROOM_ALLOW"], &[]);
    check(&[("STRONGROOM_GUARD_HTTP", "yes")], &["STRONGROOM_GUARD_HTTP"], &[]);
    check(&[("STRONGROOM_CACHE_SIZE", "1GB")], &["STRONGROOM_CACHE_SIZE"], &[]);
    check(&[("STRONGROOM_EXTERNAL_ID", "x")], &["STRONGROOM_EXTERNAL_ID"], &[]);
    check(&[("STRONGROOM_REVOKED", "never")], &["STRONGROOM_REVOKED"], &[]);
    check(&[("STRONGROOM_GUARD_TOKEN", "x")], &["STRONGROOM_GUARD_TOKEN"], &[]);
}

#[test]
fn what_is_to_happen_in_an_outage_is_said_in_full() {
    for wrong in ["0", "11", "x", "-1"] {
        check(&[("STRONGROOM_RETRY", wrong)], &["STRONGROOM_RETRY"], &[]);
    }
    check(&[("STRONGROOM_ON_OUTAGE", "wait")], &["STRONGROOM_ON_OUTAGE"], &[]);
    check(&[("STRONGROOM_STALE_FOR", "1h")], &["STRONGROOM_STALE_FOR"], &[]);
    let stale = ("STRONGROOM_ON_OUTAGE", "stale");
    check(&[stale], &[], &["STRONGROOM_ON_OUTAGE"]);
    check(
        &[stale, ("STRONGROOM_STALE_FOR", "0s")],
        &["STRONGROOM_STALE_FOR"],
        &["STRONGROOM_ON_OUTAGE"],
    );
    let cached = ("VAULT_DEFAULT_CACHE_TTL", "60s");
    check(&[stale, cached], &[], &[]);
    assert_eq!(parsed(&[]).on_outage, OnOutage::Fail);
    let asked = |more: &[(&str, &str)]| parsed(more).proxy.unwrap().attempts.get();
    assert_eq!(asked(&[]), 3);
    assert_eq!(asked(&[("STRONGROOM_RETRY", "off")]), 1);
    assert_eq!(asked(&[("STRONGROOM_RETRY", "7")]), 7);
}

#[test]
fn all_mistakes_are_reported_together() {
    check(
        &[
            ("VAULT_ADDR", "nonsense"),
            ("VAULT_AUTH_ROLE", ""),
            ("STRONGROOM_REVOKE", "x"),
            ("VAULT_MAX_RETRIES", "x"),
        ],
        &["VAULT_ADDR", "VAULT_MAX_RETRIES", "VAULT_AUTH_ROLE", "STRONGROOM_REVOKE"],
        &[],
    );
}

#[test]
fn the_address_is_that_of_the_agent_then_vle_then_vault() {
    let check = |more: &[(&str, &str)], expect: &str| {
        assert_eq!(parsed(more).vault.address.to_string(), expect, "{more:?}");
    };
    check(&[], "http://127.0.0.1:9200");
    check(
        &[("VLE_VAULT_ADDR", "  http://a \n"), ("VAULT_ADDR", "http://127.0.0.1:8200")],
        "http://a",
    );
    check(&[("VLE_VAULT_ADDR", "http://a"), ("VAULT_AGENT_ADDR", "http://b")], "http://b");
    check(&[("VLE_VAULT_ADDR", "")], "http://127.0.0.1:9200");
    check(&[("VAULT_ADDR", ""), ("BAO_ADDR", "http://bao")], "http://bao");
}

#[test]
fn secrets_go_to_their_files() {
    let check = |more: &[(&str, &str)], expect: &[(&str, &str)]| {
        let files = parsed(more).files;
        let found: Vec<_> =
            files.iter().map(|f| (f.secret.path.as_str(), f.file.to_str().unwrap())).collect();
        assert_eq!(found, expect, "{more:?}");
    };
    check(
        &[("VAULT_SECRET_PATH", " /kv//data/app ")],
        &[("kv/data/app", "/tmp/vault/secret.json")],
    );
    check(
        &[("VAULT_SECRET_PATH", "a"), ("VAULT_SECRET_FILE", "/tmp/x/y.json")],
        &[("a", "/tmp/x/y.json")],
    );
    check(
        &[("VAULT_SECRET_PATH", "a"), ("VAULT_SECRET_FILE", "../climbed.json")],
        &[("a", "/tmp/climbed.json")],
    );
    check(
        &[
            ("VAULT_SECRET_PATH_B", "b"),
            ("VAULT_SECRET_FILE_B", "b.json"),
            ("VAULT_SECRET_PATH", "a"),
        ],
        &[("a", "/tmp/vault/secret.json"), ("b", "/tmp/vault/b.json")],
    );
    check(&[("VAULT_RUN_MODE", "PROXY"), ("VAULT_SECRET_PATH", "a")], &[]);
}

#[test]
fn a_token_alone_is_an_identity() {
    let settings = parsed(&[
        ("VAULT_AUTH_PROVIDER", ""),
        ("VAULT_AUTH_ROLE", ""),
        ("VAULT_TOKEN", "hvs.canary"),
    ]);
    assert!(matches!(settings.identity, Identity::Token(_)));
    assert!(!format!("{settings:?}").contains("canary"));
}

#[test]
fn levels_and_formats_of_the_log() {
    let check = |more: &[(&str, &str)], level, format| {
        assert_eq!(log(&environment(more)).0, Log { level, format }, "{more:?}");
    };
    check(&[], Some(Level::Info), LogFormat::Text);
    check(&[("VAULT_LOG_LEVEL", "debug")], Some(Level::Debug), LogFormat::Text);
    check(&[("VAULT_LOG_LEVEL", "OFF"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")], None, LogFormat::Json);
    check(&[("VAULT_LOG_LEVEL", "LOUD")], Some(Level::Info), LogFormat::Text);
}

#[test]
fn a_file_is_written_in_its_own_format_or_in_that_of_all() {
    let settings = parsed(&[
        ("STRONGROOM_FILE_FORMAT", "data"),
        ("STRONGROOM_FILE_MODE", "440"),
        ("VAULT_SECRET_PATH", "kv/data/a"),
        ("VAULT_SECRET_PATH_B", "kv/data/b"),
        ("VAULT_SECRET_FILE_B", "b"),
        ("STRONGROOM_FILE_FORMAT_B", "raw:api-key"),
        ("STRONGROOM_FILE_MODE_B", "0400"),
    ]);
    let shown: Vec<_> = settings
        .files
        .iter()
        .map(|file| format!("{} {} {:o}", file.secret, file.format, file.mode))
        .collect();
    assert_eq!(shown, ["kv/data/a data 440", "kv/data/b raw:api-key 400"]);
    check(&[("STRONGROOM_FILE_FORMAT", "json")], &["STRONGROOM_FILE_FORMAT"], &[]);
    check(&[("STRONGROOM_FILE_FORMAT_B", "data")], &["STRONGROOM_FILE_FORMAT_B"], &[]);
    check(&[("STRONGROOM_FILE_MODE_B", "0600")], &["STRONGROOM_FILE_MODE_B"], &[]);
    for mode in ["0666", "4755", "0200", "rw", "1000", "8"] {
        check(&[("STRONGROOM_FILE_MODE", mode)], &["STRONGROOM_FILE_MODE"], &[]);
    }
}

#[test]
fn references_are_found_in_the_functions_variables_only() {
    let settings = parsed(&[
        ("DB_PASSWORD", "vault:kv/data/app#password"),
        ("DSN", "postgres://u:${vault:kv/data/app#password}@db"),
        ("CIPHERTEXT", "vault:v1:AAAA"),
        ("VAULT_SECRET_PATH", "vault:kv/data/app#password"),
        ("AWS_X", "vault:kv/data/app#password"),
    ]);
    let names: Vec<_> = settings.references.iter().map(|variable| &variable.name).collect();
    assert_eq!(names, ["DB_PASSWORD", "DSN"]);
    check(&[("X", "vault:kv/data/app#")], &["X"], &[]);
    check(&[("X", "vault:kv/data/app#a#b")], &["X"], &[]);
    let wrapped = ("VAULT_WRAP_TTL", "60s");
    check(&[wrapped, ("X", "vault:kv/data/a#b")], &["VAULT_WRAP_TTL"], &[]);
    let file = ("VAULT_SECRET_PATH", "a");
    check(&[wrapped, file, ("STRONGROOM_FILE_FORMAT", "data")], &["VAULT_WRAP_TTL"], &[]);
    check(&[wrapped, file], &[], &[]);
    let snap_start = ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start");
    check(&[("X", "vault:kv/data/a#b"), snap_start], &["X"], &[]);
    check(
        &[("X", "vault:kv/data/a#b"), snap_start, ("STRONGROOM_SNAPSTART_ENV", "allow")],
        &[],
        &[],
    );
    check(&[snap_start], &[], &[]);
}

#[test]
fn the_socket_is_there_where_somebody_may_ask() {
    let check = |more: &[(&str, &str)], expect: Option<&str>| {
        let socket = parsed(more).socket;
        assert_eq!(socket.as_ref().and_then(|socket| socket.path.to_str()), expect, "{more:?}");
    };
    let default = Some("/tmp/.strongroom/socket");
    check(&[], None);
    check(&[("AWS_LAMBDA_EXEC_WRAPPER", "/opt/other")], None);
    check(&[("AWS_LAMBDA_EXEC_WRAPPER", "/opt/strongroom/exec")], default);
    check(&[("X", "vault:kv/data/a#b")], default);
    check(&[("STRONGROOM_WAIT", "wrapper")], default);
    check(&[("STRONGROOM_ENV_API", "on")], default);
    check(&[("STRONGROOM_SOCKET", "/tmp/x/s")], Some("/tmp/x/s"));
    let long = format!("/tmp/{}", "x".repeat(100));
    for path in ["relative/socket", "/", &long] {
        self::check(&[("STRONGROOM_SOCKET", path)], &["STRONGROOM_SOCKET"], &[]);
    }
}

#[test]
fn the_wrapper_waits_only_if_it_is_ours_or_said_to() {
    let check = |more: &[(&str, &str)], expect| {
        assert_eq!(parsed(more).waits, expect, "{more:?}");
    };
    let ours = ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/strongroom/exec");
    check(&[], Waits::Registration);
    check(&[("AWS_LAMBDA_EXEC_WRAPPER", "/opt/strongroom/exec ")], Waits::Registration);
    check(&[ours], Waits::WrapperIfHeeded);
    check(&[ours, ("STRONGROOM_WAIT", "registration")], Waits::Registration);
    check(&[("STRONGROOM_WAIT", "wrapper")], Waits::Wrapper);
}

#[test]
fn files_are_kept_fresh_unless_that_is_turned_off() {
    assert_eq!(parsed(&[]).refresh, Some(Duration::from_mins(5)));
    assert_eq!(parsed(&[("STRONGROOM_REFRESH", "90s")]).refresh, Some(Duration::from_secs(90)));
    assert_eq!(parsed(&[("STRONGROOM_REFRESH", "off")]).refresh, None);
    for text in ["0s", "5", "never"] {
        check(&[("STRONGROOM_REFRESH", text)], &["STRONGROOM_REFRESH"], &[]);
    }
}

#[test]
fn the_local_api_listens_where_it_is_told() {
    let listen =
        |more: &[(&str, &str)]| parsed(more).proxy.unwrap().listen.map(|at| at.to_string());
    assert_eq!(listen(&[]).as_deref(), Some("127.0.0.1:8200"));
    assert_eq!(listen(&[("STRONGROOM_LISTEN", "[::1]:8201")]).as_deref(), Some("[::1]:8201"));
    let agreed = [("STRONGROOM_LISTEN", "localhost:8201"), ("STRONGROOM_PROXY_PORT", "8201")];
    assert_eq!(listen(&agreed).as_deref(), Some("127.0.0.1:8201"));
    assert_eq!(listen(&[("STRONGROOM_LISTEN", "off")]), None);
    assert!(parsed(&[("STRONGROOM_LISTEN", "off")]).socket.is_some(), "the socket serves it then");
    assert!(parsed(&[]).socket.is_none());
}
