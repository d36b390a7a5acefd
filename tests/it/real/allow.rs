//! `STRONGROOM_ALLOW` before real Vault: what is let through is what Vault then reads.

use serde_json::json;

use super::practice_of;

const OUTSIDE: &str = "not for this function";

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_reads_what_is_not_allowed() {
    let Some(mut practice) = practice_of("no spelling of a path leads outside") else { return };
    let policy = r#"path "kv/*" { capabilities = ["read", "list"] }"#;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": policy}));
    practice.vault.write("kv/data/other", &json!({"data": {"value": OUTSIDE}}));
    practice.vault.write("kv/data/test/app", &json!({"data": {"value": "allowed"}}));
    practice.set("STRONGROOM_ALLOW", "kv/data/test/*");
    let environment = practice.ready().await;
    let before = practice.audit.requests().len();
    for (path, status) in [
        ("/v1/kv/data/test/app", 200),
        ("/v1/kv/data/test/%61pp", 200),
        ("/v1/kv/data/%74est/app", 200),
        ("/v1/kv/data/other", 403),
        ("/v1/kv/metadata/test/app", 403),
        ("/v1/kv/data/test/../other", 403),
        ("/v1/kv/data/test/%2e%2e/other", 403),
        ("/v1/kv/data/test/.%2E/other", 403),
        ("/v1/kv/data/test%2f..%2fother", 403),
        ("/v1/kv//data/test/app", 403),
        ("//v1/kv/data/other", 403),
        ("/v1/kv/data/test/%", 403),
        ("/v1/kv/data/test/app%00", 403),
        ("/v2/kv/data/test/app", 403),
    ] {
        let answer = environment.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(!answer.text().contains(OUTSIDE), "{path}");
        assert!(status == 200 || answer.text().contains("STRONGROOM_ALLOW"), "{path}");
    }
    let asked = practice.audit.requests();
    let reads = asked[before..].iter().filter(|request| request.starts_with("read kv/"));
    assert!(reads.clone().count() == 3, "{asked:?}");
    assert!(reads.clone().all(|read| *read == "read kv/data/test/app"), "{asked:?}");
}
