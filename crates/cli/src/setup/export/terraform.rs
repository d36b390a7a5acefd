//! A plan as a Terraform configuration.
//! <https://developer.hashicorp.com/terraform/language/style>

mod layout;
mod vault;

use std::collections::BTreeMap;

use anyhow::Result;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;
use serde_json::Value;

use self::layout::{Section, array, block, jsonencode, object, reference};
use super::{Deployment, Labels, Place, unexpected};
use crate::setup::names;
use crate::setup::step::{Holder, IamStep, LambdaStep, MakeFunction, Step, Tell, VaultStep};

/// Writes it.
///
/// # Errors
/// A step has no counterpart.
pub(super) fn write(deployment: &Deployment<'_>) -> Result<String> {
    let mut configuration = Configuration::new(deployment);
    configuration.providers();
    for step in &deployment.plan.steps {
        configuration.name(step)?;
    }
    for step in &deployment.plan.steps {
        match step {
            Step::Iam(step) => configuration.iam(step)?,
            Step::Lambda(LambdaStep::Make(make)) => configuration.function(make)?,
            Step::Lambda(LambdaStep::Tell(tell)) => configuration.tell(tell),
            Step::Lambda(LambdaStep::Delete { .. }) => return Err(unexpected(step)),
            Step::Vault(vault) => {
                if !configuration.vault(vault) {
                    return Err(unexpected(step));
                }
            }
        }
    }
    let mut comment = vec![format!("{}.", deployment.purpose())];
    for note in &deployment.plan.notes {
        comment.extend([String::new(), format!("Note: {note}")]);
    }
    Ok(layout::text(&comment, configuration.sections))
}

/// What a resource is made of, as others refer to it.
#[derive(Clone, Debug)]
struct Resource {
    kind: &'static str,
    label: String,
}

/// What resources are found again by.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Thing {
    Function { account: String, region: String, name: String },
    Mount,
    Policy,
    Role { account: String, name: String },
    User { account: String, name: String },
}

struct Configuration<'a> {
    deployment: &'a Deployment<'a>,
    places: Vec<Place>,
    sections: Vec<Section>,
    /// Of each kind of resource.
    labels: BTreeMap<&'static str, Labels>,
    things: BTreeMap<Thing, Resource>,
    /// Whose ARNs are known beforehand.
    arns: BTreeMap<String, Resource>,
    /// What Vault asks AWS by, and so needs before it is given a role.
    needed: Vec<Resource>,
}

impl<'a> Configuration<'a> {
    fn new(deployment: &'a Deployment<'a>) -> Self {
        let tells = |step: &&Step| matches!(step, Step::Lambda(LambdaStep::Tell(_)));
        let steps = deployment.plan.steps.iter().filter(|step| !tells(step));
        let used: Vec<Place> = steps.filter_map(|step| deployment.place_of(step)).collect();
        Self {
            deployment,
            // What is merely told needs no provider.
            places: deployment.places().into_iter().filter(|place| used.contains(place)).collect(),
            sections: Vec::new(),
            labels: BTreeMap::new(),
            things: BTreeMap::new(),
            arns: BTreeMap::new(),
            needed: Vec::new(),
        }
    }

    fn providers(&mut self) {
        let required = |name: &str, version: &str| {
            let source = format!("hashicorp/{name}");
            let pairs =
                [("source".to_owned(), source.into()), ("version".to_owned(), version.into())];
            object(pairs)
        };
        let mut providers = Vec::new();
        if !self.places.is_empty() {
            providers.push(("aws", required("aws", ">= 5.0")));
        }
        providers.push(("vault", required("vault", ">= 4.6")));
        let mut terraform = block("terraform", &[], vec![]);
        terraform.body.push(block("required_providers", &[], providers));
        self.section(terraform);
        for place in &self.places.clone() {
            let mut attributes = Vec::new();
            if let Some(alias) = self.alias(place) {
                attributes.push(("alias", alias.into()));
            }
            attributes.push(("region", place.region.as_str().into()));
            if let Some(profile) = self.deployment.accounts.profile_of(&place.account) {
                attributes.push(("profile", profile.into()));
            }
            attributes.push(("allowed_account_ids", array([place.account.as_str().into()])));
            self.section(block("provider", &["aws"], attributes));
        }
        let mut attributes = vec![("address", self.deployment.wish.address.as_str().into())];
        if let Some(namespace) = &self.deployment.wish.namespace {
            attributes.push(("namespace", namespace.as_str().into()));
        }
        self.section(block("provider", &["vault"], attributes));
    }

    /// Names what a step makes, so that others can refer to it before it is written.
    fn name(&mut self, step: &Step) -> Result<()> {
        let deployment = self.deployment;
        match step {
            Step::Iam(IamStep::MakeRole { account, role, .. }) => {
                let made = self.label("aws_iam_role", role);
                self.arns.insert(deployment.arn(account, &format!("role/{role}"))?, made.clone());
                let (account, name) = (account.clone(), role.clone());
                self.things.insert(Thing::Role { account, name }, made);
            }
            Step::Iam(IamStep::MakeUser { account, user, .. }) => {
                let made = self.label("aws_iam_user", user);
                self.arns.insert(deployment.arn(account, &format!("user/{user}"))?, made.clone());
                let (account, name) = (account.clone(), user.clone());
                self.things.insert(Thing::User { account, name }, made);
            }
            Step::Lambda(LambdaStep::Make(make)) => {
                let made = self.label("aws_lambda_function", &make.function);
                self.things.insert(Thing::of_function(make), made);
            }
            Step::Vault(VaultStep::Enable { mount }) => {
                let made = self.label("vault_auth_backend", mount);
                self.things.insert(Thing::Mount, made);
            }
            Step::Vault(VaultStep::WritePolicy { policy, .. }) => {
                let made = self.label("vault_policy", policy);
                self.things.insert(Thing::Policy, made);
            }
            _ => {}
        }
        Ok(())
    }

    fn iam(&mut self, step: &IamStep) -> Result<()> {
        let account = step.account();
        match step {
            IamStep::MakeRole { role, trust, owner, purpose, .. } => {
                let attributes = vec![
                    ("name", role.as_str().into()),
                    ("description", purpose.as_str().into()),
                    ("assume_role_policy", jsonencode(self.value(trust))),
                    ("tags", tags([(names::OWNER_TAG.to_owned(), owner.clone())])),
                ];
                let name = role.clone();
                let made = self.thing(&Thing::Role { account: account.to_owned(), name });
                self.in_aws(account, None, made, attributes);
            }
            IamStep::MakeUser { user, owner, .. } => {
                let attributes = vec![
                    ("name", user.as_str().into()),
                    // With an access key that Terraform knows nothing of.
                    ("force_destroy", true.into()),
                    ("tags", tags([(names::OWNER_TAG.to_owned(), owner.clone())])),
                ];
                let name = user.clone();
                let made = self.thing(&Thing::User { account: account.to_owned(), name });
                self.in_aws(account, None, made, attributes);
            }
            IamStep::PutPolicy { holder, policy, document, .. } => {
                let of_account = account.to_owned();
                let (kind, key, name, thing) = match holder {
                    Holder::Role(name) => {
                        let thing = Thing::Role { account: of_account, name: name.clone() };
                        ("aws_iam_role_policy", "role", name, thing)
                    }
                    Holder::User(name) => {
                        let thing = Thing::User { account: of_account, name: name.clone() };
                        ("aws_iam_user_policy", "user", name, thing)
                    }
                };
                let attributes = vec![
                    ("name", policy.as_str().into()),
                    (key, self.reference_or(&thing, "name", name)),
                    ("policy", jsonencode(self.value(document))),
                ];
                let made = self.label(kind, &format!("{name}_{policy}"));
                if names::is_look_up_policy(policy) || policy == names::KEY_POLICY {
                    self.needed.push(made.clone());
                }
                self.in_aws(account, None, Some(made), attributes);
            }
            IamStep::DeleteKey { .. }
            | IamStep::DeletePolicy { .. }
            | IamStep::DeleteRole { .. }
            | IamStep::DeleteUser { .. }
            | IamStep::SetTrust { .. } => anyhow::bail!("a step in IAM that no export has"),
        }
        Ok(())
    }

    fn function(&mut self, make: &MakeFunction) -> Result<()> {
        let creation = &make.creation;
        let architecture = creation.architecture.name();
        let package = creation.package.display().to_string();
        let mut attributes = vec![
            ("function_name", make.function.as_str().into()),
            ("role", self.arn_or(&make.role)),
            ("runtime", creation.runtime.as_str().into()),
            ("handler", creation.handler.as_str().into()),
            ("filename", package.into()),
            ("architectures", array([architecture.into()])),
        ];
        if let Some(memory) = creation.memory {
            attributes.push(("memory_size", memory.into()));
        }
        if let Some(timeout) = creation.timeout {
            attributes.push(("timeout", timeout.into()));
        }
        attributes.push(("tags", tags(make.tags())));
        let made = self.thing(&Thing::of_function(make));
        let block = self.in_aws(&make.account, Some(&make.region), made, attributes);
        if let Some(block) = block.filter(|_| !make.variables.is_empty()) {
            let variables = object(
                make.variables.iter().map(|(name, value)| (name.clone(), value.as_str().into())),
            );
            block.body.push(layout::block("environment", &[], vec![("variables", variables)]));
        }
        Ok(())
    }

    fn tell(&mut self, tell: &Tell) {
        let label = self.label("output", &format!("variables_of_{}", tell.function)).label;
        let set = tell.set.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        let description = format!("For the function {} in {}", tell.function, tell.region);
        let attributes = vec![("description", description.into()), ("value", object(set))];
        self.sections.push(Section {
            comment: vec![
                format!("The function {} is there already, and Terraform can set", tell.function),
                "no variables of a function that it does not own: add these where it is described,"
                    .to_owned(),
                "or run strongroom setup apply once all of this is there, which sets them."
                    .to_owned(),
            ],
            block: block("output", &[&label], attributes),
        });
    }

    fn in_aws(
        &mut self,
        account: &str,
        region: Option<&str>,
        made: Option<Resource>,
        mut attributes: Vec<(&str, Expression)>,
    ) -> Option<&mut Block> {
        let made = made?;
        let region = region.unwrap_or_else(|| self.deployment.region_of(account));
        let place = Place { account: account.to_owned(), region: region.to_owned() };
        if let Some(alias) = self.alias(&place) {
            attributes.insert(0, ("provider", reference(&["aws", &alias])));
        }
        self.section(block("resource", &[made.kind, &made.label], attributes));
        self.sections.last_mut().map(|section| &mut section.block)
    }

    fn section(&mut self, block: Block) {
        self.sections.push(Section { comment: Vec::new(), block });
    }

    /// What the provider for a place is called, where there is more than one.
    fn alias(&self, place: &Place) -> Option<String> {
        let Place { account, region } = place;
        (self.places.len() > 1).then(|| format!("account_{account}_{}", region.replace('-', "_")))
    }

    fn label(&mut self, kind: &'static str, name: &str) -> Resource {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let label: String = name.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect();
        let is_begun_well = label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let label = if is_begun_well { label } else { format!("_{label}") };
        Resource { kind, label: self.labels.entry(kind).or_default().take(&label) }
    }

    fn thing(&self, thing: &Thing) -> Option<Resource> {
        self.things.get(thing).cloned()
    }

    fn reference_or(&self, thing: &Thing, attribute: &str, literal: &str) -> Expression {
        self.things.get(thing).map_or_else(
            || literal.into(),
            |resource| reference(&[resource.kind, &resource.label, attribute]),
        )
    }

    fn arn_or(&self, text: &str) -> Expression {
        self.arns.get(text).map_or_else(
            || text.into(),
            |resource| reference(&[resource.kind, &resource.label, "arn"]),
        )
    }

    /// A value whose ARNs are references where this file makes what they name.
    fn value(&self, value: &Value) -> Expression {
        match value {
            Value::Array(values) => array(values.iter().map(|value| self.value(value))),
            Value::Bool(flag) => (*flag).into(),
            Value::Null => Expression::null(),
            Value::Number(number) => match number.as_u64() {
                Some(number) => number.into(),
                None => number.as_f64().unwrap_or_default().into(),
            },
            Value::Object(pairs) => {
                object(pairs.iter().map(|(key, value)| (key.clone(), self.value(value))))
            }
            Value::String(text) => self.arn_or(text),
        }
    }
}

impl Thing {
    fn of_function(make: &MakeFunction) -> Self {
        Self::Function {
            account: make.account.clone(),
            region: make.region.clone(),
            name: make.function.clone(),
        }
    }
}

fn tags(tags: impl IntoIterator<Item = (String, String)>) -> Expression {
    object(tags.into_iter().map(|(key, value)| (key, value.into())))
}
