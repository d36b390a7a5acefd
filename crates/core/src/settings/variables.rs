//! Every variable that Strongroom reads, with its meaning: the one place that declares them.
//!
//! The reference page `docs/variables.md` is generated from this table, and CI compares the two.

/// Where a variable comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// AWS's own.
    Aws,
    /// HashiCorp's vault-lambda-extension.
    Incumbent,
    /// Strongroom's own.
    Strongroom,
    /// HashiCorp's Vault clients; OpenBao's `BAO_` form is read where the `VAULT_` form is unset.
    VaultClient,
}

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name; `<NAME>` stands for any suffix.
    pub name: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// What holds when it is unset; empty if nothing does.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($origin:ident $constant:ident $name:literal default $default:literal: $meaning:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $meaning)]
            pub const $constant: &str = $name;
        )*
        /// What the layer knows of them: their meanings are for people, and would be 16 KB of it.
        pub(super) const DECLARED: &[(Origin, &str)] = &[$((Origin::$origin, $name),)*];
        /// All of them, in the order of the reference page.
        pub const ALL: &[Variable] = &[
            $(Variable { name: $name, origin: Origin::$origin, default: $default, meaning: $meaning },)*
        ];
    };
}

variables! {
    Incumbent VLE_VAULT_ADDR "VLE_VAULT_ADDR" default "": "Address of Vault; wins over `VAULT_ADDR`, which may then stay at the local proxy for the function's own Vault client.";
    VaultClient VAULT_ADDR "VAULT_ADDR" default "https://127.0.0.1:8200": "Address of Vault: `http://`, `https://` with an optional path prefix, or `unix://`.";
    VaultClient VAULT_AGENT_ADDR "VAULT_AGENT_ADDR" default "": "Address of a Vault Agent or Proxy; wins over both addresses.";
    Incumbent VAULT_AUTH_PROVIDER "VAULT_AUTH_PROVIDER" default "": "Path of the auth method, without `auth/`. Required for `aws`; for the other methods the default is `approle`, `jwt` or `cert`.";
    Incumbent VAULT_AUTH_ROLE "VAULT_AUTH_ROLE" default "": "Vault role to log in as. Required for `aws`; for `jwt` the default is the auth method's `default_role`, for `cert` any entry that matches; `approle` has `STRONGROOM_APPROLE_ROLE_ID` instead.";
    Incumbent VAULT_IAM_SERVER_ID "VAULT_IAM_SERVER_ID" default "": "Value of the signed header `X-Vault-AWS-IAM-Server-ID`.";
    Incumbent VAULT_ASSUMED_ROLE_ARN "VAULT_ASSUMED_ROLE_ARN" default "": "IAM role to assume before the login; needs a way to STS.";
    Strongroom STRONGROOM_EXTERNAL_ID "STRONGROOM_EXTERNAL_ID" default "": "External id for `VAULT_ASSUMED_ROLE_ARN`.";
    Incumbent VAULT_STS_ENDPOINT_REGION "VAULT_STS_ENDPOINT_REGION" default "": "Region whose STS endpoint the login is signed for. Unset: the global endpoint, or the function's region outside partition `aws`; if Vault's answer says that the scope is wrong, the other one is tried once.";
    Incumbent VAULT_SECRET_PATH "VAULT_SECRET_PATH" default "": "Path of the secret to write to a file, in API form (`kv/data/app` for KV v2).";
    Incumbent VAULT_SECRET_FILE "VAULT_SECRET_FILE" default "/tmp/vault/secret.json": "File for `VAULT_SECRET_PATH`; a relative one lies below `/tmp/vault`.";
    Incumbent VAULT_SECRET_PATH_NAMED "VAULT_SECRET_PATH_<NAME>" default "": "Path of a further secret.";
    Incumbent VAULT_SECRET_FILE_NAMED "VAULT_SECRET_FILE_<NAME>" default "": "File for `VAULT_SECRET_PATH_<NAME>`. Required beside it.";
    Incumbent VAULT_RUN_MODE "VAULT_RUN_MODE" default "default": "`file`, `proxy` or `default` (both), in upper or lower case.";
    Incumbent VAULT_TOKEN_EXPIRY_GRACE_PERIOD "VAULT_TOKEN_EXPIRY_GRACE_PERIOD" default "10s": "How long before its end a token counts as expired; a tenth of the token's life if it is more than half of it.";
    Incumbent VAULT_DEFAULT_CACHE_TTL "VAULT_DEFAULT_CACHE_TTL" default "": "How long the proxy may serve an answer again. Unset or not above zero: nothing is cached.";
    Incumbent VAULT_DEFAULT_CACHE_ENABLED "VAULT_DEFAULT_CACHE_ENABLED" default "false": "Whether every GET is cached; otherwise only those with `X-Vault-Cache-Control: cache`.";
    Incumbent VAULT_LOG_LEVEL "VAULT_LOG_LEVEL" default "INFO": "`TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `OFF`.";
    Strongroom STRONGROOM_ALLOW "STRONGROOM_ALLOW" default "": "Paths that clients of the local Vault API may ask for, separated by commas, as `kv/data/app/*`: a `*` at the end stands for any rest, `+` for one segment, and what stands before the mount is the namespace. Anything else is refused with 403 before Vault is asked. Unset: all.";
    Strongroom STRONGROOM_APPROLE_ROLE_ID "STRONGROOM_APPROLE_ROLE_ID" default "": "Role id for `STRONGROOM_AUTH_METHOD=approle`. Required for it.";
    Strongroom STRONGROOM_APPROLE_SECRET_ID "STRONGROOM_APPROLE_SECRET_ID" default "": "Secret id beside the role id; a role with `bind_secret_id=false` has none.";
    Strongroom STRONGROOM_APPROLE_SECRET_ID_FILE "STRONGROOM_APPROLE_SECRET_ID_FILE" default "": "The same, read from a file for each login.";
    Strongroom STRONGROOM_APPROLE_SECRET_ID_WRAPPED "STRONGROOM_APPROLE_SECRET_ID_WRAPPED" default "off": "`on`: what is given as secret id is a response-wrapping token for it, which is unwrapped once and before that checked to come from this auth method.";
    Strongroom STRONGROOM_AUTH_METHOD "STRONGROOM_AUTH_METHOD" default "aws": "How to log in to Vault: `aws` (as the function's IAM role), `approle`, `jwt`, or `cert` (with `VAULT_CLIENT_CERT`).";
    Strongroom STRONGROOM_CACHE_SIZE "STRONGROOM_CACHE_SIZE" default "8388608": "Bytes that the cache may hold in all, 0 to 268435456.";
    Strongroom STRONGROOM_CONFIG "STRONGROOM_CONFIG" default "/var/task/strongroom.toml": "Settings file, which may hold every variable of this page that Lambda does not set; variables win over it. The default is read if it exists.";
    Strongroom STRONGROOM_DOCTOR "STRONGROOM_DOCTOR" default "0": "`1`: before it starts, the extension walks the chain from its variables to each secret and writes to the log where it breaks, as `strongroom doctor` does; for at most three eighths of `STRONGROOM_INIT_TIMEOUT`.";
    Strongroom STRONGROOM_ENV_API "STRONGROOM_ENV_API" default "off": "`on`: the socket gives resolved variables after the first invocation, too. `off`: only before it, and on Managed Instances to each process as it starts.";
    Strongroom STRONGROOM_FILE_FORMAT "STRONGROOM_FILE_FORMAT" default "response": "What is written to the files of secrets: `response` (Vault's whole answer, as vault-lambda-extension writes it), `data` (the secret's data as a JSON object), `raw:<field>` (one field and nothing else), `dotenv` (lines `NAME='value'`), or `template:<file>` (a minijinja template).";
    Strongroom STRONGROOM_FILE_FORMAT_NAMED "STRONGROOM_FILE_FORMAT_<NAME>" default "": "The same for the file of `VAULT_SECRET_PATH_<NAME>` alone.";
    Strongroom STRONGROOM_FILE_MODE "STRONGROOM_FILE_MODE" default "0600": "Permissions of the files of secrets, in octal digits.";
    Strongroom STRONGROOM_FILE_MODE_NAMED "STRONGROOM_FILE_MODE_<NAME>" default "": "The same for the file of `VAULT_SECRET_PATH_<NAME>` alone.";
    Strongroom STRONGROOM_GUARD_HTTP "STRONGROOM_GUARD_HTTP" default "off": "`on`: a request to the local Vault API must carry `X-Vault-Request: true` or, as `X-Vault-Token`, the token that the exec wrapper puts into `STRONGROOM_GUARD_TOKEN`; requests that come from a browser or through another proxy are refused.";
    Strongroom STRONGROOM_GUARD_TOKEN "STRONGROOM_GUARD_TOKEN" default "": "Set by `/opt/strongroom/exec` for the function where `STRONGROOM_GUARD_HTTP` is `on`; never to be set by hand.";
    Strongroom STRONGROOM_INIT_TIMEOUT "STRONGROOM_INIT_TIMEOUT" default "8s; 60s unless on demand": "How long login, files and variables may take before init fails with an error that says what was waited for.";
    Strongroom STRONGROOM_JWT "STRONGROOM_JWT" default "": "JWT for `STRONGROOM_AUTH_METHOD=jwt`.";
    Strongroom STRONGROOM_JWT_FILE "STRONGROOM_JWT_FILE" default "": "The same, read from a file for each login.";
    Strongroom STRONGROOM_LISTEN "STRONGROOM_LISTEN" default "127.0.0.1:8200": "Loopback address and port of the local Vault API, or `off`: then only the Unix socket `STRONGROOM_SOCKET` serves it. Instead of `STRONGROOM_PROXY_PORT`.";
    Strongroom STRONGROOM_MISSING_SECRET "STRONGROOM_MISSING_SECRET" default "fail": "`fail`: a secret that is not there fails init; `null`: its file holds `null`, as with vault-lambda-extension.";
    Strongroom STRONGROOM_NEXT_WRAPPER "STRONGROOM_NEXT_WRAPPER" default "": "Program that `/opt/strongroom/exec` executes in place of the function's own, with that and its arguments behind it: a second exec wrapper.";
    Strongroom STRONGROOM_ON_OUTAGE "STRONGROOM_ON_OUTAGE" default "fail": "What happens while Vault cannot be reached. `fail`: init fails, and what is too old is an error. `stale`: what the cache holds is served past its time, for `STRONGROOM_STALE_FOR`. `lazy`: the environment starts without Vault, and whoever needs a secret waits for it.";
    Strongroom STRONGROOM_PROXY_PORT "STRONGROOM_PROXY_PORT" default "8200": "Port of the local Vault API on 127.0.0.1.";
    Strongroom STRONGROOM_REFRESH "STRONGROOM_REFRESH" default "5m": "How old a secret without a lease may be in a file before an invocation has it read again; `off`: never. Secrets with a lease are renewed and read again as their leases want.";
    Strongroom STRONGROOM_RETRY "STRONGROOM_RETRY" default "3": "How often the local Vault API asks Vault in all for one GET, HEAD or LIST that gets 412, 429, 5xx except 501, or no answer; `off`: once. Within the invocation's deadline.";
    Strongroom STRONGROOM_REVOKE "STRONGROOM_REVOKE" default "auto": "Whether the token is revoked at SHUTDOWN: `always`, `never`, or `auto`, which leaves it alone after an answer with a lease or a child token passed through the proxy, was written to a file or given in a variable.";
    Strongroom STRONGROOM_SNAPSTART_ENV "STRONGROOM_SNAPSTART_ENV" default "refuse": "`refuse`: references to secrets in variables are an error under SnapStart, as what they give stays in the snapshot; `allow`: they are resolved all the same.";
    Strongroom STRONGROOM_SOCKET "STRONGROOM_SOCKET" default "/tmp/.strongroom/socket": "Unix socket by which `/opt/strongroom/exec` asks for variables, and which serves the local Vault API, too (`VAULT_ADDR=unix://...`); its directory is the extension's own.";
    Strongroom STRONGROOM_STALE_FOR "STRONGROOM_STALE_FOR" default "1h": "With `STRONGROOM_ON_OUTAGE=stale`: how long past its time an answer is served while Vault cannot be reached. Never a secret whose lease is over.";
    Strongroom STRONGROOM_WAIT "STRONGROOM_WAIT" default "auto": "Who waits for secrets in files: `wrapper`, as `/opt/strongroom/exec` starts the function's program (the extension registers at once); `registration`; or `auto`, which is `wrapper` if `AWS_LAMBDA_EXEC_WRAPPER` is `/opt/strongroom/exec` and the runtime is one that heeds it.";
    VaultClient VAULT_TOKEN "VAULT_TOKEN" default "": "Token to use where neither `VAULT_AUTH_PROVIDER` nor `VAULT_AUTH_ROLE` is set: for local use. Beside them it is ignored with a warning.";
    VaultClient VAULT_NAMESPACE "VAULT_NAMESPACE" default "": "Namespace for the extension's own requests, and for proxied ones whose client names none.";
    VaultClient VAULT_CACERT "VAULT_CACERT" default "": "PEM file of the certificate authorities to trust, instead of all others.";
    VaultClient VAULT_CACERT_BYTES "VAULT_CACERT_BYTES" default "": "The same as PEM text; `VAULT_CACERT` wins.";
    VaultClient VAULT_CAPATH "VAULT_CAPATH" default "": "The same as a directory of PEM files; the other two win.";
    VaultClient VAULT_CLIENT_CERT "VAULT_CLIENT_CERT" default "": "PEM file of a client certificate; needs `VAULT_CLIENT_KEY`.";
    VaultClient VAULT_CLIENT_KEY "VAULT_CLIENT_KEY" default "": "PEM file of its key: PKCS#1, PKCS#8 or SEC1.";
    VaultClient VAULT_SKIP_VERIFY "VAULT_SKIP_VERIFY" default "false": "Trust any certificate. For experiments only.";
    VaultClient VAULT_TLS_SERVER_NAME "VAULT_TLS_SERVER_NAME" default "": "Name to ask for and to verify in Vault's certificate.";
    VaultClient VAULT_CLIENT_TIMEOUT "VAULT_CLIENT_TIMEOUT" default "60s": "Seconds or duration for one of the extension's own requests with all its retries; the proxy ignores it.";
    VaultClient VAULT_MAX_RETRIES "VAULT_MAX_RETRIES" default "2": "How often one of the extension's own requests is repeated after 412, 429, 5xx except 501, or a broken connection. Unset, the login at the start is repeated until `STRONGROOM_INIT_TIMEOUT`.";
    VaultClient VAULT_RATE_LIMIT "VAULT_RATE_LIMIT" default "": "Own requests a second, `rate[:burst]`.";
    VaultClient VAULT_HEADERS "VAULT_HEADERS" default "": "JSON object of headers for the extension's own requests.";
    VaultClient VAULT_WRAP_TTL "VAULT_WRAP_TTL" default "": "Value of `X-Vault-Wrap-TTL` on the extension's own logins and reads.";
    VaultClient VAULT_DISABLE_REDIRECTS "VAULT_DISABLE_REDIRECTS" default "false": "Do not follow the one redirect that own requests otherwise follow.";
    VaultClient VAULT_SRV_LOOKUP "VAULT_SRV_LOOKUP" default "false": "Find Vault by the SRV record `_http._tcp.<host>`, where the address has no port.";
    VaultClient VAULT_PROXY_ADDR "VAULT_PROXY_ADDR" default "": "Forward proxy for Vault; wins over `VAULT_HTTP_PROXY` and all that follow.";
    VaultClient VAULT_HTTP_PROXY "VAULT_HTTP_PROXY" default "": "The same.";
    Aws HTTP_PROXY "HTTP_PROXY" default "": "Forward proxy for `http` addresses.";
    Aws HTTPS_PROXY "HTTPS_PROXY" default "": "Forward proxy for `https` addresses.";
    Aws NO_PROXY "NO_PROXY" default "": "Hosts that are reached directly.";
    Aws SSL_CERT_FILE "SSL_CERT_FILE" default "": "Certificate authorities to trust where no `VAULT_CACERT`, `VAULT_CACERT_BYTES` or `VAULT_CAPATH` is set.";
    Aws SSL_CERT_DIR "SSL_CERT_DIR" default "": "The same as a directory.";
    Aws AWS_LAMBDA_RUNTIME_API "AWS_LAMBDA_RUNTIME_API" default "": "Address of the Extensions API; set by Lambda.";
    Aws AWS_LAMBDA_EXEC_WRAPPER "AWS_LAMBDA_EXEC_WRAPPER" default "": "Program that starts the runtime: `/opt/strongroom/exec` resolves references to secrets in variables.";
    Aws AWS_LAMBDA_INITIALIZATION_TYPE "AWS_LAMBDA_INITIALIZATION_TYPE" default "on-demand": "How the environment is prepared; set by Lambda.";
    Aws AWS_LAMBDA_LOG_FORMAT "AWS_LAMBDA_LOG_FORMAT" default "Text": "`JSON` makes each log line a JSON object.";
    Aws AWS_REGION "AWS_REGION" default "": "The function's region; `AWS_DEFAULT_REGION` where it is unset.";
    Aws AWS_DEFAULT_REGION "AWS_DEFAULT_REGION" default "": "See `AWS_REGION`.";
    Aws AWS_STS_REGIONAL_ENDPOINTS "AWS_STS_REGIONAL_ENDPOINTS" default "legacy": "`regional`: the login is signed for the STS endpoint of the function's region.";
    Aws AWS_ENDPOINT_URL_STS "AWS_ENDPOINT_URL_STS" default "": "Another STS endpoint.";
    Aws AWS_ENDPOINT_URL "AWS_ENDPOINT_URL" default "": "Another endpoint for all AWS services.";
    Aws AWS_USE_FIPS_ENDPOINT "AWS_USE_FIPS_ENDPOINT" default "false": "Use STS's FIPS endpoint.";
    Aws AWS_USE_DUALSTACK_ENDPOINT "AWS_USE_DUALSTACK_ENDPOINT" default "false": "Use STS's dual-stack endpoint.";
    Aws AWS_ACCESS_KEY_ID "AWS_ACCESS_KEY_ID" default "": "Credentials of the function's role; set by Lambda.";
    Aws AWS_SECRET_ACCESS_KEY "AWS_SECRET_ACCESS_KEY" default "": "Likewise.";
    Aws AWS_SESSION_TOKEN "AWS_SESSION_TOKEN" default "": "Likewise.";
    Aws AWS_CONTAINER_CREDENTIALS_FULL_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI" default "": "Where credentials are fetched under SnapStart; set by Lambda.";
    Aws AWS_CONTAINER_CREDENTIALS_RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" default "": "The same, on the container metadata address.";
    Aws AWS_CONTAINER_AUTHORIZATION_TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN" default "": "Sent when they are fetched; set by Lambda.";
    Aws AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" default "": "The same, read from a file.";
}

/// Whether a variable of this name is declared, be it by a suffix in place of `<NAME>`.
pub fn is_known(name: &str) -> bool {
    names().any(|known| match known.strip_suffix("<NAME>") {
        Some(begin) => name.strip_prefix(begin).is_some_and(|suffix| !suffix.is_empty()),
        None => known == name,
    })
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    DECLARED.iter().map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variable_is_declared_twice() {
        let mut names: Vec<_> = ALL.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
