//! What to do about Vault's refusals, told from its words.
//! <https://developer.hashicorp.com/vault/docs/auth/aws>

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
        403,
        Some(true),
        &[],
        "VAULT_AUTH_PROVIDER names no auth method of this namespace, or token_bound_cidrs leaves the function out: check \
         VAULT_AUTH_PROVIDER and VAULT_NAMESPACE",
    ),
    rule(
        404,
        Some(true),
        &[],
        "VAULT_AUTH_PROVIDER names no auth method: check it and VAULT_NAMESPACE",
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
        check(403, login, "permission denied", "VAULT_AUTH_PROVIDER");
        check(403, "GET /v1/kv/data/x", "permission denied", "policy");
        check(429, "GET /v1/kv/data/x", "", "quota");
        assert_eq!(on_refusal(418, "GET /x", "tea"), None);
    }
}
