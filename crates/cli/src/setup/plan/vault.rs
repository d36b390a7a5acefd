//! Vault: the auth method, its configuration, the policy and the role.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use strongroom_vault::aws::sts;

use super::{Bound, Credentials, Plan};
use crate::setup::accounts::Account;
use crate::setup::document::TokenType;
use crate::setup::found::{ClientConfig, Found, FoundVault, StsConfig, VaultRole};
use crate::setup::names;
use crate::setup::policies;
use crate::setup::step::{NewKey, VaultStep};
use crate::setup::wish::Wish;

/// Which STS endpoint a login must be signed for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::setup) enum StsPairing {
    /// Whichever the function takes.
    Any,
    /// The global one.
    Global,
    /// That of one region.
    Region(String),
}

/// How the auth method is configured below [`names::MARK`]'s mount, in the words of a policy's ledger.
pub(super) const CLIENT: &str = "config/client";

/// What the auth method's client is configured with, but for the access key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::setup) struct VaultWish {
    pub(in crate::setup) iam_endpoint: String,
    pub(in crate::setup) server_id: String,
    pub(in crate::setup) sts_endpoint: String,
    pub(in crate::setup) sts_region: String,
    pub(in crate::setup) use_sts_region_from_client: bool,
}

/// Plans it, and says which STS endpoint logins are signed for.
pub(super) fn plan(
    wish: &Wish,
    found: &Found,
    home: &Account,
    bound: &BTreeSet<Bound>,
    credentials: Credentials,
    plan: &mut Plan,
) -> StsPairing {
    let vault = &found.vault;
    if let Some(mount) = vault.mount.as_ref().filter(|mount| mount.kind != "aws") {
        plan.problems.push(format!(
            "auth/{} is of type {}, not aws; hint: name another in VAULT_AUTH_PROVIDER",
            wish.mount, mount.kind
        ));
    }
    check_paths(wish, vault, plan);
    let is_foreign = vault.mount.as_ref().is_some_and(|mount| !mount.is_ours());
    let client = match credentials {
        Credentials::Foreign => None,
        _ => Some(desired(wish, vault.version)),
    };
    let mut later = Vec::new();
    let mut written = vault.policy.as_deref().map(policies::written).unwrap_or_default();
    configure(wish, found, home, client.as_ref(), credentials, &mut later, plan);
    if is_foreign && !later.is_empty() {
        written.insert(CLIENT.to_owned());
    }
    for account in accounts_to_look_into(wish, home, bound, credentials) {
        let step = look_into(wish, vault, home, &account, &written, plan);
        if let Some(step) = step {
            if is_foreign {
                written.insert(format!("{STS}{account}"));
            }
            later.push(step);
        }
    }
    policy(wish, vault, &written, plan);
    match &vault.mount {
        None => plan.vault(VaultStep::Enable { mount: wish.mount.clone() }),
        Some(_) if is_foreign => plan.unchanged.push(format!(
            "auth method auth/{}, which is not setup's and is left as it is",
            wish.mount
        )),
        Some(_) => plan.unchanged.push(format!("auth method auth/{}", wish.mount)),
    }
    later.into_iter().for_each(|step| plan.vault(step));
    role(wish, vault, bound, plan);
    rotate(wish, found, home, credentials, plan);
    pairing(wish, vault.client.as_ref(), client.as_ref(), plan)
}

/// What the client is to be configured with in a Vault of this version.
pub(in crate::setup) fn desired(wish: &Wish, version: Option<(u32, u32)>) -> VaultWish {
    let given =
        wish.sts_endpoint.is_some() || wish.sts_region.is_some() || wish.signed_region.is_some();
    let takes_any = !given && version.is_some_and(|version| version >= FROM_CLIENT);
    let region = wish.sts_region.as_ref().or(wish.signed_region.as_ref());
    let region =
        region.or_else(|| Some(&wish.functions.first()?.region)).cloned().unwrap_or_default();
    let endpoint = || wish.sts_endpoint.clone().unwrap_or_else(|| sts::regional_url(&region));
    VaultWish {
        iam_endpoint: wish.iam_endpoint.clone().unwrap_or_default(),
        server_id: wish.server_id.clone().unwrap_or_default(),
        sts_endpoint: if takes_any { String::new() } else { endpoint() },
        sts_region: if takes_any { String::new() } else { region.clone() },
        use_sts_region_from_client: takes_any,
    }
}

fn check_paths(wish: &Wish, vault: &FoundVault, plan: &mut Plan) {
    for (path, engine) in &vault.engines {
        let Some(engine) = engine else {
            plan.notes.push(format!(
                "no secrets engine that this token may see is at {path}: until there is one, nothing can be read there"
            ));
            continue;
        };
        let rest = path.strip_prefix(engine.path.as_str()).unwrap_or_default();
        let first = rest.split('/').next().unwrap_or_default();
        let is_form_of_api = VERSIONED.contains(&first) || first.contains(['*', '+']);
        if engine.is_versioned && !is_form_of_api {
            plan.problems.push(format!(
                "{path} lies in the KV v2 engine {}, whose secrets are read below data/; hint: write {}data/{rest}",
                engine.path, engine.path
            ));
        }
    }
    let is_hcp =
        wish.vault.split(':').next().is_some_and(|host| host.ends_with(".hashicorp.cloud"));
    if is_hcp && wish.namespace.is_none() {
        plan.problems.push(
            "HCP Vault keeps everything in namespaces, the first of which is admin; hint: write VAULT_NAMESPACE = \"admin\""
                .to_owned(),
        );
    }
}

fn configure(
    wish: &Wish,
    found: &Found,
    home: &Account,
    client: Option<&VaultWish>,
    credentials: Credentials,
    steps: &mut Vec<VaultStep>,
    plan: &mut Plan,
) {
    let Some(client) = client else {
        check_foreign(wish, found.vault.client.as_ref(), plan);
        return;
    };
    let is_new = found.vault.client.is_none();
    let now = found.vault.client.clone().unwrap_or_default();
    let used = now.access_key.as_str();
    let has_key = found.user.as_ref().is_some_and(|user| user.keys.iter().any(|key| key == used));
    let key = (credentials == Credentials::AccessKey && !has_key)
        .then(|| NewKey { account: home.caller.account.clone(), user: wish.user.clone() });
    let mut how = Vec::new();
    if key.is_some() {
        how.push(match used {
            "" => format!("access_key: a new one of {}", wish.user),
            used => format!("access_key: {used} -> a new one of {}", wish.user),
        });
    }
    if credentials != Credentials::AccessKey && !used.is_empty() {
        how.push(format!("access_key: {used} -> none"));
    }
    how.extend(client.changes(&now));
    let path = format!("auth/{}/{CLIENT}", wish.mount);
    if how.is_empty() {
        if !is_new {
            plan.unchanged.push(path);
        }
        return;
    }
    let mut fields = client.fields();
    if credentials != Credentials::AccessKey && !used.is_empty() {
        fields.insert("access_key".to_owned(), json!(""));
        fields.insert("secret_key".to_owned(), json!(""));
    }
    steps.push(VaultStep::Configure { mount: wish.mount.clone(), fields, key, how, is_new });
}

impl VaultWish {
    /// What would change, a line each.
    fn changes(&self, now: &ClientConfig) -> Vec<String> {
        let texts = [
            ("sts_endpoint", &now.sts_endpoint, &self.sts_endpoint),
            ("sts_region", &now.sts_region, &self.sts_region),
            ("iam_endpoint", &now.iam_endpoint, &self.iam_endpoint),
            ("iam_server_id_header_value", &now.iam_server_id_header_value, &self.server_id),
        ];
        let texts = texts.into_iter().map(|(name, now, then)| (name, now.clone(), then.clone()));
        let flag = (
            "use_sts_region_from_client",
            now.use_sts_region_from_client.to_string(),
            self.use_sts_region_from_client.to_string(),
        );
        let all = texts.chain([flag]).filter(|(_, now, then)| now != then);
        all.map(|(name, now, then)| change(name, &now, &then)).collect()
    }

    fn fields(&self) -> Map<String, Value> {
        let fields = json!({
            "iam_endpoint": self.iam_endpoint,
            "iam_server_id_header_value": self.server_id,
            "sts_endpoint": self.sts_endpoint,
            "sts_region": self.sts_region,
            "use_sts_region_from_client": self.use_sts_region_from_client,
        });
        fields.as_object().cloned().unwrap_or_default()
    }
}

/// What of a configuration that is left as it is stands in the way.
fn check_foreign(wish: &Wish, now: Option<&ClientConfig>, plan: &mut Plan) {
    let Some(now) = now else { return };
    let asked = now.iam_server_id_header_value.as_str();
    if !asked.is_empty() && wish.server_id.as_deref() != Some(asked) {
        plan.problems.push(format!(
            "auth/{} asks every login for the header {asked}; hint: write VAULT_IAM_SERVER_ID = \"{asked}\"",
            wish.mount
        ));
    }
}

fn accounts_to_look_into(
    wish: &Wish,
    home: &Account,
    bound: &BTreeSet<Bound>,
    credentials: Credentials,
) -> BTreeSet<String> {
    let looks = match credentials {
        Credentials::AccessKey => true,
        Credentials::Own => wish.identity.is_some(),
        Credentials::None | Credentials::Foreign => false,
    };
    let others = bound.iter().map(|role| &role.account).filter(|id| **id != home.caller.account);
    others.filter(|_| looks).cloned().collect()
}

/// How Vault looks into another account.
fn look_into(
    wish: &Wish,
    vault: &FoundVault,
    home: &Account,
    account: &str,
    written: &BTreeSet<String>,
    plan: &mut Plan,
) -> Option<VaultStep> {
    if wish.external_id.is_some() && vault.version.is_none_or(|version| version < EXTERNAL_ID) {
        plan.problems.push(
            "only Vault 1.17 and later can name an external id to AWS; hint: leave external_id out of [setup.vault], or upgrade \
             Vault"
                .to_owned(),
        );
    }
    let role = format!("role/{}", names::LOOK_UP_ROLE);
    let wanted = StsConfig {
        sts_role: format!("arn:{}:iam::{account}:{role}", home.caller.partition),
        external_id: wish.external_id.clone().unwrap_or_default(),
    };
    let now = vault.sts.get(account);
    let path = format!("auth/{}/{STS}{account}", wish.mount);
    let is_ours = vault.mount.as_ref().is_none_or(|mount| mount.is_ours())
        || written.contains(&format!("{STS}{account}"));
    match now {
        Some(now) if *now == wanted => {
            plan.unchanged.push(path);
            return None;
        }
        Some(now) if !is_ours => {
            plan.unchanged.push(format!(
                "{path} by {}, which is not setup's and is left as it is",
                now.sts_role
            ));
            return None;
        }
        _ => {}
    }
    let mut fields = Map::from_iter([("sts_role".to_owned(), json!(wanted.sts_role))]);
    if !wanted.external_id.is_empty() || now.is_some_and(|now| !now.external_id.is_empty()) {
        fields.insert("external_id".to_owned(), json!(wanted.external_id));
    }
    Some(VaultStep::WriteSts {
        mount: wish.mount.clone(),
        account: account.to_owned(),
        fields,
        is_new: now.is_none(),
    })
}

fn policy(wish: &Wish, vault: &FoundVault, written: &BTreeSet<String>, plan: &mut Plan) {
    let text = policies::of_vault(wish, written);
    let policy = wish.policy.clone();
    match &vault.policy {
        Some(now) if *now == text => plan.unchanged.push(format!("policy {policy}")),
        Some(now) if !policies::is_ours(wish, now) => plan.problems.push(format!(
            "the policy {policy} was not made for auth/{}/role/{}; hint: write policy = \"...\" in [setup.vault] for another \
             name",
            wish.mount, wish.role
        )),
        now => plan.vault(VaultStep::WritePolicy { is_new: now.is_none(), policy, text }),
    }
}

fn role(wish: &Wish, vault: &FoundVault, bound: &BTreeSet<Bound>, plan: &mut Plan) {
    let kind = wish.token.kind.unwrap_or_else(|| token_type(vault));
    let path = format!("auth/{}/role/{}", wish.mount, wish.role);
    let now = vault.role.clone();
    if let Some(now) = &now
        && !(now.token_policies.contains(&wish.policy)
            && vault.policy.as_deref().is_some_and(|policy| policies::is_ours(wish, policy)))
    {
        plan.problems.push(format!(
            "{path} is there and was not made by setup; hint: name another role in VAULT_AUTH_ROLE, or delete that one"
        ));
        return;
    }
    let wanted = VaultRole {
        auth_type: "iam".to_owned(),
        bound_iam_principal_arn: bound.iter().map(|role| role.to_bind(wish)).collect(),
        bound_iam_principal_id: bound.iter().filter_map(|role| role.id.clone()).collect(),
        resolve_aws_unique_ids: wish.resolve_unique_ids,
        token_max_ttl: match kind {
            TokenType::Batch => wish.token.ttl.as_secs(),
            TokenType::Service => wish.token.max_ttl.as_secs(),
        },
        token_policies: BTreeSet::from([wish.policy.clone()]),
        token_ttl: wish.token.ttl.as_secs(),
        token_type: match kind {
            TokenType::Batch => "batch".to_owned(),
            TokenType::Service => "service".to_owned(),
        },
    };
    let is_new = now.is_none();
    let now = now.unwrap_or_default();
    let how = changes_of_role(&wanted, &now, bound, is_new);
    if how.is_empty() {
        plan.unchanged.push(path);
        return;
    }
    plan.vault(VaultStep::WriteRole {
        mount: wish.mount.clone(),
        role: wish.role.clone(),
        fields: fields_of_role(&wanted),
        how,
        is_new,
        // <https://developer.hashicorp.com/vault/api-docs/auth/aws#resolve_aws_unique_ids>
        anew: !is_new && now.resolve_aws_unique_ids && !wanted.resolve_aws_unique_ids,
    });
}

fn changes_of_role(
    wanted: &VaultRole,
    now: &VaultRole,
    bound: &BTreeSet<Bound>,
    is_new: bool,
) -> Vec<String> {
    let list =
        |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let pairs = [
        (
            "bound_iam_principal_arn",
            list(&now.bound_iam_principal_arn),
            list(&wanted.bound_iam_principal_arn),
        ),
        ("token_policies", list(&now.token_policies), list(&wanted.token_policies)),
        ("token_type", now.token_type.clone(), wanted.token_type.clone()),
        ("token_ttl", format!("{}s", now.token_ttl), format!("{}s", wanted.token_ttl)),
        ("token_max_ttl", format!("{}s", now.token_max_ttl), format!("{}s", wanted.token_max_ttl)),
        (
            "resolve_aws_unique_ids",
            now.resolve_aws_unique_ids.to_string(),
            wanted.resolve_aws_unique_ids.to_string(),
        ),
    ];
    let changed = pairs.into_iter().filter(|(_, now, then)| is_new || now != then);
    let mut how: Vec<String> = changed
        .map(
            |(name, now, then)| {
                if is_new { format!("{name} = {then}") } else { change(name, &now, &then) }
            },
        )
        .collect();
    let is_made_anew = |role: &&Bound| match &role.id {
        Some(id) => !now.bound_iam_principal_id.contains(id),
        None => true,
    };
    if !is_new && wanted.resolve_aws_unique_ids && now.resolve_aws_unique_ids {
        let anew = bound.iter().filter(is_made_anew);
        how.extend(anew.map(|role| {
            format!("the IAM role {} is another than it was when Vault noted its id", role.name)
        }));
    }
    how
}

fn fields_of_role(role: &VaultRole) -> Map<String, Value> {
    let fields = json!({
        "auth_type": role.auth_type,
        "bound_iam_principal_arn": role.bound_iam_principal_arn,
        "resolve_aws_unique_ids": role.resolve_aws_unique_ids,
        "token_max_ttl": role.token_max_ttl,
        "token_policies": role.token_policies,
        "token_ttl": role.token_ttl,
        "token_type": role.token_type,
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// Batch tokens cost Vault nothing, but a lease needs one that can be renewed.
/// <https://developer.hashicorp.com/vault/docs/concepts/tokens#batch-tokens>
fn token_type(vault: &FoundVault) -> TokenType {
    let is_kv = |kind: &str| matches!(kind, "kv" | "generic");
    let mut engines = vault.engines.values();
    let all = engines.all(|engine| engine.as_ref().is_some_and(|engine| is_kv(&engine.kind)));
    if all { TokenType::Batch } else { TokenType::Service }
}

fn rotate(wish: &Wish, found: &Found, home: &Account, credentials: Credentials, plan: &mut Plan) {
    if credentials != Credentials::AccessKey {
        return;
    }
    let makes_key = plan.steps.iter().any(|step| {
        matches!(step, crate::setup::step::Step::Vault(VaultStep::Configure { key: Some(_), .. }))
    });
    let used = found.vault.client.as_ref().map(|client| &client.access_key);
    let first = found.user.as_ref().and_then(|user| user.attributes.tags.get(names::FIRST_KEY_TAG));
    if makes_key || (first.is_some() && first == used) {
        let user = NewKey { account: home.caller.account.clone(), user: wish.user.clone() };
        plan.vault(VaultStep::RotateKey { mount: wish.mount.clone(), user });
    }
}

/// Which endpoint Vault, configured so, sends logins to.
fn pairing(
    wish: &Wish,
    now: Option<&ClientConfig>,
    then: Option<&VaultWish>,
    plan: &mut Plan,
) -> StsPairing {
    let (from_client, endpoint, region) = match (then, now) {
        (Some(then), _) => (then.use_sts_region_from_client, &then.sts_endpoint, &then.sts_region),
        (None, Some(now)) => (now.use_sts_region_from_client, &now.sts_endpoint, &now.sts_region),
        (None, None) => return StsPairing::Global,
    };
    let found = if from_client {
        StsPairing::Any
    } else if !region.is_empty() {
        StsPairing::Region(region.clone())
    } else if let Some(region) = sts::region_of_url(endpoint) {
        StsPairing::Region(region.to_owned())
    } else {
        StsPairing::Global
    };
    let expected = match &found {
        StsPairing::Any => return found,
        StsPairing::Global => "us-east-1",
        StsPairing::Region(region) => region,
    };
    if let Some(signed) = wish.signed_region.as_ref().filter(|signed| *signed != expected) {
        plan.problems.push(format!(
            "VAULT_STS_ENDPOINT_REGION is {signed}, but auth/{} sends logins to STS in {expected}; hint: leave the variable out \
             of the settings",
            wish.mount
        ));
    }
    found
}

impl Bound {
    /// As Vault compares it: without its path, where it does not ask IAM.
    fn to_bind(&self, wish: &Wish) -> String {
        match (wish.resolve_unique_ids, self.arn.split_once(":role/")) {
            (false, Some((account, _))) => format!("{account}:role/{}", self.name),
            _ => self.arn.clone(),
        }
    }
}

fn change(name: &str, now: &str, then: &str) -> String {
    let word = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    format!("{name}: {} -> {}", word(now), word(then))
}

const STS: &str = "config/sts/";
/// Since when Vault signs for the region of the client.
/// <https://developer.hashicorp.com/vault/docs/release-notes/1.15.0>
const FROM_CLIENT: (u32, u32) = (1, 15);
/// Since when it knows external ids. <https://developer.hashicorp.com/vault/docs/release-notes/1.17.0>
const EXTERNAL_ID: (u32, u32) = (1, 17);
/// What follows the mount in paths of KV v2. <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>
const VERSIONED: [&str; 7] =
    ["config", "data", "delete", "destroy", "metadata", "subkeys", "undelete"];
