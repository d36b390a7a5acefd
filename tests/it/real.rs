//! The extension against real parts: HashiCorp Vault, moto as AWS, AWS's Lambda emulator and its Python client, hvac.
//!
//! What needs Lambda's fixed ports runs in a network of its own; everything else under the local Lambda of `host`.

mod allow;
mod answers;
mod binding;
mod doctor;
mod doctor_in_lambda;
mod emulator;
mod freshness;
mod hvac;
mod layers;
mod leases;
mod other_logins;
mod outage;
mod refusals;
mod roles;
mod run;
mod setup;
mod token;

use strongroom_tests::beds::{self, Part, practice, shared_moto};
use strongroom_tests::stage::practice::Practice;

/// The compiled function.
const FUNCTION: &str = env!("CARGO_BIN_EXE_strongroom-tests-function");
/// What a test under the local Lambda needs.
const UNDER_HOST: [Part; 3] = [Part::Extension, Part::Moto, Part::Vault];

/// The practice with the compiled function, or nothing if a part of it is missing.
fn practice_of(test: &str) -> Option<Practice> {
    beds::available(test, &UNDER_HOST).then(|| Practice::new(FUNCTION.as_ref(), shared_moto()))
}

/// Where clients of the local Vault API read the practice's secret.
fn secret_url() -> String {
    format!("/v1/{}", practice::SECRET_PATH)
}

// What Vault's audit file calls what the extension asks.
const LOGIN: &str = "update auth/aws/login";
const RENEWAL: &str = "update auth/token/renew-self";
const REVOCATION: &str = "update auth/token/revoke-self";

fn read_of_secret() -> String {
    format!("read {}", practice::SECRET_PATH)
}
