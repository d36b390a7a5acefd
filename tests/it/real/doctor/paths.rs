//! Paths that lead nowhere; all real Vault.

use serde_json::json;

use super::{Bed, Fault, check, fault, warning};

pub(super) const FAULTS: &[Fault] = &[
    fault(
        "KV v2 without data/",
        |bed| ask_for(bed, "secret/app"),
        "mount",
        &["secret/ is KV v2", "below data/", "write secret/data/app"],
    ),
    fault(
        "KV v2 with metadata/",
        |bed| ask_for(bed, "secret/metadata/app"),
        "mount",
        &["secret/ is KV v2", "write secret/data/app"],
    ),
    fault(
        "KV v1 with data/",
        |bed| ask_for(bed, "old/data/app"),
        "mount",
        &["in KV v1 there is no data/", "write old/app"],
    ),
    fault(
        "no secrets engine, as far as a policy allows to see",
        |bed| {
            bed.allow(r#"path "secert/*" { capabilities = ["read"] }"#);
            ask_for(bed, "secert/data/app");
        },
        "mount",
        &["no handler for route", "no secrets engine is mounted there", "vault secrets list"],
    ),
    fault(
        "no policy and perhaps no secrets engine",
        |bed| ask_for(bed, "secert/data/app"),
        "policy",
        &["deny", "does not say whether there is one", "vault secrets list"],
    ),
    fault(
        "no policy",
        |bed| bed.allow(r#"path "secret/data/other" { capabilities = ["read"] }"#),
        "policy",
        &[
            "deny",
            "no policy of the role allows",
            r#"path "secret/data/app" { capabilities = ["read"] }"#,
        ],
    ),
    fault(
        "a policy that lists and does not read",
        |bed| bed.allow(r#"path "secret/data/*" { capabilities = ["list"] }"#),
        "policy",
        &["list", "no policy of the role allows"],
    ),
    fault(
        "a policy without data/",
        |bed| bed.allow(r#"path "secret/app" { capabilities = ["read"] }"#),
        "policy",
        &["without the data/", r#"path "secret/data/app""#],
    ),
    fault(
        "no policy, and Vault does not say what may be done",
        |bed| {
            bed.role(&json!({"token_no_default_policy": true}));
            bed.allow(r#"path "auth/token/lookup-self" { capabilities = ["read"] }"#);
        },
        "policy",
        &["permission denied", "no policy of the Vault role allows this"],
    ),
    fault(
        "no secret",
        |bed| ask_for(bed, "secret/data/nothing"),
        "secret",
        &["status 404", "nothing has been written there", "vault kv put"],
    ),
    fault(
        "a secret that was deleted",
        |bed| {
            let answer = bed.vault.request("DELETE", "secret/data/app", super::ROOT_TOKEN, None);
            assert_eq!(answer.status, 204);
        },
        "secret",
        &["deleted or destroyed", "vault kv undelete"],
    ),
    fault(
        "a version that is not there",
        |bed| {
            bed.unset("VAULT_SECRET_PATH");
            bed.set("DB_PASSWORD", "vault:secret/data/app#password#7");
        },
        "secret",
        &["secret/data/app version 7", "this version of it is not there"],
    ),
    fault(
        "a field that is not there",
        |bed| bed.set("DB_PASSWORD", "vault:secret/data/app#passwort"),
        "field",
        &["passwort", "for DB_PASSWORD", "the fields password, user"],
    ),
    warning(
        "a field that is not there, and something serves in its place",
        |bed| bed.set("DB_PASSWORD", "vault:secret/data/app#passwort|none"),
        "field",
        &["passwort", "the fields password, user"],
    ),
    fault(
        "a field for a file that is not there",
        |bed| {
            bed.set("STRONGROOM_FILE_FORMAT", "raw:key");
        },
        "field",
        &["key of secret/data/app, for VAULT_SECRET_PATH"],
    ),
];

/// One secret is asked for, here.
fn ask_for(bed: &mut Bed, path: &str) {
    bed.unset("DB_PASSWORD");
    bed.unset("AWS_LAMBDA_EXEC_WRAPPER");
    bed.set("VAULT_SECRET_PATH", path);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_secret_is_not_read_is_named() {
    check("doctor: paths", FAULTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_makes_credentials_is_not_read() {
    if !strongroom_tests::beds::available("doctor makes no credentials", &super::NEEDED) {
        return;
    }
    let mut bed = Bed::new();
    bed.vault.write("sys/mounts/database", &json!({"type": "database"}));
    bed.allow(r#"path "database/creds/app" { capabilities = ["read"] }"#);
    ask_for(&mut bed, "database/creds/app");
    let examined = bed.examine();
    assert_eq!(examined.code, Some(0), "{}", examined.text);
    assert!(examined.text.contains("database/creds/app not read"), "{}", examined.text);
}
