//! Vault's half of a Terraform configuration.
//! <https://registry.terraform.io/providers/hashicorp/vault/latest/docs>

use hcl_edit::expr::Expression;
use serde_json::{Map, Value};

use super::layout::{array, block, lines, reference};
use super::{Configuration, Resource, Thing};
use crate::setup::export::commands;
use crate::setup::names;
use crate::setup::step::{Step, VaultStep};

impl Configuration<'_> {
    /// Whether the step has a counterpart.
    pub(super) fn vault(&mut self, step: &VaultStep) -> bool {
        match step {
            VaultStep::Configure { mount, fields, key, .. } => {
                let mut attributes = vec![("backend", self.mount(mount))];
                attributes.extend(self.fields(fields, &[]));
                let made = self.label("vault_aws_auth_backend_client", mount);
                self.needed.push(made.clone());
                self.in_vault(&made, attributes);
                if key.is_some() {
                    self.leave_key_alone();
                }
            }
            VaultStep::Enable { mount } => {
                let attributes = vec![
                    ("type", "aws".into()),
                    ("path", mount.as_str().into()),
                    ("description", names::MARK.into()),
                ];
                if let Some(made) = self.thing(&Thing::Mount) {
                    self.in_vault(&made, attributes);
                }
            }
            VaultStep::RotateKey { .. } => {}
            VaultStep::WritePolicy { policy, text, .. } => {
                let attributes = vec![("name", policy.as_str().into()), ("policy", lines(text))];
                if let Some(made) = self.thing(&Thing::Policy) {
                    self.in_vault(&made, attributes);
                }
            }
            VaultStep::WriteRole { mount, role, fields, .. } => {
                self.vault_role(mount, role, fields)
            }
            VaultStep::WriteSts { mount, account, fields, .. } => {
                let mut attributes =
                    vec![("backend", self.mount(mount)), ("account_id", account.as_str().into())];
                attributes.extend(self.fields(fields, &[]));
                let made =
                    self.label("vault_aws_auth_backend_sts_role", &format!("account_{account}"));
                self.needed.push(made.clone());
                self.in_vault(&made, attributes);
            }
            VaultStep::DeleteClient { .. }
            | VaultStep::DeletePolicy { .. }
            | VaultStep::DeleteRole { .. }
            | VaultStep::DeleteSts { .. }
            | VaultStep::Disable { .. } => return false,
        }
        true
    }

    fn vault_role(&mut self, mount: &str, role: &str, fields: &Map<String, Value>) {
        let mut attributes = vec![("backend", self.mount(mount)), ("role", role.into())];
        attributes.extend(self.fields(fields, &["token_policies"]));
        let policy = &self.deployment.wish.policy;
        let policy = self.reference_or(&Thing::Policy, "name", policy);
        attributes.push(("token_policies", array([policy])));
        let needed = self.needed.clone();
        if !needed.is_empty() {
            let needed = needed.iter().map(|resource| reference(&[resource.kind, &resource.label]));
            attributes.push(("depends_on", array(needed)));
        }
        let made = self.label("vault_aws_auth_backend_role", role);
        self.in_vault(&made, attributes);
        self.comment_on_key(mount);
    }

    /// Keeps Terraform from taking away the access key that it is not told of.
    fn leave_key_alone(&mut self) {
        let ignored = array(["access_key", "secret_key"].map(|key| reference(&[key])));
        if let Some(section) = self.sections.last_mut() {
            section.block.body.push(block("lifecycle", &[], vec![("ignore_changes", ignored)]));
            section.comment = vec![
                "Without the access key, whose secret would be in the state: see below.".to_owned(),
            ];
        }
    }

    /// Says at the role, which Vault takes only with an access key, how Vault is given one.
    fn comment_on_key(&mut self, mount: &str) {
        let key = self.deployment.plan.steps.iter().find_map(|step| match step {
            Step::Vault(VaultStep::Configure { key, .. }) => key.as_ref(),
            _ => None,
        });
        let Some(key) = key else { return };
        let mut comment: Vec<String> = [
            "Vault looks up the bound IAM roles when it is given its role, so it needs its access key before.",
            "The secret of that key is to be in no state, so it goes from AWS to Vault directly:",
            "",
        ]
        .map(str::to_owned)
        .into();
        let targets: Vec<String> = self
            .needed
            .iter()
            .map(|resource| format!("  -target={}.{}", resource.kind, resource.label))
            .collect();
        comment.push(format!("  terraform apply \\\n  {}", targets.join(" \\\n  ")));
        let mut script = commands::reach(self.deployment);
        script.extend(commands::hand_over(self.deployment, mount, key));
        script.push(commands::rotate(mount));
        script.push("terraform apply".to_owned());
        comment.extend(script.into_iter().map(|line| format!("  {line}")));
        if let Some(section) = self.sections.last_mut() {
            section.comment = comment;
        }
    }

    /// What Vault is told, as its provider calls it; what is empty is left out, as it is by default.
    fn fields(
        &self,
        fields: &Map<String, Value>,
        without: &[&str],
    ) -> Vec<(&'static str, Expression)> {
        let given = fields.iter().filter(|(name, value)| {
            !without.contains(&name.as_str()) && **value != "" && **value != false
                || name.as_str() == "resolve_aws_unique_ids"
        });
        let named = given.filter_map(|(name, value)| {
            let name = ATTRIBUTES.iter().find(|(field, _)| field == name);
            Some((name?.1, self.value(value)))
        });
        named.collect()
    }

    fn in_vault(&mut self, made: &Resource, attributes: Vec<(&str, Expression)>) {
        self.section(block("resource", &[made.kind, &made.label], attributes));
    }

    fn mount(&self, mount: &str) -> Expression {
        self.reference_or(&Thing::Mount, "path", mount)
    }
}

/// Fields of Vault's API, and what its provider calls them.
const ATTRIBUTES: [(&str, &str); 13] = [
    ("auth_type", "auth_type"),
    ("bound_iam_principal_arn", "bound_iam_principal_arns"),
    ("external_id", "external_id"),
    ("iam_endpoint", "iam_endpoint"),
    ("iam_server_id_header_value", "iam_server_id_header_value"),
    ("resolve_aws_unique_ids", "resolve_aws_unique_ids"),
    ("sts_endpoint", "sts_endpoint"),
    ("sts_region", "sts_region"),
    ("sts_role", "sts_role"),
    ("token_max_ttl", "token_max_ttl"),
    ("token_ttl", "token_ttl"),
    ("token_type", "token_type"),
    ("use_sts_region_from_client", "use_sts_region_from_client"),
];
