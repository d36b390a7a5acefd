//! What Vault's refusals mean and what to do about them, told from its words.
//! <https://developer.hashicorp.com/vault/docs/auth>

use crate::diagnosis::Check;

/// What a refusal with this status and these words means and what to do about it, if we know it.
#[must_use]
pub fn on_refusal(status: u16, request: &str, errors: &str) -> Option<String> {
    let rule = rule_for(status, request, errors)?;
    Some(format!("{}: {}", rule.cause, rule.remedy))
}

/// The first row that fits.
#[must_use]
pub fn rule_for(status: u16, request: &str, errors: &str) -> Option<&'static Rule> {
    let is_login = request.ends_with("/login");
    RULES.iter().find(|rule| {
        (rule.status == 0 || rule.status == status)
            && rule.at_login.is_none_or(|at_login| at_login == is_login)
            && rule.words.iter().all(|word| errors.contains(word))
    })
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
    /// The link of the chain that is broken.
    pub check: Check,
    /// What it means.
    pub cause: &'static str,
    /// What to do; `<mount>` and `<role>` stand for those of the login.
    pub remedy: &'static str,
}

type Words = &'static [&'static str];
type Text = &'static str;

const fn login(status: u16, words: Words, check: Check, cause: Text, remedy: Text) -> Rule {
    Rule { status, at_login: Some(true), words, check, cause, remedy }
}

const fn other(status: u16, words: Words, check: Check, cause: Text, remedy: Text) -> Rule {
    Rule { status, at_login: Some(false), words, check, cause, remedy }
}

const fn any(status: u16, words: Words, check: Check, cause: Text, remedy: Text) -> Rule {
    Rule { status, at_login: None, words, check, cause, remedy }
}

/// For a body that only a defect of ours, or a box on the way, can have made.
const UNCHANGED: &str = "let whatever stands between the function and Vault (a firewall, a gateway) pass the body of \
                         PUT /v1/auth/<mount>/login unchanged";

/// The first that fits is given; the reference page `docs/errors.md` lists them.
pub static RULES: &[Rule] = &[
    login(400, &["missing iam_"], Check::Login, "the login did not arrive whole", UNCHANGED),
    login(
        400,
        &["currently only 'POST'"],
        Check::Login,
        "the login did not arrive as it was sent",
        UNCHANGED,
    ),
    login(
        400,
        &["failed to base64 decode"],
        Check::Login,
        "the login did not arrive as it was sent",
        UNCHANGED,
    ),
    login(
        400,
        &["supplied some of the auth values"],
        Check::Login,
        "the login did not arrive whole",
        UNCHANGED,
    ),
    login(
        400,
        &["didn't supply required authentication values"],
        Check::Login,
        "the login arrived without its body",
        UNCHANGED,
    ),
    login(
        400,
        &["iam request body"],
        Check::Login,
        "the login did not arrive as it was sent",
        UNCHANGED,
    ),
    login(
        400,
        &["invalid request header"],
        Check::Login,
        "Vault does not let a header through that was signed",
        "add it to allowed_sts_header_values of auth/<mount>/config/client",
    ),
    login(
        400,
        &["missing Authorization header"],
        Check::Login,
        "the login arrived without its signature",
        UNCHANGED,
    ),
    login(
        400,
        &["header wasn't signed"],
        Check::Login,
        "the server id arrived, but was not signed",
        UNCHANGED,
    ),
    login(
        400,
        &["X-Vault-AWS-IAM-Server-ID", "missing header"],
        Check::Login,
        "Vault wants a server id",
        "set VAULT_IAM_SERVER_ID to iam_server_id_header_value of auth/<mount>/config/client",
    ),
    login(
        400,
        &["X-Vault-AWS-IAM-Server-ID"],
        Check::Login,
        "VAULT_IAM_SERVER_ID differs from iam_server_id_header_value of auth/<mount>/config/client",
        "set VAULT_IAM_SERVER_ID to that value",
    ),
    login(
        400,
        &["Credential should be scoped to a valid region"],
        Check::Region,
        "the login is signed for another region than that of the STS that Vault asks",
        "set VAULT_STS_ENDPOINT_REGION to the sts_region of auth/<mount>/config/client",
    ),
    login(
        400,
        &["region missing from Authorization header"],
        Check::Region,
        "Vault takes the region from the signature, and finds none in it",
        UNCHANGED,
    ),
    login(
        400,
        &["unable to get regional STS endpoint"],
        Check::Region,
        "Vault takes the region from the signature, and its AWS SDK does not know that one",
        "set VAULT_STS_ENDPOINT_REGION to a region that Vault knows, such as us-east-1, or update \
         Vault",
    ),
    login(
        400,
        &["Signature expired"],
        Check::Clock,
        "the clocks of the function and of AWS differ, or the login took more than 15 minutes to \
         arrive",
        "set the clock by NTP: AWS takes a signature for 15 minutes",
    ),
    login(
        400,
        &["Signature not yet current"],
        Check::Clock,
        "the clocks of the function and of AWS differ",
        "set the clock by NTP: AWS takes no signature of the future",
    ),
    login(
        400,
        &["SignatureDoesNotMatch"],
        Check::Credentials,
        "the secret key is wrong, or something between changed the request",
        "check the credentials of the function's role, and whether sts_endpoint of \
         auth/<mount>/config/client is the address that the login is signed for",
    ),
    login(
        400,
        &["InvalidClientTokenId"],
        Check::Credentials,
        "AWS does not know these credentials",
        "check partition and region of VAULT_STS_ENDPOINT_REGION, and that the region is enabled for \
         the account",
    ),
    login(
        400,
        &["ExpiredToken"],
        Check::Credentials,
        "the function's credentials have expired",
        "log in to AWS again; in Lambda they are read anew at the next login",
    ),
    login(
        400,
        &["does not belong to the role"],
        Check::RoleBinding,
        "the Vault role is not bound to the function's IAM role",
        "bind the ARN of the function's IAM role (arn:aws:iam::<account>:role/<name>, not the \
         assumed-role form) to the Vault role with bound_iam_principal_arn; if the IAM role was made \
         anew, write the Vault role again",
    ),
    login(
        400,
        &["error looking up full ARN"],
        Check::RoleBinding,
        "the Vault role is bound by a wildcard, and Vault may not look up who asks",
        "allow Vault's own AWS user iam:GetRole and iam:GetUser, and for another account write \
         auth/<mount>/config/sts/<account>",
    ),
    login(
        400,
        &["got empty string back"],
        Check::RoleBinding,
        "Vault looked up who asks, and AWS told it nothing",
        "allow Vault's own AWS user iam:GetRole and iam:GetUser, and for another account write \
         auth/<mount>/config/sts/<account>",
    ),
    login(
        400,
        &["error parsing arn"],
        Check::RoleBinding,
        "the credentials are those of nobody that a Vault role can be bound to",
        "use the credentials of an IAM role or user, not those of a federated user or of root",
    ),
    login(
        400,
        &["unrecognized principal type"],
        Check::RoleBinding,
        "the credentials are those of nobody that a Vault role can be bound to",
        "use the credentials of an IAM role or user, not those of a federated user or of root",
    ),
    login(
        400,
        &["entry for role"],
        Check::RoleBinding,
        "VAULT_AUTH_ROLE names no role of this auth method",
        "check it, VAULT_AUTH_PROVIDER and VAULT_NAMESPACE; to see the roles: vault list \
         auth/<mount>/roles",
    ),
    login(
        400,
        &["body of GetCallerIdentity is invalid"],
        Check::Region,
        "Vault asked its sts_endpoint and got no answer of STS: the signature was refused, or \
         sts_endpoint leads elsewhere",
        "check sts_endpoint and sts_region of auth/<mount>/config/client, and the credentials of the \
         function's role",
    ),
    login(
        400,
        &["error making upstream request: error making request"],
        Check::Region,
        "Vault itself cannot reach its sts_endpoint",
        "check sts_endpoint of auth/<mount>/config/client, and the way out of the Vault server",
    ),
    login(
        400,
        &["not allowed for role"],
        Check::RoleBinding,
        "the Vault role is not one for IAM logins",
        "the Vault role must have auth_type=iam, which cannot be changed: delete it and write it \
         again",
    ),
    login(
        400,
        &["invalid role ID"],
        Check::RoleBinding,
        "STRONGROOM_APPROLE_ROLE_ID is that of no role",
        "set it to what auth/<mount>/role/<name>/role-id says",
    ),
    login(
        400,
        &["invalid role or secret ID"],
        Check::Credentials,
        "STRONGROOM_APPROLE_ROLE_ID is that of no role, or the secret id is wrong, used up, expired \
         or another role's",
        "read auth/<mount>/role/<name>/role-id, and make a new secret id with \
         auth/<mount>/role/<name>/secret-id",
    ),
    login(
        0,
        &["invalid secret id"],
        Check::Credentials,
        "the secret id is wrong, used up (secret_id_num_uses), expired or another role's",
        "make a new one with auth/<mount>/role/<name>/secret-id",
    ),
    login(
        400,
        &["missing secret_id"],
        Check::Credentials,
        "the role wants a secret id",
        "set STRONGROOM_APPROLE_SECRET_ID or STRONGROOM_APPROLE_SECRET_ID_FILE",
    ),
    login(
        400,
        &["CIDR restrictions"],
        Check::RoleBinding,
        "the role or the secret id is bound to other addresses than the one by which the function \
         reaches Vault",
        "widen secret_id_bound_cidrs or cidr_list",
    ),
    login(
        400,
        &["token is expired"],
        Check::Credentials,
        "the JWT is too old",
        "have its issuer write new ones to STRONGROOM_JWT_FILE, which is read for each login",
    ),
    login(
        400,
        &["token not yet valid"],
        Check::Clock,
        "the clocks of Vault and of the JWT's issuer differ",
        "set both by NTP",
    ),
    login(
        400,
        &["issued in the future"],
        Check::Clock,
        "the clocks of Vault and of the JWT's issuer differ",
        "set both by NTP",
    ),
    login(
        400,
        &["audience claim does not match"],
        Check::RoleBinding,
        "the JWT's aud is none of the bound_audiences of the Vault role",
        "have the issuer write one of these, or add it to auth/<mount>/role/<role>",
    ),
    login(
        400,
        &["no known key successfully validated"],
        Check::Credentials,
        "no key of auth/<mount>/config has signed the JWT",
        "correct jwt_validation_pubkeys, jwks_url or oidc_discovery_url there",
    ),
    login(
        400,
        &["fetching keys"],
        Check::AuthMount,
        "Vault itself cannot fetch the issuer's keys",
        "check jwks_url or oidc_discovery_url of auth/<mount>/config and the way out of the Vault \
         server",
    ),
    login(
        400,
        &["error validating token"],
        Check::Credentials,
        "the JWT is none, or is not what the Vault role and auth/<mount>/config ask for",
        "check bound_subject of the role and bound_issuer of auth/<mount>/config",
    ),
    login(
        400,
        &["error validating claims"],
        Check::RoleBinding,
        "the JWT's claims are not the bound_claims of the Vault role",
        "correct bound_claims of auth/<mount>/role/<role>",
    ),
    login(
        400,
        &["role", "could not be found"],
        Check::RoleBinding,
        "VAULT_AUTH_ROLE names no role of this auth method",
        "check it, VAULT_AUTH_PROVIDER and VAULT_NAMESPACE",
    ),
    login(
        400,
        &["missing role"],
        Check::RoleBinding,
        "the auth method has no default_role",
        "set VAULT_AUTH_ROLE",
    ),
    login(
        400,
        &["could not load configuration"],
        Check::AuthMount,
        "the auth method is not set up",
        "write auth/<mount>/config",
    ),
    login(
        400,
        &["client certificate must be supplied"],
        Check::Credentials,
        "Vault saw no certificate: something before it, such as a load balancer, ends TLS",
        "have it pass TLS through to Vault",
    ),
    login(
        400,
        &["tls connection required"],
        Check::Credentials,
        "Vault saw no TLS: something before it, such as a load balancer, ends it",
        "have it pass TLS through to Vault",
    ),
    login(
        400,
        &["invalid certificate or no client certificate"],
        Check::RoleBinding,
        "no entry of auth/<mount>/certs trusts the authority of VAULT_CLIENT_CERT, or VAULT_AUTH_ROLE \
         names another entry",
        "write that authority's certificate to auth/<mount>/certs/<role>",
    ),
    login(
        400,
        &["no chain matching all constraints"],
        Check::RoleBinding,
        "the names in VAULT_CLIENT_CERT are not those that the entry of auth/<mount>/certs allows",
        "correct its allowed_common_names, allowed_dns_sans and the like",
    ),
    login(
        0,
        &["failed to verify client's certificate"],
        Check::Credentials,
        "VAULT_CLIENT_CERT has expired, is not valid yet, or is not made for clients (extended key \
         usage)",
        "replace it",
    ),
    login(
        403,
        &[],
        Check::AuthMount,
        "VAULT_AUTH_PROVIDER names no auth method of this namespace, or token_bound_cidrs leaves the \
         function out, or Vault has locked the role out after wrong logins",
        "check VAULT_AUTH_PROVIDER and VAULT_NAMESPACE; to see the auth methods: vault auth list",
    ),
    login(
        404,
        &[],
        Check::AuthMount,
        "VAULT_AUTH_PROVIDER names no auth method",
        "check it and VAULT_NAMESPACE; to see the auth methods: vault auth list",
    ),
    other(
        400,
        &["wrapping token is not valid or does not exist"],
        Check::Credentials,
        "it was unwrapped before, or is too old",
        "give a new one; if it was none of you who unwrapped it, somebody else has the secret id, \
         which is to be destroyed",
    ),
    other(
        400,
        &["unable to fetch client for account ID"],
        Check::RoleBinding,
        "Vault has no AWS credentials for the account of that ARN",
        "write auth/<mount>/config/sts/<account> with an sts_role that Vault may assume",
    ),
    other(
        400,
        &["unable to fetch current caller"],
        Check::RoleBinding,
        "Vault's own AWS credentials do not work",
        "correct access_key, secret_key and sts_region of auth/<mount>/config/client",
    ),
    other(
        400,
        &["unable to resolve ARN"],
        Check::RoleBinding,
        "Vault may not look up the IAM role that is to be bound, or there is none",
        "allow Vault's own AWS user iam:GetRole, or write the role with resolve_aws_unique_ids=false",
    ),
    other(
        403,
        &["invalid token"],
        Check::Token,
        "the token was revoked or has expired",
        "nothing: the extension logs in again by itself",
    ),
    other(
        403,
        &["permission denied"],
        Check::Policy,
        "no policy of the Vault role allows this",
        "allow it in a policy of the role; for KV v2 a policy needs the data/ in the path",
    ),
    other(
        404,
        &["no handler for route"],
        Check::Mount,
        "no secrets engine is mounted there",
        "check mount and VAULT_NAMESPACE; to see the mounts: vault secrets list",
    ),
    any(
        412,
        &[],
        Check::Health,
        "the node that answered has not seen the login yet",
        "nothing: it is asked again; if it lasts, look at Vault's replication",
    ),
    any(
        429,
        &["lease count quota"],
        Check::Health,
        "a lease quota of Vault is reached",
        "raise it (sys/quotas/lease-count), or have tokens and leases live for a shorter time",
    ),
    any(
        429,
        &[],
        Check::Health,
        "a rate limit or lease quota of Vault is reached",
        "raise it (sys/quotas/rate-limit); functions behind one NAT gateway share one address, and so \
         one limit",
    ),
    any(503, &["sealed"], Check::Health, "Vault is sealed", "unseal it: vault operator unseal"),
    any(
        503,
        &[],
        Check::Health,
        "Vault is not ready: it may be sealed or in failover",
        "look at it there: vault status",
    ),
    any(501, &[], Check::Health, "Vault is not initialized", "initialize it: vault operator init"),
    any(
        0,
        &["active cluster node not found"],
        Check::Health,
        "Vault is in failover: there is no active node",
        "nothing: it is asked again; if it lasts: vault operator raft list-peers",
    ),
    any(
        0,
        &["cannot write to readonly storage"],
        Check::Health,
        "a performance standby answered",
        "send it the X-Vault-Index of the login, as the extension does",
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
