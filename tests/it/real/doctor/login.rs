//! Auth method, region, credentials and role: real Vault, which asks moto or, where AWS's own words count, the STS of
//! `devvault`, as moto has others.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;
use strongroom_devvault::{AwsConfig, DevAws};
use strongroom_tests::beds::{AccessKey, practice, shared_moto};
use strongroom_tests::stage::free_port;
use strongroom_tests::stage::stub::{self as stand_in, Stub};

use super::way::stub;
use super::{Bed, Fault, check, fault, warning};

pub(super) const FAULTS: &[Fault] = &[
    fault(
        "no auth method there",
        |bed| bed.set("VAULT_AUTH_PROVIDER", "aws-elsewhere"),
        "auth-mount",
        &["403", "none at auth/aws-elsewhere", "vault auth list"],
    ),
    fault(
        "an auth method of another kind",
        |bed| {
            bed.vault.write("sys/auth/approle", &json!({"type": "approle"}));
            bed.set("VAULT_AUTH_PROVIDER", "approle");
        },
        "auth-mount",
        &["another kind", "set VAULT_AUTH_PROVIDER"],
    ),
    warning(
        "a namespace for an edition that has none",
        |bed| bed.set("VAULT_NAMESPACE", "team"),
        "namespace",
        &["community edition", "passes over the name", "unset VAULT_NAMESPACE"],
    ),
    warning(
        "a token in the place of a namespace, which is not shown",
        |bed| bed.set("VAULT_NAMESPACE", "hvs.CAESIJof-the-canary"),
        "namespace",
        &["VAULT_NAMESPACE=********"],
    ),
    fault(
        "the auth method is not in the namespace (stub of Enterprise)",
        |bed| enterprise(bed, |has_namespace| !has_namespace),
        "namespace",
        &["there without a namespace, but not in team", "unset VAULT_NAMESPACE"],
    ),
    fault(
        "neither the namespace nor the auth method (stub of Enterprise)",
        |bed| enterprise(bed, |_| false),
        "auth-mount",
        &["no namespace team", "vault auth list -namespace=team"],
    ),
    fault(
        "Enterprise without a namespace (stub)",
        |bed| {
            enterprise(bed, |has_namespace| has_namespace);
            bed.unset("VAULT_NAMESPACE");
        },
        "auth-mount",
        &["none at auth/aws", "on HCP is admin"],
    ),
    fault(
        "no server id",
        |bed| bed.unset("VAULT_IAM_SERVER_ID"),
        "login",
        &["missing header", "Vault wants a server id", "set VAULT_IAM_SERVER_ID"],
    ),
    fault(
        "a wrong server id",
        |bed| bed.set("VAULT_IAM_SERVER_ID", "vault.elsewhere"),
        "login",
        &[
            "X-Vault-AWS-IAM-Server-ID",
            "VAULT_IAM_SERVER_ID differs from",
            "auth/aws/config/client",
            "to that value",
        ],
    ),
    fault(
        "another region is signed for than Vault's (STS of devvault)",
        |bed| {
            sts(bed, "eu-central-1");
            bed.set("VAULT_STS_ENDPOINT_REGION", "us-west-2");
        },
        "region",
        &[
            "Credential should be scoped to a valid region",
            "set VAULT_STS_ENDPOINT_REGION to the sts_region",
        ],
    ),
    warning(
        "the region is found at the second try (STS of devvault)",
        |bed| {
            sts(bed, "eu-central-1");
            bed.set("AWS_REGION", "eu-central-1");
        },
        "region",
        &[
            "signed for STS in us-east-1",
            "logs in twice",
            "set VAULT_STS_ENDPOINT_REGION=eu-central-1",
        ],
    ),
    fault(
        "Vault cannot reach its STS",
        |bed| bed.client(&json!({"sts_endpoint": format!("http://127.0.0.1:{}", free_port())})),
        "region",
        &[
            "error making upstream request: error making request",
            "Vault itself cannot reach its sts_endpoint",
        ],
    ),
    fault(
        "Vault's sts_endpoint is none",
        |bed| {
            let address = stub(bed, 200, "<html>welcome</html>");
            bed.client(&json!({"sts_endpoint": address}));
        },
        "region",
        &["body of GetCallerIdentity is invalid", "sts_endpoint leads elsewhere"],
    ),
    fault(
        "a wrong secret key (STS of devvault)",
        |bed| {
            sts(bed, practice::REGION);
            bed.set("AWS_SECRET_ACCESS_KEY", "of-somebody-else");
        },
        "credentials",
        &["SignatureDoesNotMatch", "the secret key is wrong"],
    ),
    fault(
        "credentials of nobody (STS of devvault)",
        |bed| {
            sts(bed, practice::REGION);
            bed.set("AWS_ACCESS_KEY_ID", "ASIANOBODY");
        },
        "credentials",
        &["InvalidClientTokenId", "does not know these credentials", "partition and region"],
    ),
    fault(
        "credentials that have expired (STS of devvault)",
        |bed| {
            let aws = sts(bed, practice::REGION);
            let older_than_a_session = Duration::from_secs(13 * 3600);
            aws.clock().rewind(older_than_a_session);
            bed.act_as(&session(aws));
            aws.clock().advance(older_than_a_session);
        },
        "credentials",
        &["ExpiredToken", "have expired", "log in to AWS again"],
    ),
    fault(
        "a clock that is behind AWS's (STS of devvault)",
        |bed| sts(bed, practice::REGION).clock().advance(Duration::from_secs(1_800)),
        "clock",
        &["Signature expired", "the clocks", "NTP"],
    ),
    fault(
        "a clock that is ahead of AWS's (STS of devvault)",
        |bed| sts(bed, practice::REGION).clock().rewind(Duration::from_secs(1_800)),
        "clock",
        &["Signature not yet current", "NTP"],
    ),
    fault(
        "no credentials at all",
        |bed| {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                bed.unset(name);
            }
        },
        "credentials",
        &["nothing to sign the login with", "aws sso login"],
    ),
    fault(
        "a role that may not be assumed",
        |bed| {
            bed.act_as(&shared_moto().unbound_session);
            bed.set("VAULT_ASSUMED_ROLE_ARN", &arn(practice::ASSUMED_ROLE));
            bed.set("AWS_ENDPOINT_URL_STS", &shared_moto().address);
        },
        "credentials",
        &["AccessDenied", "does not let the function's role assume", "trust policy"],
    ),
    fault(
        "a role is to be assumed, and STS is not reached",
        |bed| {
            bed.set("VAULT_ASSUMED_ROLE_ARN", &arn(practice::ASSUMED_ROLE));
            bed.set("AWS_ENDPOINT_URL_STS", &format!("http://127.0.0.1:{}", free_port()));
        },
        "credentials",
        &["cannot reach STS", "VPC endpoint for STS"],
    ),
    fault(
        "no such role",
        |bed| bed.set("VAULT_AUTH_ROLE", "nobody"),
        "role-binding",
        &["entry for role", "names no role", "vault list auth/aws/roles"],
    ),
    fault(
        "a role for EC2",
        |bed| {
            bed.vault.write(
                "auth/aws/role/machines",
                &json!({"auth_type": "ec2", "bound_account_id": practice::ACCOUNT}),
            );
            bed.set("VAULT_AUTH_ROLE", "machines");
        },
        "role-binding",
        &["not allowed for role", "auth_type=iam"],
    ),
    fault(
        "another IAM role is bound",
        |bed| bed.act_as(&shared_moto().unbound_session),
        "role-binding",
        &["does not belong to the role", "bound_iam_principal_arn"],
    ),
    fault(
        "addresses leave the function out",
        |bed| bed.role(&json!({"token_bound_cidrs": ["10.0.0.0/8"]})),
        "role-binding",
        &["403", "token_bound_cidrs", "vault read auth/aws/role/lambda-role"],
    ),
    fault(
        "a wildcard, and Vault may not look roles up",
        |bed| {
            bed.role(&json!({"bound_iam_principal_arn": arn("lambda-*")}));
            let path = format!("auth/aws/config/sts/{}", practice::ACCOUNT);
            bed.vault.write(&path, &json!({"sts_role": arn(practice::ASSUMED_ROLE)}));
        },
        "role-binding",
        &["error looking up full ARN", "iam:GetRole"],
    ),
    fault(
        "a secret id that is wrong",
        |bed| {
            let role_id = app_role(bed);
            bed.set("STRONGROOM_APPROLE_ROLE_ID", &role_id);
            bed.set("STRONGROOM_APPROLE_SECRET_ID", "of-the-canary");
        },
        "credentials",
        &["invalid secret id", "make a new one with auth/approle/role"],
    ),
    fault(
        "a role id of no role",
        |bed| {
            app_role(bed);
            bed.set("STRONGROOM_APPROLE_ROLE_ID", "nobody");
        },
        "role-binding",
        &["STRONGROOM_APPROLE_ROLE_ID is that of no role", "role-id"],
    ),
];

fn arn(role: &str) -> String {
    format!("arn:aws:iam::{}:role/{role}", practice::ACCOUNT)
}

/// Has the function log in by AppRole; returns the role id.
fn app_role(bed: &mut Bed) -> String {
    bed.vault.write("sys/auth/approle", &json!({"type": "approle"}));
    bed.vault.write("auth/approle/role/app", &json!({"token_policies": ["lambda"]}));
    for name in ["VAULT_AUTH_PROVIDER", "VAULT_AUTH_ROLE", "VAULT_IAM_SERVER_ID"] {
        bed.unset(name);
    }
    bed.set("STRONGROOM_AUTH_METHOD", "approle");
    let answer = bed.vault.read("auth/approle/role/app/role-id");
    answer["data"]["role_id"].as_str().unwrap().to_owned()
}

/// An AWS that answers in AWS's own words, for which logins must be signed in this region.
pub(super) fn sts(bed: &mut Bed, region: &str) -> &'static DevAws {
    let config = AwsConfig { sts_region: region.to_owned(), ..AwsConfig::default() };
    let aws = Bed::wait(DevAws::start(config)).unwrap();
    // It lives as long as the test, which is short.
    let aws: &'static DevAws = Box::leak(Box::new(aws));
    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    const LOOK_UP: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:GetUser"],"Resource":"*"}]}"#;
    aws.create_user("vault");
    aws.put_user_policy("vault", "look-up", LOOK_UP).unwrap();
    let key = aws.create_access_key("vault").unwrap();
    aws.create_role(practice::ROLE, TRUST).unwrap();
    bed.client(&json!({
        "access_key": key.access_key_id,
        "secret_key": key.secret_access_key.expose_secret(),
        "sts_endpoint": aws.url(),
        "iam_endpoint": aws.url(),
        "sts_region": region,
        "iam_server_id_header_value": practice::SERVER_ID,
    }));
    // Its unique id is another one there.
    bed.role(&json!({"bound_iam_principal_arn": arn(practice::ROLE)}));
    bed.act_as(&session(aws));
    aws
}

fn session(aws: &DevAws) -> AccessKey {
    let session = aws.lambda_session(practice::ROLE, practice::FUNCTION).unwrap();
    AccessKey {
        id: session.access_key_id,
        secret: session.secret_access_key.expose_secret().to_owned(),
        token: session.session_token.map(|token| token.expose_secret().to_owned()),
    }
}

/// An Enterprise Vault with the namespace `team`; `has_mount` says where the auth method is.
fn enterprise(bed: &mut Bed, has_mount: fn(bool) -> bool) {
    let stub = Bed::wait(Stub::start(move |request| async move {
        let has_namespace = request.headers().contains_key("x-vault-namespace");
        let (status, body): (u16, Value) = match request.uri().path() {
            "/v1/sys/health" => {
                (200, json!({"initialized": true, "sealed": false, "version": "1.15.2+ent"}))
            }
            _ if has_mount(has_namespace) => {
                (400, json!({"errors": ["didn't supply required authentication values"]}))
            }
            _ => (403, json!({"errors": ["permission denied"]})),
        };
        stand_in::json(status, &body)
    }));
    bed.set("VAULT_ADDR", &format!("http://{}", stub.address()));
    bed.set("VAULT_NAMESPACE", "team");
    bed.held.push(Box::new(stub));
}

#[tokio::test(flavor = "multi_thread")]
async fn why_nobody_can_log_in_is_named() {
    check("doctor: login", FAULTS);
}
