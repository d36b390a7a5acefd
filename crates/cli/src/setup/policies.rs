//! The texts that say who may do what: IAM's policies and Vault's, each with the least that this use needs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::wish::{Function, Wish};

/// Who may assume a function's role.
pub(super) fn trust_of_lambda() -> Value {
    trust(json!({ "Service": "lambda.amazonaws.com" }), None)
}

/// Lets `principal`, by its ARN, assume a role, if it knows the external id.
pub(super) fn trust_of(principal: &str, external_id: Option<&str>) -> Value {
    trust(json!({ "AWS": principal }), external_id)
}

fn trust(principal: Value, external_id: Option<&str>) -> Value {
    let mut statement =
        json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
    if let Some(id) = external_id {
        statement["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    policy(vec![statement])
}

/// Lets functions write their logs, and nothing else.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html>
pub(super) fn logs(partition: &str, account: &str, functions: &[&Function]) -> Value {
    let groups = functions.iter().flat_map(|function| {
        let group = format!(
            "arn:{partition}:logs:{}:{account}:log-group:/aws/lambda/{}",
            function.region, function.name
        );
        [format!("{group}:*"), group]
    });
    let groups: BTreeSet<String> = groups.collect();
    policy(vec![json!({
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": groups,
    })])
}

/// Lets Vault resolve these IAM roles to their ids, and assume those by which it looks into other accounts.
/// <https://developer.hashicorp.com/vault/docs/auth/aws#recommended-vault-iam-policy>
pub(super) fn look_up(roles: &BTreeSet<String>, through: &BTreeSet<String>) -> Value {
    let mut statements = Vec::new();
    if !roles.is_empty() {
        statements.push(json!({ "Effect": "Allow", "Action": "iam:GetRole", "Resource": roles }));
    }
    if !through.is_empty() {
        statements.push(allow_assume(through));
    }
    policy(statements)
}

/// Lets a role be assumed.
pub(super) fn assume(roles: &BTreeSet<String>) -> Value {
    policy(vec![allow_assume(roles)])
}

/// Lets Vault replace the access key that it was given.
/// <https://developer.hashicorp.com/vault/api-docs/auth/aws#rotate-root-credentials>
pub(super) fn own_access_key(user: &str) -> Value {
    policy(vec![json!({
        "Effect": "Allow",
        "Action": ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:GetUser"],
        "Resource": user,
    })])
}

fn allow_assume(roles: &BTreeSet<String>) -> Value {
    json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles })
}

fn policy(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Vault's policy. Its first lines say whose it is, and what else setup has written below an auth method that is not its
/// own.
pub(super) fn of_vault(wish: &Wish, written: &BTreeSet<String>) -> String {
    let mut text = format!("{}\n", begin_of_vault(wish));
    if !written.is_empty() {
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        text.push_str(&format!("{WRITTEN}{}\n", written.join(" ")));
    }
    for path in &wish.paths {
        let path = path.replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("\npath \"{path}\" {{\n  capabilities = [\"read\"]\n}}\n"));
    }
    text
}

/// Whether a policy was made for the wish's role.
pub(super) fn is_ours(wish: &Wish, policy: &str) -> bool {
    policy.lines().next() == Some(begin_of_vault(wish).as_str())
}

/// What setup has written below an auth method that is not its own.
pub(super) fn written(policy: &str) -> BTreeSet<String> {
    let line = policy.lines().nth(1).and_then(|line| line.strip_prefix(WRITTEN));
    line.into_iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect()
}

fn begin_of_vault(wish: &Wish) -> String {
    format!(
        "# Made by strongroom setup for auth/{}/role/{}, which overwrites changes.",
        wish.mount, wish.role
    )
}

const WRITTEN: &str = "# It wrote, too: ";
