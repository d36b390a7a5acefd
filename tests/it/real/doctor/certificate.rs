//! Logins by certificate that real Vault refuses.

use serde_json::json;
use strongroom_tests::beds::{Authority, Certified, Vault};
use strongroom_tests::stage::free_port;

use super::{Bed, Fault, fault};

pub(super) const FAULTS: &[Fault] = &[
    fault(
        "an authority that Vault does not know",
        |bed| show(bed, |_| Authority::new().client("app")),
        "role-binding",
        &["invalid certificate or no client certificate", "no entry of auth/cert/certs trusts"],
    ),
    fault(
        "a name that Vault does not let in",
        |bed| show(bed, |authority| authority.client("other")),
        "role-binding",
        &["no chain matching all constraints", "allowed_common_names"],
    ),
    fault(
        "a certificate that has expired",
        |bed| show(bed, |authority| authority.expired_client("app")),
        "credentials",
        &["failed to verify client's certificate", "has expired", "replace it"],
    ),
];

/// Has the function show this certificate to the bed's Vault, which speaks TLS.
fn show(bed: &mut Bed, certify: fn(&Authority) -> Certified) {
    let authority = Authority::new();
    let shown = certify(&authority);
    bed.vault.write("sys/auth/cert", &json!({"type": "cert"}));
    let entry = json!({"certificate": authority.pem, "allowed_common_names": ["app"]});
    bed.vault.write("auth/cert/certs/functions", &entry);
    for name in ["VAULT_AUTH_PROVIDER", "VAULT_AUTH_ROLE", "VAULT_IAM_SERVER_ID"] {
        bed.unset(name);
    }
    bed.set("STRONGROOM_AUTH_METHOD", "cert");
    for (name, content) in
        [("VAULT_CLIENT_CERT", &shown.certificate), ("VAULT_CLIENT_KEY", &shown.key)]
    {
        let file = bed.file(name, content.as_bytes());
        bed.set(name, &file.to_string_lossy());
    }
}

/// A bed whose Vault speaks TLS; the function knows its authority.
fn over_tls() -> Bed {
    let authority = Authority::new();
    let Certified { certificate, key } = authority.server("127.0.0.1");
    let address = format!("127.0.0.1:{}", free_port());
    let vault = Vault::start_with_tls(&address, &certificate, &key, &authority.pem);
    let mut bed = Bed::on(vault);
    let file = bed.file("authority.pem", authority.pem.as_bytes());
    bed.set("VAULT_CACERT", &file.to_string_lossy());
    bed
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_certificate_is_refused_is_named() {
    super::check_on("doctor: certificates", over_tls, FAULTS);
}
