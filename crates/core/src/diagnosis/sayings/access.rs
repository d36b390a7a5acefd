//! Credentials, auth method, login and token.

sayings! {
    STS_UNREACHED Credentials
        tried "{0}" came_back "{1}"
        means "the role of VAULT_ASSUMED_ROLE_ARN cannot be assumed, as STS is not reached; plain logins need no way to it"
        remedy "give the function's subnets a NAT gateway or a VPC endpoint for STS";
    NOT_ASSUMED Credentials
        tried "{0}" came_back "{1}"
        means "AWS does not let the function's role assume that of VAULT_ASSUMED_ROLE_ARN"
        remedy "{4}";
    NO_CREDENTIALS Credentials
        tried "{0}" came_back "{1}"
        means "there is nothing to sign the login with"
        remedy "aws sts get-caller-identity; in Lambda the function's role gives them";
    NO_CREDENTIAL Credentials
        tried "{0}" came_back "{1}"
        means "there is nothing to log in with"
        remedy "correct the variable that is named";
    NO_REGION Region
        tried "{0}" came_back "{1}"
        means "it is not known for which STS endpoint to sign"
        remedy "set AWS_REGION or VAULT_STS_ENDPOINT_REGION to a region, such as eu-west-1";
    NO_NAMESPACES Namespace
        tried "VAULT_NAMESPACE={0} against the edition of Vault" came_back "Vault {1}, the community edition"
        means "it has no namespaces and passes over the name: this may be another Vault than the one that is meant"
        remedy "unset VAULT_NAMESPACE, or set VLE_VAULT_ADDR to the Vault that has the namespace";
    ANOTHER_KIND AuthMount
        tried "PUT auth/<mount>/login without a body, to see what answers" came_back "{0}"
        means "auth/<mount> is an auth method of another kind than the one that the settings log in by"
        remedy "vault auth list; set VAULT_AUTH_PROVIDER to the path of the right one";
    ONLY_WITHOUT_NAMESPACE Namespace
        tried "PUT auth/<mount>/login without a body, to see what answers" came_back "{0}"
        means "auth/<mount> is there without a namespace, but not in {1}"
        remedy "unset VAULT_NAMESPACE, or enable the auth method in the namespace";
    NOT_IN_NAMESPACE AuthMount
        tried "PUT auth/<mount>/login without a body, to see what answers" came_back "{0}"
        means "there is no namespace {1}, or no auth method auth/<mount> in it"
        remedy "vault auth list -namespace={1}; correct VAULT_AUTH_PROVIDER or VAULT_NAMESPACE";
    NO_AUTH_METHOD AuthMount
        tried "PUT auth/<mount>/login without a body, to see what answers" came_back "{0}"
        means "VAULT_AUTH_PROVIDER names no auth method: there is none at auth/<mount>"
        remedy "vault auth list; correct VAULT_AUTH_PROVIDER, or: vault auth enable aws (OpenBao has that as a plugin of its own, to be registered first)";
    NO_AUTH_METHOD_OUTSIDE AuthMount
        tried "PUT auth/<mount>/login without a body, to see what answers" came_back "{0}"
        means "VAULT_AUTH_PROVIDER names no auth method: there is none at auth/<mount>"
        remedy "vault auth list -namespace=<namespace>; this Vault has namespaces: set VAULT_NAMESPACE, which on HCP is admin";
    UNKNOWN_REFUSAL Login
        tried "{0}" came_back "{1}"
        means "Vault refuses it, for a reason of which no more is known here"
        remedy "look it up in docs/errors.md and in Vault's own log";
    NOT_FROM_HERE RoleBinding
        tried "{0}" came_back "{1}"
        means "the auth method is there, but takes no login from here: token_bound_cidrs of the Vault role leaves this address out, or Vault has locked the role out after wrong logins"
        remedy "vault read auth/<mount>/role/<role>; widen token_bound_cidrs";
    SECOND_REGION Region
        tried "a login signed for STS in {0}" came_back "refused; one for {1} was taken"
        means "Vault's sts_region is another than the one that is signed for at first: each environment logs in twice"
        remedy "set VAULT_STS_ENDPOINT_REGION={1}";
    NO_LOOK_UP Token
        tried "GET auth/token/lookup-self" came_back "{0}"
        means "no policy lets the token look itself up, which the default policy would: so it will hardly renew or revoke itself either, and each end of it costs a login"
        remedy "vault write auth/<mount>/role/<role> token_no_default_policy=false";
    COUNTED_TOKEN Token
        tried "GET auth/token/lookup-self" came_back "token_num_uses={0}"
        means "each request counts, renewals and the revocation, too, and {1} secrets are read at the start: when they are used up Vault answers 403, and the extension has to log in again"
        remedy "vault write auth/<mount>/role/<role> token_num_uses=0";
    SHORT_TOKEN Token
        tried "GET auth/token/lookup-self" came_back "{0} is {1} s, and an invocation may take {2} s"
        means "the token may end within an invocation, and what it leased ends with it"
        remedy "vault write auth/<mount>/role/<role> {0}=1h";
    NO_RENEWAL Token
        tried "POST sys/capabilities-self" came_back "no capability on auth/token/renew-self"
        means "the token is renewable, but no policy lets it renew itself: each end of it costs a login"
        remedy "vault write auth/<mount>/role/<role> token_no_default_policy=false, or allow update on auth/token/renew-self";
    NO_REVOCATION Token
        tried "POST sys/capabilities-self" came_back "no capability on auth/token/revoke-self"
        means "tokens of environments that have ended stay in Vault until their time is over"
        remedy "vault write auth/<mount>/role/<role> token_no_default_policy=false, or allow update on auth/token/revoke-self";
}
