//! `role/<name>`: which IAM principal may log in, and what token it gets.

use serde_json::{Value, json};

use super::Client;
use super::arn::{Arn, Principal};
use crate::aws::calls::{self, Target};
use crate::random;
use crate::vault::answer::Refusal;
use crate::vault::request::Params;
use crate::vault::tokens::TokenKind;

#[derive(Clone)]
pub(in crate::vault) struct Role {
    pub(super) bound_arns: Vec<String>,
    pub(super) bound_ids: Vec<String>,
    pub(super) entity_id: String,
    pub(super) explicit_max_ttl: i64,
    pub(super) max_ttl: i64,
    pub(super) no_default_policy: bool,
    pub(super) num_uses: i64,
    old_names: OldNames,
    pub(super) period: i64,
    pub(super) policies: Vec<String>,
    pub(super) resolves_ids: bool,
    pub(super) role_id: String,
    token_type: &'static str,
    pub(super) ttl: i64,
}

/// The parameter names from before `token_*`; those that were used are shown beside the new ones.
#[derive(Clone, Copy, Default)]
struct OldNames {
    max_ttl: bool,
    policies: bool,
    ttl: bool,
}

impl Role {
    fn new() -> Self {
        Self {
            bound_arns: Vec::new(),
            bound_ids: Vec::new(),
            entity_id: random::uuid(),
            explicit_max_ttl: 0,
            max_ttl: 0,
            no_default_policy: false,
            num_uses: 0,
            old_names: OldNames::default(),
            period: 0,
            policies: Vec::new(),
            resolves_ids: true,
            role_id: random::uuid(),
            token_type: "default",
            ttl: 0,
        }
    }

    /// The role that `params` make of `existing`, before its ARNs are resolved.
    pub(in crate::vault) fn written(
        existing: Option<Self>,
        params: &Params,
    ) -> Result<Self, Refusal> {
        let is_new = existing.is_none();
        let mut role = existing.unwrap_or_else(Self::new);
        match params.text("auth_type")?.as_deref() {
            None | Some("" | "iam") => {}
            Some("ec2") => return Err(Refusal::invalid("devvault implements auth_type iam only")),
            Some(other) => {
                return Err(Refusal::invalid(format!("unrecognized auth_type: {other}")));
            }
        }
        if let Some(resolves) = params.flag("resolve_aws_unique_ids")? {
            if !is_new && role.resolves_ids && !resolves {
                return Err(Refusal::invalid(
                    "changing resolve_aws_unique_ids from true to false is not allowed",
                ));
            }
            role.resolves_ids = resolves;
        }
        if let Some(arns) = params.list("bound_iam_principal_arn")? {
            if let Some(wild) = arns.iter().find(|arn| arn.contains('*')) {
                return Err(Refusal::invalid(format!(
                    "devvault does not implement wildcards: {wild:?}"
                )));
            }
            role.bound_arns = arns;
            role.bound_ids.clear();
        }
        role.update_token(params)?;
        if role.bound_arns.is_empty() {
            return Err(Refusal::invalid(
                "at least one bound parameter should be specified on the role",
            ));
        }
        Ok(role)
    }

    fn update_token(&mut self, params: &Params) -> Result<(), Refusal> {
        let old = &mut self.old_names;
        if let Some(ttl) = either(params, "token_ttl", "ttl", &mut old.ttl, Params::seconds)? {
            self.ttl = ttl;
        }
        if let Some(ttl) =
            either(params, "token_max_ttl", "max_ttl", &mut old.max_ttl, Params::seconds)?
        {
            self.max_ttl = ttl;
        }
        if let Some(policies) =
            either(params, "token_policies", "policies", &mut old.policies, Params::list)?
        {
            self.policies = policies;
        }
        if let Some(ttl) = params.seconds("token_explicit_max_ttl")? {
            self.explicit_max_ttl = ttl;
        }
        if let Some(period) = params.seconds("token_period")? {
            self.period = period;
        }
        if let Some(uses) = params.integer("token_num_uses")? {
            self.num_uses = uses;
        }
        if let Some(without) = params.flag("token_no_default_policy")? {
            self.no_default_policy = without;
        }
        if let Some(kind) = params.text("token_type")? {
            self.token_type = match kind.as_str() {
                "" | "default" | "default-service" => "default",
                "service" => "service",
                "batch" | "default-batch" => "batch",
                _ => return Err(Refusal::invalid("invalid 'token_type' value")),
            };
        }
        if self.max_ttl > 0 && self.ttl > self.max_ttl {
            return Err(Refusal::invalid("ttl should be shorter than max ttl"));
        }
        if self.kind() == TokenKind::Batch && self.num_uses > 0 {
            return Err(Refusal::invalid(
                "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
            ));
        }
        Ok(())
    }

    pub(in crate::vault) fn kind(&self) -> TokenKind {
        if self.token_type == "batch" { TokenKind::Batch } else { TokenKind::Service }
    }

    /// Asks IAM for the unique ids behind the bound ARNs, unless the role goes without.
    pub(in crate::vault) async fn resolve(
        &mut self,
        client: Option<&Client>,
        now: jiff::Timestamp,
    ) -> Result<(), Refusal> {
        if !self.resolves_ids || !self.bound_ids.is_empty() {
            return Ok(());
        }
        let unconfigured = Client::default();
        let client = client.unwrap_or(&unconfigured);
        for bound in &self.bound_arns {
            let id = unique_id(client, bound, now).await.map_err(|error| {
                Refusal::invalid(format!("unable to resolve ARN {bound:?} to internal ID: {error}"))
            })?;
            self.bound_ids.push(id);
        }
        Ok(())
    }

    pub(super) fn document(&self) -> Value {
        let mut document = json!({
            "allow_instance_migration": false,
            "auth_type": "iam",
            "bound_account_id": [],
            "bound_ami_id": [],
            "bound_ec2_instance_id": null,
            "bound_iam_instance_profile_arn": [],
            "bound_iam_principal_arn": self.bound_arns,
            "bound_iam_principal_id": self.bound_ids,
            "bound_iam_role_arn": [],
            "bound_region": [],
            "bound_subnet_id": [],
            "bound_vpc_id": [],
            "disallow_reauthentication": false,
            "inferred_aws_region": "",
            "inferred_entity_type": "",
            "resolve_aws_unique_ids": self.resolves_ids,
            "role_id": self.role_id,
            "role_tag": "",
            "token_bound_cidrs": [],
            "token_explicit_max_ttl": self.explicit_max_ttl,
            "token_max_ttl": self.max_ttl,
            "token_no_default_policy": self.no_default_policy,
            "token_num_uses": self.num_uses,
            "token_period": self.period,
            "token_policies": self.policies,
            "token_ttl": self.ttl,
            "token_type": self.token_type,
        });
        if self.old_names.max_ttl {
            document["max_ttl"] = self.max_ttl.into();
        }
        if self.old_names.policies {
            document["policies"] = self.policies.clone().into();
        }
        if self.old_names.ttl {
            document["ttl"] = self.ttl.into();
        }
        document
    }
}

fn either<T>(
    params: &Params,
    name: &str,
    old_name: &str,
    used_old: &mut bool,
    read: impl Fn(&Params, &str) -> Result<Option<T>, Refusal>,
) -> Result<Option<T>, Refusal> {
    if let Some(value) = read(params, name)? {
        *used_old = false;
        return Ok(Some(value));
    }
    let value = read(params, old_name)?;
    *used_old |= value.is_some();
    Ok(value)
}

/// As Vault does: first whether the server's own account is the ARN's, then the principal's id.
async fn unique_id(client: &Client, bound: &str, now: jiff::Timestamp) -> Result<String, String> {
    let arn = Arn::parse(bound)?;
    let credentials = client.credentials().map_err(|refusal| refusal.errors.join("; "))?;
    let region = if client.sts_region.is_empty() { "us-east-1" } else { &client.sts_region };
    let sts = Target { credentials: &credentials, endpoint: &client.sts_endpoint, region };
    let own = calls::caller_identity(&sts, now)
        .await
        .map_err(|error| format!("unable to fetch current caller: {error}"))?;
    if own.account != arn.account {
        return Err(format!(
            "unable to fetch client for account ID {:?} -- default client is for account {:?}",
            arn.account, own.account
        ));
    }
    let iam =
        Target { credentials: &credentials, endpoint: &client.iam_endpoint, region: "us-east-1" };
    match arn.principal {
        Principal::Role => calls::role_id(&iam, &arn.friendly_name, now).await,
        Principal::User => calls::user_id(&iam, &arn.friendly_name, now).await,
    }
    .map_err(|error| error.to_string())
}
