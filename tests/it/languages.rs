//! The examples, by language: each reads one secret by variable, by file and through the local Vault API.
//!
//! Under the local Lambda of `host` with the embedded Vault, and under AWS's emulator with real Vault; a language whose
//! toolchain is missing is skipped.

mod clients;
mod emulator;
mod local;
mod templates;

use serde_json::{Value, json};
use strongroom_tests::beds::{Language, Part};

/// The exec wrapper, where a layer has it.
const WRAPPER: &str = "/opt/strongroom/exec";

/// The variables that each template sets, for a secret at this path, but for where Vault is.
fn variables(language: Language, path: &str) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("API_KEY", format!("vault:{path}#api-key")),
        ("VAULT_SECRET_PATH_API", path.to_owned()),
        ("VAULT_SECRET_FILE_API", "/tmp/vault/api-key".to_owned()),
        ("STRONGROOM_FILE_FORMAT_API", "raw:api-key".to_owned()),
    ];
    // The others are started by a script of their own, which starts the wrapper.
    if has_wrapper_variable(language) {
        variables.push(("AWS_LAMBDA_EXEC_WRAPPER", WRAPPER.to_owned()));
    }
    variables
}

/// Whether Lambda's own bootstrap starts the function, and with it the wrapper that the variable names.
fn has_wrapper_variable(language: Language) -> bool {
    matches!(language, Language::Java | Language::Node | Language::Python)
}

/// The parts that a test needs besides the language's own.
fn parts(language: Language, others: &[Part]) -> Vec<Part> {
    language.parts().iter().chain(others).copied().collect()
}

/// What an example answers that saw these values.
fn fingerprints(variable: &str, file: &str, proxy: &str) -> Value {
    json!({
        "variable": fingerprint(variable),
        "file": fingerprint(file),
        "proxy": fingerprint(proxy),
    })
}

/// The first eight digits of the value's SHA-256.
fn fingerprint(value: &str) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(value).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
