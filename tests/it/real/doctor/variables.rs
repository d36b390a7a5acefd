//! What the extension would refuse before it asks anybody.

use super::{Fault, check, fault, warning};

const FAULTS: &[Fault] = &[
    fault(
        "no role",
        |bed| bed.unset("VAULT_AUTH_ROLE"),
        "variables",
        &["VAULT_AUTH_ROLE", "docs/variables.md"],
    ),
    fault(
        "a variable of ours is mistyped",
        |bed| bed.set("STRONGROOM_REFRSH", "5m"),
        "variables",
        &["STRONGROOM_REFRSH is no setting of this version"],
    ),
    fault(
        "the address is that of the extension itself",
        |bed| bed.set("VAULT_ADDR", "http://127.0.0.1:8200"),
        "variables",
        &["set VLE_VAULT_ADDR to the address of Vault"],
    ),
    fault(
        "a reference without a field",
        |bed| bed.set("DB_PASSWORD", "vault:secret/data/app#"),
        "variables",
        &["DB_PASSWORD", "without a field"],
    ),
    warning(
        "a word that vault-lambda-extension passes over",
        |bed| bed.set("VAULT_RUN_MODE", "files"),
        "variables",
        &["VAULT_RUN_MODE is none of"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_the_extension_refuses_is_named() {
    check("doctor: variables", FAULTS);
}
