//! OpenBao's names of the client variables.

use super::*;

/// A variable, a value that changes the settings, and what must be set beside it for that.
type Sample = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// One for each variable of Vault's clients.
const SAMPLES: &[Sample] = &[
    ("VAULT_ADDR", "http://bao.example", &[]),
    ("VAULT_AGENT_ADDR", "http://agent.example", &[]),
    ("VAULT_CACERT", "/ca.pem", &[]),
    ("VAULT_CACERT_BYTES", "-----BEGIN CERTIFICATE-----", &[]),
    ("VAULT_CAPATH", "/ca", &[]),
    ("VAULT_CLIENT_CERT", "/c.pem", &[("VAULT_CLIENT_KEY", "/k.pem")]),
    ("VAULT_CLIENT_KEY", "/k.pem", &[("VAULT_CLIENT_CERT", "/c.pem")]),
    ("VAULT_CLIENT_TIMEOUT", "7", &[]),
    ("VAULT_DISABLE_REDIRECTS", "true", &[]),
    ("VAULT_HEADERS", r#"{"X-Custom":"one"}"#, &[]),
    ("VAULT_HTTP_PROXY", "http://proxy.example:3128", &[]),
    ("VAULT_MAX_RETRIES", "7", &[]),
    ("VAULT_NAMESPACE", "team", &[]),
    ("VAULT_PROXY_ADDR", "http://proxy.example:3128", &[]),
    ("VAULT_RATE_LIMIT", "7", &[]),
    ("VAULT_SKIP_VERIFY", "true", &[]),
    ("VAULT_SRV_LOOKUP", "true", &[]),
    ("VAULT_TLS_SERVER_NAME", "bao.example", &[]),
    ("VAULT_TOKEN", "hvs.canary", &[("VAULT_AUTH_PROVIDER", ""), ("VAULT_AUTH_ROLE", "")]),
    ("VAULT_WRAP_TTL", "60s", &[]),
];

/// The settings and findings with only these variables beside provider and role.
fn outcome(variables: &[(&str, &str)]) -> String {
    let base = [("VAULT_AUTH_PROVIDER", "aws"), ("VAULT_AUTH_ROLE", "lambda")];
    let is_replaced = |name: &str| variables.iter().any(|(other, _)| *other == name);
    let all = base.iter().filter(|(name, _)| !is_replaced(name)).chain(variables);
    let environment =
        Environment::new(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    format!("{:?}", parse(&environment))
}

#[test]
fn each_client_variable_has_its_openbao_twin_which_says_the_same_where_it_is_unset() {
    for (name, value, beside) in SAMPLES {
        let twin = name.replacen("VAULT_", "BAO_", 1);
        // Without an address there are no settings.
        let address = ("VAULT_ADDR", "http://vault.example");
        let beside: Vec<_> =
            beside.iter().copied().chain((*name != address.0).then_some(address)).collect();
        let with = |more: &[(&str, &str)]| outcome(&[&beside, more].concat());
        let expect = with(&[(name, value)]);
        assert!(expect.starts_with("(Some("), "{expect}");
        assert_ne!(expect, with(&[]), "{name} changes something");
        assert_eq!(with(&[(&twin, value)]), expect, "{twin}");
        assert_eq!(with(&[(name, value), (&twin, "7")]), expect, "{name} wins");
    }
}

#[test]
fn the_samples_are_those_of_all_client_variables() {
    let is_of_client =
        |variable: &&variables::Variable| variable.origin == variables::Origin::VaultClient;
    let mut declared: Vec<_> =
        variables::ALL.iter().filter(is_of_client).map(|variable| variable.name).collect();
    declared.sort_unstable();
    let sampled: Vec<_> = SAMPLES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(sampled, declared);
}
