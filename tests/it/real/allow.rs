//! `STRONGROOM_ALLOW` before real Vault: what is let through is what Vault then reads.

use serde_json::json;

use super::practice_of;

const OUTSIDE: &str = "not for this function";

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_reads_what_is_not_allowed() {
    let Some(mut practice) = practice_of("no spelling of a path leads outside") else { return };
    let policy = r#"
        path "kv/data/test/*" { capabilities = ["read"] }
        path "team/*" { capabilities = ["read", "list"] }
    "#;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": policy}));
    practice.vault.write("sys/mounts/team", &json!({"type": "kv"}));
    practice.vault.write("team/other", &json!({"value": OUTSIDE}));
    practice.vault.write("team/app/db", &json!({"value": "allowed"}));
    practice.set("STRONGROOM_ALLOW", "team/app/*");
    let environment = practice.ready().await;
    let before = practice.audit.requests().len();
    for (path, status) in [
        ("/v1/team/app/db", 200),
        ("/v1/team/app/%64b", 200),
        ("/v1/team/%61pp/db", 200),
        ("/v1/team/other", 403),
        ("/v1/team/app", 403),
        ("/v1/team/application/db", 403),
        ("/v1/team/app/../other", 403),
        ("/v1/team/app/%2e%2e/other", 403),
        ("/v1/team/app/.%2E/other", 403),
        ("/v1/team/app%2f..%2fother", 403),
        ("/v1/team//app/db", 403),
        ("//v1/team/other", 403),
        ("/v1/team/app/%", 403),
        ("/v1/team/app/db%00", 403),
        ("/v2/team/app/db", 403),
    ] {
        let answer = environment.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(!answer.text().contains(OUTSIDE), "{path}");
        assert!(status == 200 || answer.text().contains("STRONGROOM_ALLOW"), "{path}");
    }
    let asked = practice.audit.requests();
    let reads = asked[before..].iter().filter(|request| request.starts_with("read team/"));
    assert!(reads.clone().count() == 3, "{asked:?}");
    assert!(reads.clone().all(|read| *read == "read team/app/db"), "{asked:?}");
}
