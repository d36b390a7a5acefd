//! Tokens that surprise; all real Vault.

use serde_json::json;

use super::{Bed, Fault, check, warning};

const FAULTS: &[Fault] = &[
    warning(
        "a token whose requests are counted",
        |bed| bed.role(&json!({"token_num_uses": 3})),
        "token",
        &[
            "token_num_uses=3",
            "each request counts",
            "vault write auth/aws/role/lambda-role token_num_uses=0",
        ],
    ),
    warning(
        "a token for one request",
        |bed| bed.role(&json!({"token_num_uses": 1})),
        "token",
        &["token_num_uses=1", "each request counts"],
    ),
    warning(
        "a token that may do nothing but read the secret",
        |bed| bed.role(&json!({"token_no_default_policy": true})),
        "token",
        &["permission denied", "look itself up", "token_no_default_policy=false"],
    ),
    warning(
        "a token that may not renew itself",
        |bed| {
            bed.role(&json!({"token_no_default_policy": true}));
            also_allow(bed, r#"path "auth/token/revoke-self" { capabilities = ["update"] }"#);
        },
        "token",
        &["auth/token/renew-self", "each end of it costs a login", "token_no_default_policy=false"],
    ),
    warning(
        "a token that may not revoke itself",
        |bed| {
            bed.role(&json!({"token_no_default_policy": true}));
            also_allow(bed, r#"path "auth/token/renew-self" { capabilities = ["update"] }"#);
        },
        "token",
        &["auth/token/revoke-self", "stay in Vault", "token_no_default_policy=false"],
    ),
];

/// What the default policy allows besides.
fn also_allow(bed: &Bed, policy: &str) {
    bed.allow(&format!(
        r#"path "secret/data/*" {{ capabilities = ["read"] }}
        path "auth/token/lookup-self" {{ capabilities = ["read"] }}
        path "sys/capabilities-self" {{ capabilities = ["update"] }}
        {policy}"#
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_whose_requests_are_counted_are_revoked_too() {
    if !strongroom_tests::beds::available("doctor revokes counted tokens", &super::NEEDED) {
        return;
    }
    let bed = Bed::new();
    bed.role(&json!({"token_num_uses": 5}));
    assert_eq!(bed.examine().code, Some(0));
    assert_eq!(bed.vault.login_accessors(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_is_not_good_for_is_named() {
    check("doctor: token", FAULTS);
}
