//! How Vault is, and whether it is one. Sealed is real Vault; what one server alone cannot be is played by a stub.

use std::time::{Duration, SystemTime};

use http::Response;
use serde_json::json;
use strongroom_tests::stage::stub::{Body, Stub, whole};

use super::way::stub;
use super::{Bed, Fault, check, fault, warning};

const FAULTS: &[Fault] = &[
    fault(
        "sealed",
        |bed| bed.vault.seal(),
        "health",
        &["503: sealed", "does not have its keys", "vault operator unseal"],
    ),
    fault(
        "not initialized (stub)",
        |bed| play(bed, 501, "1.14.8", Duration::ZERO),
        "health",
        &["501", "no keys yet", "vault operator init"],
    ),
    fault(
        "a secondary for disaster recovery (stub)",
        |bed| play(bed, 472, "1.14.8+ent", Duration::ZERO),
        "health",
        &["472", "takes no logins", "primary cluster"],
    ),
    fault(
        "no Vault (stub)",
        |bed| {
            let address = stub(bed, 200, "<html>welcome</html>");
            bed.set("VAULT_ADDR", &address);
        },
        "health",
        &["no answer of Vault's", "check host, port and path"],
    ),
    fault(
        "Vault below another path",
        |bed| {
            let address = format!("{}/vault", bed.vault.address);
            bed.set("VAULT_ADDR", &address);
        },
        "health",
        &["status 404", "no Vault", "path in VLE_VAULT_ADDR"],
    ),
    fault(
        "a load balancer that leads to https (stub)",
        |bed| {
            let stub = Bed::wait(Stub::start(|_| async {
                let answer = Response::builder().status(301);
                answer
                    .header("location", "https://vault.example.com/v1/sys/health")
                    .body(whole(""))
                    .unwrap()
            }));
            bed.set("VAULT_ADDR", &format!("http://{}", stub.address()));
            bed.held.push(Box::new(stub));
        },
        "health",
        &["redirect to https://vault.example.com", "set VLE_VAULT_ADDR=https://vault.example.com"],
    ),
    fault(
        "a clock that AWS does not sign by (stub)",
        |bed| play(bed, 200, "1.14.8", Duration::from_secs(1_200)),
        "clock",
        &["s ahead of that of Vault", "15 minutes", "timedatectl set-ntp true"],
    ),
    warning(
        "a clock that is off a little (stub)",
        |bed| play(bed, 200, "1.14.8", Duration::from_secs(120)),
        "clock",
        &["s ahead of that of Vault", "15 minutes"],
    ),
];

/// A Vault of this status and version whose clock is behind; it takes every token, and shows no secret.
fn play(bed: &mut Bed, status: u16, version: &'static str, behind: Duration) {
    let stub = Bed::wait(Stub::start(move |request| async move {
        let date = httpdate(SystemTime::now() - behind);
        let (status, body) = match request.uri().path() {
            "/v1/sys/health" => (
                status,
                json!({"initialized": status != 501, "sealed": status == 501, "version": version}),
            ),
            "/v1/auth/token/lookup-self" => {
                (200, json!({"data": {"type": "service", "policies": ["root"]}}))
            }
            _ => (200, json!({"data": {"password": "x"}})),
        };
        let answer: Response<Body> = Response::builder()
            .status(status)
            .header("date", date)
            .body(whole(body.to_string()))
            .unwrap();
        answer
    }));
    bed.set("VAULT_ADDR", &format!("http://{}", stub.address()));
    for name in ["VAULT_AUTH_PROVIDER", "VAULT_AUTH_ROLE", "VAULT_IAM_SERVER_ID"] {
        bed.unset(name);
    }
    bed.set("VAULT_TOKEN", "given");
    bed.held.push(Box::new(stub));
}

/// As RFC 9110 writes a time.
fn httpdate(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let time = jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn how_vault_is_is_named() {
    check("doctor: health", FAULTS);
}
