//! Each row of the table of Vault's refusals is provoked: by a fault of the other tables, or here by a request that only
//! a defect or a box on the way makes. Real Vault says them all, but for those that this one cannot say.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use strongroom_core::advice::{RULES, Rule, rule_for};
use strongroom_tests::beds::{self, JwtIssuer, ROOT_TOKEN, Vault, practice};

use super::{Bed, certificate, login, paths};

/// What Vault 1.14 without AWS, quotas of Enterprise or a cluster cannot be made to say, in the words of those that can.
const UNSAID: &[(u16, &str, &str)] = &[
    (400, LOGIN, "missing iam_request_url"),
    (400, LOGIN, "supplied some of the auth values for the iam auth type but not all"),
    (400, LOGIN, "error making upstream request: region missing from Authorization header"),
    (400, LOGIN, "unable to get regional STS endpoint for region: mx-central-1"),
    (400, LOGIN, "error looking up full ARN of entity: got empty string back from inferredEntity"),
    (400, LOGIN, "error parsing arn: unrecognized principal type: federated-user"),
    (400, LOGIN, "unrecognized principal type: federated-user"),
    (400, LOGIN, "got empty string back when looking up full ARN"),
    (400, JWT_LOGIN, "error fetching keys: fetching keys oidc: get keys failed"),
    (400, "PUT /v1/auth/cert/login", "client certificate must be supplied"),
    (400, "PUT /v1/auth/approle/login", "invalid role or secret ID"),
    (400, "PUT /v1/auth/aws/role/app", "unable to fetch current caller: SignatureDoesNotMatch"),
    (
        400,
        "PUT /v1/auth/aws/role/app",
        "unable to fetch client for account ID \"2\" -- default client is for account \"1\"",
    ),
    (403, "GET /v1/secret/data/app", "permission denied; invalid token"),
    (412, "GET /v1/secret/data/app", "required index state not present"),
    (429, "PUT /v1/auth/aws/login", "lease count quota exceeded"),
    (500, "GET /v1/secret/data/app", "local node not active but active cluster node not found"),
    (
        500,
        "PUT /v1/auth/aws/login",
        "failed to persist lease entry: cannot write to readonly storage",
    ),
    (501, "GET /v1/secret/data/app", ""),
    (503, "GET /v1/secret/data/app", ""),
];

const LOGIN: &str = "PUT /v1/auth/aws/login";
const JWT_LOGIN: &str = "PUT /v1/auth/jwt/login";

/// The rows that were provoked, by their place in the table.
#[derive(Default)]
struct Provoked(BTreeSet<usize>);

impl Provoked {
    fn note(&mut self, status: u16, request: &str, errors: &str) {
        let rule = rule_for(status, request, errors);
        let rule = rule.unwrap_or_else(|| panic!("no row for {status} {request}: {errors}"));
        let is_it = |row: &Rule| std::ptr::eq(row, rule);
        self.0.insert(RULES.iter().position(is_it).unwrap());
    }

    /// Asks Vault, which refuses.
    fn ask(&mut self, vault: &Vault, method: &str, path: &str, token: &str, body: Value) {
        let answer = vault.request(method, path, token, Some(&body));
        assert!(answer.status >= 400, "{path}: {}", answer.text());
        let errors = answer.json()["errors"].clone();
        let errors = errors.as_array().into_iter().flatten().filter_map(Value::as_str);
        let errors = errors.collect::<Vec<_>>().join("; ");
        self.note(answer.status, &format!("{method} /v1/{path}"), &errors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_of_the_table_of_refusals_is_provoked() {
    if !beds::available("each refusal is provoked", &super::NEEDED) {
        return;
    }
    let mut provoked = Provoked::default();
    for (status, request, errors) in UNSAID {
        provoked.note(*status, request, errors);
    }
    let bed = Bed::new();
    by_aws(&mut provoked, &bed.vault);
    by_role(&mut provoked, &bed.vault);
    by_app_role(&mut provoked, &bed.vault);
    by_jwt(&mut provoked, &bed.vault);
    by_anything_else(&mut provoked, &bed.vault);
    let tables = [certificate::FAULTS, login::FAULTS, paths::FAULTS];
    let is_in_tables = |rule: &Rule| {
        tables.into_iter().flatten().any(|fault| {
            let says = |word: &&str| fault.words.iter().any(|said| said.contains(*word));
            fault.check == rule.check.name()
                && !rule.words.is_empty()
                && rule.words.iter().all(says)
        })
    };
    let rows = RULES.iter().enumerate();
    let rows = rows.filter(|(index, rule)| !is_in_tables(rule) && !provoked.0.contains(index));
    let never: Vec<_> = rows.map(|(_, rule)| (rule.status, rule.words)).collect();
    assert!(never.is_empty(), "nothing provokes {never:#?}");
}

/// Logins that are not whole, or not as they were sent.
fn by_aws(provoked: &mut Provoked, vault: &Vault) {
    let mut ask = |change: &[(&str, Value)]| {
        let headers = json!({"Authorization": ["AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00"]});
        let mut body = json!({
            "role": practice::ROLE,
            "iam_http_request_method": "POST",
            "iam_request_url": BASE64.encode("https://sts.amazonaws.com/"),
            "iam_request_body": BASE64.encode("Action=GetCallerIdentity&Version=2011-06-15"),
            "iam_request_headers": BASE64.encode(headers.to_string()),
        });
        for (name, value) in change {
            match value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(*name)),
                value => body[*name] = value.clone(),
            }
        }
        provoked.ask(vault, "PUT", "auth/aws/login", "", body);
    };
    let headers =
        |headers: Value| ("iam_request_headers", json!(BASE64.encode(headers.to_string())));
    let signed = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00";
    let with_id = signed.replace("=host", "=host;x-vault-aws-iam-server-id");
    for name in
        ["iam_http_request_method", "iam_request_url", "iam_request_body", "iam_request_headers"]
    {
        ask(&[(name, Value::Null)]);
    }
    ask(&[]);
    ask(&[("iam_http_request_method", json!("GET"))]);
    ask(&[("iam_request_url", json!("%%%"))]);
    ask(&[(
        "iam_request_body",
        json!(BASE64.encode("Action=GetCallerIdentity&Version=2011-06-15&More=1")),
    )]);
    ask(&[headers(
        json!({"Authorization": [with_id], "X-Amz-Foo": ["1"], "X-Vault-AWS-IAM-Server-ID": [practice::SERVER_ID]}),
    )]);
    ask(&[headers(json!({"X-Vault-AWS-IAM-Server-ID": [practice::SERVER_ID]}))]);
    ask(&[headers(
        json!({"Authorization": [signed], "X-Vault-AWS-IAM-Server-ID": [practice::SERVER_ID]}),
    )]);
    provoked.ask(vault, "PUT", "auth/aws/login", "", json!({}));
    provoked.ask(
        vault,
        "PUT",
        "auth/aws/login",
        "",
        json!({"role": practice::ROLE, "iam_http_request_method": "POST"}),
    );
    provoked.ask(vault, "PUT", "auth/nowhere/login", "", json!({}));
    provoked.ask(vault, "PUT", "auth/nowhere/login", ROOT_TOKEN, json!({}));
}

/// Roles that Vault does not let an administrator write.
fn by_role(provoked: &mut Provoked, vault: &Vault) {
    let mut bind = |arn: &str| {
        let body = json!({"auth_type": "iam", "bound_iam_principal_arn": arn});
        provoked.ask(vault, "PUT", "auth/aws/role/other", ROOT_TOKEN, body);
    };
    bind(&format!("arn:aws:iam::{}:role/nobody", practice::ACCOUNT));
    bind("arn:aws:iam::210987654321:role/app");
}

fn by_app_role(provoked: &mut Provoked, vault: &Vault) {
    vault.write("sys/auth/approle", &json!({"type": "approle"}));
    vault.write("auth/approle/role/app", &json!({}));
    vault.write("auth/approle/role/bound", &json!({"secret_id_bound_cidrs": ["10.0.0.0/8"]}));
    let role_id = |role: &str| {
        vault.read(&format!("auth/approle/role/{role}/role-id"))["data"]["role_id"].clone()
    };
    let path = "auth/approle/role/bound/secret-id";
    let secret_id = vault.request("POST", path, ROOT_TOKEN, Some(&json!({}))).json();
    for body in [
        json!({"role_id": "nobody", "secret_id": "x"}),
        json!({"role_id": role_id("app"), "secret_id": "x"}),
        json!({"role_id": role_id("app")}),
        json!({"role_id": role_id("bound"), "secret_id": secret_id["data"]["secret_id"]}),
    ] {
        provoked.ask(vault, "PUT", "auth/approle/login", "", body);
    }
    vault.write("sys/auth/cert", &json!({"type": "cert"}));
    provoked.ask(vault, "PUT", "auth/cert/login", "", json!({}));
}

fn by_jwt(provoked: &mut Provoked, vault: &Vault) {
    let issuer = JwtIssuer::new();
    vault.write("sys/auth/jwt", &json!({"type": "jwt"}));
    provoked.ask(vault, "PUT", "auth/jwt/login", "", json!({"role": "app", "jwt": "x"}));
    vault.write("auth/jwt/config", &json!({"jwt_validation_pubkeys": [issuer.public_key()]}));
    vault.write("auth/jwt/role/app", &json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_claims": {"team": "app"},
    }));
    let now = JwtIssuer::now();
    let claims = |name: &str, value: Value| {
        let mut claims =
            json!({"sub": "f", "aud": "vault", "team": "app", "iat": now, "exp": now + 600});
        claims[name] = value;
        claims
    };
    let mut ask = |role: &str, jwt: String| {
        provoked.ask(vault, "PUT", "auth/jwt/login", "", json!({"role": role, "jwt": jwt}));
    };
    let old =
        json!({"sub": "f", "aud": "vault", "team": "app", "iat": now - 7200, "exp": now - 3600});
    ask("app", issuer.sign(&old));
    ask("app", issuer.sign(&claims("nbf", json!(now + 3600))));
    let mut later = claims("nbf", json!(now));
    later["iat"] = json!(now + 3600);
    ask("app", issuer.sign(&later));
    ask("app", issuer.sign(&claims("aud", json!("other"))));
    ask("app", issuer.sign(&claims("team", json!("other"))));
    ask("app", "no JWT".to_owned());
    ask("app", JwtIssuer::new().sign(&claims("sub", json!("f"))));
    ask("nobody", issuer.sign(&claims("sub", json!("f"))));
    provoked.ask(vault, "PUT", "auth/jwt/login", "", json!({"jwt": "x"}));
}

/// The last one seals Vault.
fn by_anything_else(provoked: &mut Provoked, vault: &Vault) {
    let wrapping = json!({"token": "hvs.nobody"});
    provoked.ask(vault, "PUT", "sys/wrapping/unwrap", ROOT_TOKEN, wrapping);
    provoked.ask(vault, "GET", "secret/data/app", "hvs.nobody", json!({}));
    provoked.ask(vault, "GET", "nowhere/app", ROOT_TOKEN, json!({}));
    let quota = json!({"path": "old/", "rate": 0.001, "interval": "1h"});
    vault.write("sys/quotas/rate-limit/old", &quota);
    while vault.request("GET", "old/app", ROOT_TOKEN, None).status == 200 {}
    provoked.ask(vault, "GET", "old/app", ROOT_TOKEN, json!({}));
    vault.write("sys/seal", &json!({}));
    provoked.ask(vault, "GET", "secret/data/app", ROOT_TOKEN, json!({}));
}
