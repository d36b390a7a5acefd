//! What to do about Vault's refusals, told from its words.
//! <https://developer.hashicorp.com/vault/docs/auth>

/// The next step after `status` and `errors`, if we know it.
#[must_use]
pub fn on_refusal(status: u16, request: &str, errors: &str) -> Option<String> {
    let is_login = request.ends_with("/login");
    RULES
        .iter()
        .find(|rule| {
            (rule.status == 0 || rule.status == status)
                && rule.at_login.is_none_or(|at_login| at_login == is_login)
                && rule.words.iter().all(|word| errors.contains(word))
        })
        .map(|rule| rule.advice.to_owned())
}

/// Whether Vault's answer to a login says that the signature is for another region's STS.
#[must_use]
pub fn says_wrong_region(errors: &str) -> bool {
    errors.contains("Credential should be scoped to a valid region")
}

/// Whether Vault says no for good to a login, though its status is one after which others are tried again: 1.14 answers
/// 500 to a wrong secret id and to an expired certificate. Tried five times, it would lock the role out.
/// <https://developer.hashicorp.com/vault/docs/concepts/user-lockout>
#[must_use]
pub fn is_final(request: &str, errors: &str) -> bool {
    request.ends_with("/login")
        && ["invalid secret id", "failed to verify client's certificate"]
            .iter()
            .any(|words| errors.contains(words))
}

/// One refusal and what to do about it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The HTTP status; zero for any.
    pub status: u16,
    /// Whether it is about a login or about anything else; `None` for both.
    pub at_login: Option<bool>,
    /// What Vault's text holds, all of them.
    pub words: &'static [&'static str],
    /// What to do.
    pub advice: &'static str,
}

const fn rule(
    status: u16,
    at_login: Option<bool>,
    words: &'static [&'static str],
    advice: &'static str,
) -> Rule {
    Rule { status, at_login, words, advice }
}

/// The first that fits is given; the reference page `docs/errors.md` lists them.
pub const RULES: &[Rule] = &[
    rule(
        400,
        Some(true),
        &["X-Vault-AWS-IAM-Server-ID", "missing header"],
        "Vault wants a server id: set VAULT_IAM_SERVER_ID to iam_server_id_header_value of auth/<mount>/config/client",
    ),
    rule(
        400,
        Some(true),
        &["X-Vault-AWS-IAM-Server-ID"],
        "VAULT_IAM_SERVER_ID differs from iam_server_id_header_value of auth/<mount>/config/client",
    ),
    rule(
        400,
        Some(true),
        &["Credential should be scoped to a valid region"],
        "set VAULT_STS_ENDPOINT_REGION to the sts_region of auth/<mount>/config/client",
    ),
    rule(
        400,
        Some(true),
        &["Signature expired"],
        "the clocks of the function and of AWS differ, or the login took more than 15 minutes to arrive",
    ),
    rule(
        400,
        Some(true),
        &["Signature not yet current"],
        "the clocks of the function and of AWS differ",
    ),
    rule(
        400,
        Some(true),
        &["SignatureDoesNotMatch"],
        "the secret key is wrong, or something between changed the request: check the credentials of the function's role",
    ),
    rule(
        400,
        Some(true),
        &["InvalidClientTokenId"],
        "AWS does not know these credentials: check partition and region of VAULT_STS_ENDPOINT_REGION",
    ),
    rule(
        400,
        Some(true),
        &["ExpiredToken"],
        "the function's credentials have expired: they are read anew at the next login",
    ),
    rule(
        400,
        Some(true),
        &["does not belong to the role"],
        "bind the ARN of the function's IAM role (arn:aws:iam::<account>:role/<name>, not the assumed-role form) to the \
         Vault role with bound_iam_principal_arn; if the IAM role was made anew, write the Vault role again",
    ),
    rule(
        400,
        Some(true),
        &["entry for role"],
        "VAULT_AUTH_ROLE names no role of this auth method: check it, VAULT_AUTH_PROVIDER and VAULT_NAMESPACE",
    ),
    rule(
        400,
        Some(true),
        &["body of GetCallerIdentity is invalid"],
        "Vault asked its sts_endpoint and got no answer of STS: the signature was refused, or sts_endpoint leads elsewhere",
    ),
    rule(
        400,
        Some(true),
        &["error making upstream request: error making request"],
        "Vault itself cannot reach its sts_endpoint: check the way out of the Vault server",
    ),
    rule(400, Some(true), &["not allowed for role"], "the Vault role must have auth_type=iam"),
    rule(
        400,
        Some(true),
        &["invalid role ID"],
        "STRONGROOM_APPROLE_ROLE_ID is that of no role: set it to what auth/<mount>/role/<name>/role-id says",
    ),
    rule(
        400,
        Some(true),
        &["invalid role or secret ID"],
        "STRONGROOM_APPROLE_ROLE_ID is that of no role, or the secret id is wrong, used up, expired or another role's",
    ),
    rule(
        0,
        Some(true),
        &["invalid secret id"],
        "the secret id is wrong, used up (secret_id_num_uses), expired or another role's: make a new one with \
         auth/<mount>/role/<name>/secret-id",
    ),
    rule(
        400,
        Some(true),
        &["missing secret_id"],
        "the role wants a secret id: set STRONGROOM_APPROLE_SECRET_ID or STRONGROOM_APPROLE_SECRET_ID_FILE",
    ),
    rule(
        400,
        Some(true),
        &["CIDR restrictions"],
        "the role or the secret id is bound to other addresses (secret_id_bound_cidrs, cidr_list) than the one by which \
         the function reaches Vault",
    ),
    rule(
        400,
        Some(true),
        &["token is expired"],
        "the JWT is too old: have its issuer write new ones to STRONGROOM_JWT_FILE, which is read for each login",
    ),
    rule(
        400,
        Some(true),
        &["token not yet valid"],
        "the clocks of Vault and of the JWT's issuer differ",
    ),
    rule(
        400,
        Some(true),
        &["issued in the future"],
        "the clocks of Vault and of the JWT's issuer differ",
    ),
    rule(
        400,
        Some(true),
        &["audience claim does not match"],
        "the JWT's aud is none of the bound_audiences of the Vault role",
    ),
    rule(
        400,
        Some(true),
        &["no known key successfully validated"],
        "no key of auth/<mount>/config (jwt_validation_pubkeys, jwks_url, oidc_discovery_url) has signed the JWT",
    ),
    rule(
        400,
        Some(true),
        &["fetching keys"],
        "Vault itself cannot fetch the issuer's keys: check jwks_url or oidc_discovery_url of auth/<mount>/config and the \
         way out of the Vault server",
    ),
    rule(
        400,
        Some(true),
        &["error validating token"],
        "the JWT is none, or is not what the Vault role and auth/<mount>/config ask for (bound_subject, bound_issuer)",
    ),
    rule(
        400,
        Some(true),
        &["error validating claims"],
        "the JWT's claims are not the bound_claims of the Vault role",
    ),
    rule(
        400,
        Some(true),
        &["role", "could not be found"],
        "VAULT_AUTH_ROLE names no role of this auth method: check it, VAULT_AUTH_PROVIDER and VAULT_NAMESPACE",
    ),
    rule(
        400,
        Some(true),
        &["missing role"],
        "the auth method has no default_role: set VAULT_AUTH_ROLE",
    ),
    rule(
        400,
        Some(true),
        &["could not load configuration"],
        "the auth method is not set up: write auth/<mount>/config",
    ),
    rule(
        400,
        Some(true),
        &["client certificate must be supplied"],
        "Vault saw no certificate: something before it, such as a load balancer, ends TLS",
    ),
    rule(
        400,
        Some(true),
        &["tls connection required"],
        "Vault saw no TLS: something before it, such as a load balancer, ends it",
    ),
    rule(
        400,
        Some(true),
        &["invalid certificate or no client certificate"],
        "no entry of auth/<mount>/certs trusts the authority of VAULT_CLIENT_CERT, or VAULT_AUTH_ROLE names another entry",
    ),
    rule(
        400,
        Some(true),
        &["no chain matching all constraints"],
        "the names in VAULT_CLIENT_CERT are not those that the entry of auth/<mount>/certs allows \
         (allowed_common_names, allowed_dns_sans and the like)",
    ),
    rule(
        0,
        Some(true),
        &["failed to verify client's certificate"],
        "VAULT_CLIENT_CERT has expired, is not valid yet, or is not made for clients (extended key usage): replace it",
    ),
    rule(
        403,
        Some(true),
        &[],
        "VAULT_AUTH_PROVIDER names no auth method of this namespace, or token_bound_cidrs leaves the function out, or \
         Vault has locked the role out after wrong logins: check VAULT_AUTH_PROVIDER and VAULT_NAMESPACE",
    ),
    rule(
        404,
        Some(true),
        &[],
        "VAULT_AUTH_PROVIDER names no auth method: check it and VAULT_NAMESPACE",
    ),
    rule(
        400,
        Some(false),
        &["wrapping token is not valid or does not exist"],
        "it was unwrapped before, or is too old: give a new one; if it was none of you who unwrapped it, somebody else \
         has the secret id, which is to be destroyed",
    ),
    rule(
        403,
        Some(false),
        &["invalid token"],
        "the token was revoked or has expired; the extension logs in again by itself",
    ),
    rule(
        403,
        Some(false),
        &["permission denied"],
        "no policy of the Vault role allows this: for KV v2 a policy needs the data/ in the path",
    ),
    rule(
        404,
        Some(false),
        &["no handler for route"],
        "no secrets engine is mounted there: check mount and VAULT_NAMESPACE",
    ),
    rule(429, None, &[], "a rate limit or lease quota of Vault is reached"),
    rule(503, None, &["sealed"], "Vault is sealed"),
    rule(503, None, &[], "Vault is not ready: it may be sealed or in failover"),
    rule(501, None, &[], "Vault is not initialized"),
    rule(
        0,
        None,
        &["cannot write to readonly storage"],
        "a performance standby answered: it needs the X-Vault-Index of the login",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_their_words() {
        let check = |status, request: &str, errors: &str, expect: &str| {
            let advice = on_refusal(status, request, errors).unwrap_or_default();
            assert!(advice.contains(expect), "{errors}: {advice}");
        };
        let login = "PUT /v1/auth/aws/login";
        check(
            400,
            login,
            r#"error validating X-Vault-AWS-IAM-Server-ID header: missing header "X-Vault-AWS-IAM-Server-ID""#,
            "set VAULT_IAM_SERVER_ID",
        );
        check(
            400,
            login,
            r#"error validating X-Vault-AWS-IAM-Server-ID header: expected "a" but got "b""#,
            "differs",
        );
        check(
            400,
            login,
            "SignatureDoesNotMatch: Credential should be scoped to a valid region, not 'us-east-1'.",
            "VAULT_STS_ENDPOINT_REGION",
        );
        check(
            400,
            login,
            r#"IAM Principal "arn" does not belong to the role "r""#,
            "bound_iam_principal_arn",
        );
        check(500, "PUT /v1/auth/approle/login", "invalid secret id", "make a new one");
        check(400, login, r#"role "x" could not be found"#, "VAULT_AUTH_ROLE names no role");
        check(403, login, "permission denied", "VAULT_AUTH_PROVIDER");
        check(403, "GET /v1/kv/data/x", "permission denied", "policy");
        check(429, "GET /v1/kv/data/x", "", "quota");
        assert_eq!(on_refusal(418, "GET /x", "tea"), None);
    }

    #[test]
    fn a_login_that_vault_will_never_grant_is_told_from_one_that_it_cannot_grant_now() {
        let login = "PUT /v1/auth/approle/login";
        assert!(is_final(login, "invalid secret id"));
        assert!(is_final(
            "PUT /v1/auth/cert/login",
            "failed to verify client's certificate: x509: x"
        ));
        assert!(!is_final(login, "internal error"));
        assert!(!is_final("GET /v1/kv/data/app", "invalid secret id"));
    }
}
