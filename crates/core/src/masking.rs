//! How the value of a variable is shown to people: without what may be a secret.

use crate::settings::variables as v;

/// What stands where a secret may.
pub const MASK: &str = "********";

/// The value of the variable `name`, with a mask over what may be a secret.
pub fn shown(name: &str, value: &str) -> String {
    let name = name.strip_prefix("BAO_").map_or_else(|| name.to_owned(), |n| format!("VAULT_{n}"));
    let name = name.as_str();
    if name == v::VAULT_CACERT_BYTES {
        return format!("{} bytes", value.len());
    }
    if SECRETS.contains(&name) || holds_token(value) {
        return MASK.to_owned();
    }
    if ADDRESSES.contains(&name) || value.contains("://") {
        return without_user_information(value);
    }
    value.to_owned()
}

/// Whether a text holds what looks like a token of Vault's: one that was put into the wrong variable is no less a secret.
pub fn holds_token(text: &str) -> bool {
    TOKENS.iter().any(|begin| text.contains(begin))
}

/// By the text alone: what is no address may hold a password all the same.
fn without_user_information(address: &str) -> String {
    let Some(end) = address.rfind('@') else { return address.to_owned() };
    let begin = address[..end].find("://").map_or(0, |at| at + "://".len());
    format!("{}{MASK}{}", &address[..begin], &address[end..])
}

const ADDRESSES: [&str; 8] = [
    v::HTTPS_PROXY,
    v::HTTP_PROXY,
    v::VAULT_ADDR,
    v::VAULT_AGENT_ADDR,
    v::VAULT_HTTP_PROXY,
    v::VAULT_PROXY_ADDR,
    v::VLE_VAULT_ADDR,
    v::AWS_ENDPOINT_URL,
];

const SECRETS: [&str; 10] = [
    v::AWS_ACCESS_KEY_ID,
    v::AWS_CONTAINER_AUTHORIZATION_TOKEN,
    v::AWS_SECRET_ACCESS_KEY,
    v::AWS_SESSION_TOKEN,
    v::STRONGROOM_APPROLE_ROLE_ID,
    v::STRONGROOM_APPROLE_SECRET_ID,
    v::STRONGROOM_GUARD_TOKEN,
    v::STRONGROOM_JWT,
    v::VAULT_HEADERS,
    v::VAULT_TOKEN,
];

/// How Vault's tokens begin.
/// <https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes>
const TOKENS: [&str; 3] = ["hvb.", "hvr.", "hvs."];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_masked_and_the_rest_is_shown() {
        let check = |name, value, expect: &str| assert_eq!(shown(name, value), expect, "{name}");
        check("VAULT_AUTH_ROLE", "app", "app");
        check("VAULT_TOKEN", "root", MASK);
        check("BAO_TOKEN", "root", MASK);
        check("AWS_SESSION_TOKEN", "x", MASK);
        check("VAULT_HEADERS", r#"{"Authorization":"x"}"#, MASK);
        check("VAULT_CACERT_BYTES", "12345", "5 bytes");
        check("VAULT_ADDR", "https://vault:8200/a", "https://vault:8200/a");
        check("VAULT_ADDR", "https://me:pw@vault:8200", "https://********@vault:8200");
        check("VAULT_ADDR", "https://me:p/@w@vault", "https://********@vault");
        check("BAO_ADDR", "me:pw@vault", "********@vault");
        check("HTTPS_PROXY", "me:pw@proxy:3128", "********@proxy:3128");
        check("AWS_ENDPOINT_URL_STS", "http://me:pw@sts", "http://********@sts");
        check("VAULT_SECRET_PATH", "kv/data/me@home", "kv/data/me@home");
        check("VAULT_NAMESPACE", "hvs.CAESIJ", MASK);
    }

    #[test]
    fn each_variable_that_sounds_secret_is_masked_or_known_not_to_be() {
        let known = [
            v::AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
            v::AWS_CONTAINER_CREDENTIALS_FULL_URI,
            v::AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
            v::STRONGROOM_APPROLE_SECRET_ID_FILE,
            v::STRONGROOM_APPROLE_SECRET_ID_WRAPPED,
            v::STRONGROOM_JWT_FILE,
            v::STRONGROOM_MISSING_SECRET,
            v::VAULT_CLIENT_KEY,
            v::VAULT_SECRET_FILE,
            v::VAULT_SECRET_FILE_NAMED,
            v::VAULT_SECRET_PATH,
            v::VAULT_SECRET_PATH_NAMED,
            v::VAULT_TOKEN_EXPIRY_GRACE_PERIOD,
        ];
        let words = [
            "APPROLE",
            "AUTHORIZATION",
            "CREDENTIAL",
            "HEADER",
            "JWT",
            "KEY",
            "PASSWORD",
            "SECRET",
            "TOKEN",
        ];
        for variable in v::ALL {
            let sounds_secret = words.iter().any(|word| variable.name.contains(word));
            if sounds_secret && !known.contains(&variable.name) {
                assert_eq!(shown(variable.name, "canary"), MASK, "{}", variable.name);
            }
        }
    }
}
