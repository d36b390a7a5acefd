//! A plan as CloudFormation templates, one for each account and region; Vault's half is commands in the metadata.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html>

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::{Deployment, File, Labels, Place, commands, unexpected};
use crate::setup::names;
use crate::setup::step::{Holder, IamStep, LambdaStep, MakeFunction, Step, Tell, VaultStep};

/// Writes them.
///
/// # Errors
/// A step has no counterpart.
pub(super) fn write(deployment: &Deployment<'_>) -> Result<Vec<File>> {
    let places = deployment.places();
    let mut files = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let mut template = Template::new(deployment, place);
        for step in &deployment.plan.steps {
            template.name(step)?;
        }
        for step in &deployment.plan.steps {
            template.add(step)?;
        }
        let text = serde_json::to_string_pretty(&template.finish(index == 0, places.len()))?;
        files.push((
            format!("strongroom-{}-{}.json", place.account, place.region),
            format!("{text}\n"),
        ));
    }
    if files.is_empty() {
        anyhow::bail!(
            "nothing is to be made in AWS, and CloudFormation can make nothing in Vault; hint: pass --as terraform, or run \
             setup apply"
        );
    }
    Ok(files)
}

struct Template<'a> {
    deployment: &'a Deployment<'a>,
    place: &'a Place,
    ids: Labels,
    /// Ids of what holds policies and is made here.
    holders: BTreeMap<Holder, String>,
    /// And of it all, by ARN.
    arns: BTreeMap<String, String>,
    parameters: Map<String, Value>,
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
}

impl<'a> Template<'a> {
    fn new(deployment: &'a Deployment<'a>, place: &'a Place) -> Self {
        Self {
            deployment,
            place,
            ids: Labels::default(),
            holders: BTreeMap::new(),
            arns: BTreeMap::new(),
            parameters: Map::new(),
            resources: Map::new(),
            outputs: Map::new(),
        }
    }

    /// Names what a step makes here, so that others can refer to it before it is written.
    fn name(&mut self, step: &Step) -> Result<()> {
        if self.deployment.place_of(step).as_ref() != Some(self.place) {
            return Ok(());
        }
        let (holder, kind) = match step {
            Step::Iam(IamStep::MakeRole { role, .. }) => (Holder::Role(role.clone()), "role"),
            Step::Iam(IamStep::MakeUser { user, .. }) => (Holder::User(user.clone()), "user"),
            _ => return Ok(()),
        };
        let name = holder.name();
        let id = self.ids.take(&logical(&[name, kind]));
        let arn = self.deployment.arn(&self.place.account, &format!("{kind}/{name}"))?;
        self.arns.insert(arn, id.clone());
        self.holders.insert(holder, id);
        Ok(())
    }

    fn add(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Vault(
                VaultStep::Configure { .. }
                | VaultStep::Enable { .. }
                | VaultStep::RotateKey { .. }
                | VaultStep::WritePolicy { .. }
                | VaultStep::WriteRole { .. }
                | VaultStep::WriteSts { .. },
            ) => Ok(()),
            step if self.deployment.place_of(step).as_ref() == Some(self.place) => match step {
                Step::Iam(iam) => self.iam(iam).with_context(|| unexpected(step)),
                Step::Lambda(LambdaStep::Make(make)) => {
                    self.function(make);
                    Ok(())
                }
                Step::Lambda(LambdaStep::Tell(tell)) => {
                    self.tell(tell);
                    Ok(())
                }
                _ => Err(unexpected(step)),
            },
            step if self.deployment.place_of(step).is_some() => Ok(()),
            step => Err(unexpected(step)),
        }
    }

    fn iam(&mut self, step: &IamStep) -> Result<()> {
        match step {
            IamStep::MakeRole { role, trust, owner, purpose, .. } => {
                let id = self.id_of(&Holder::Role(role.clone()))?;
                let properties = json!({
                    "RoleName": role,
                    "Description": purpose,
                    "AssumeRolePolicyDocument": self.value(trust, &id),
                    "Tags": [{ "Key": names::OWNER_TAG, "Value": owner }],
                });
                self.resource(&id, "AWS::IAM::Role", properties);
                self.outputs.insert(
                    format!("{id}Arn"),
                    json!({
                        "Description": format!("The ARN of the IAM role {role}"),
                        "Value": { "Fn::GetAtt": [id, "Arn"] },
                    }),
                );
            }
            IamStep::MakeUser { user, owner, .. } => {
                let id = self.id_of(&Holder::User(user.clone()))?;
                let properties = json!({
                    "UserName": user,
                    "Tags": [{ "Key": names::OWNER_TAG, "Value": owner }],
                });
                self.resource(&id, "AWS::IAM::User", properties);
            }
            IamStep::PutPolicy { holder, policy, document, .. } => {
                self.policy(holder, policy, document);
            }
            IamStep::DeleteKey { .. }
            | IamStep::DeletePolicy { .. }
            | IamStep::DeleteRole { .. }
            | IamStep::DeleteUser { .. }
            | IamStep::SetTrust { .. } => anyhow::bail!("it is no part of what is wanted"),
        }
        Ok(())
    }

    /// In what holds it where that is made here, so that one is not there without the other.
    fn policy(&mut self, holder: &Holder, policy: &str, document: &Value) {
        let id = self.holders.get(holder).cloned();
        let document = self.value(document, id.as_deref().unwrap_or_default());
        let mut properties = json!({ "PolicyName": policy, "PolicyDocument": document });
        if let Some(made) = id.and_then(|id| self.resources.get_mut(&id)) {
            let held = &mut made["Properties"]["Policies"];
            match held.as_array_mut() {
                Some(policies) => policies.push(properties),
                None => *held = json!([properties]),
            }
            return;
        }
        let (kind, key) = match holder {
            Holder::Role(_) => ("AWS::IAM::RolePolicy", "RoleName"),
            Holder::User(_) => ("AWS::IAM::UserPolicy", "UserName"),
        };
        properties[key] = holder.name().into();
        let id = self.ids.take(&logical(&[holder.name(), policy, "policy"]));
        self.resource(&id, kind, properties);
    }

    fn function(&mut self, make: &MakeFunction) {
        let creation = &make.creation;
        let id = self.ids.take(&logical(&[&make.function, "function"]));
        let package = creation.package.display().to_string();
        let (bucket, key) = (CODE_BUCKET, format!("{id}CodeKey"));
        self.parameters.insert(
            bucket.to_owned(),
            json!({ "Type": "String", "Description": "The bucket of S3 that has the packages of functions" }),
        );
        let described =
            format!("The key there of the package of {}, which is {package}", make.function);
        self.parameters.insert(key.clone(), json!({ "Type": "String", "Description": described }));
        let architecture = creation.architecture.name();
        let tags =
            make.tags().into_iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
        let mut properties = json!({
            "FunctionName": make.function,
            "Role": self.value(&make.role.as_str().into(), &id),
            "Runtime": creation.runtime,
            "Handler": creation.handler,
            "Code": { "S3Bucket": { "Ref": bucket }, "S3Key": { "Ref": key } },
            "Architectures": [architecture],
            "Tags": tags.collect::<Vec<_>>(),
        });
        if let Some(memory) = creation.memory {
            properties["MemorySize"] = memory.into();
        }
        if let Some(timeout) = creation.timeout {
            properties["Timeout"] = timeout.into();
        }
        if !make.variables.is_empty() {
            properties["Environment"] = json!({ "Variables": make.variables });
        }
        self.resource(&id, "AWS::Lambda::Function", properties);
    }

    fn tell(&mut self, tell: &Tell) {
        let id = self.ids.take(&logical(&[&tell.function, "variables"]));
        let output = json!({
            "Description": format!(
                "Variables to add to the function {}, which is there already and not this stack's; strongroom setup apply does so",
                tell.function
            ),
            "Value": json!(tell.set).to_string(),
        });
        self.outputs.insert(id, output);
    }

    fn resource(&mut self, id: &str, kind: &str, properties: Value) {
        self.resources.insert(id.to_owned(), json!({ "Type": kind, "Properties": properties }));
    }

    fn id_of(&self, holder: &Holder) -> Result<String> {
        self.holders.get(holder).cloned().with_context(|| format!("{holder} has no name here"))
    }

    /// A value whose ARNs are references where this template makes what they name, but in that itself.
    fn value(&self, value: &Value, within: &str) -> Value {
        match value {
            Value::Array(values) => values.iter().map(|value| self.value(value, within)).collect(),
            Value::Object(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| (key.clone(), self.value(value, within)));
                Value::Object(pairs.collect())
            }
            Value::String(text) => match self.arns.get(text).filter(|id| *id != within) {
                Some(id) => json!({ "Fn::GetAtt": [id, "Arn"] }),
                None => value.clone(),
            },
            other => other.clone(),
        }
    }

    /// The template; the first of `count` says what is to be done besides.
    fn finish(mut self, is_first: bool, count: usize) -> Value {
        let mut about = vec![ABOUT.to_owned()];
        if count > 1 {
            about.push(format!(
                "It is one of {count}, for {} in {}.",
                self.place.account, self.place.region
            ));
            about.push(match is_first {
                true => "It comes before the others, as they may trust what it makes.".to_owned(),
                false => "It comes after that of Vault's own account, which has the commands for Vault, too.".to_owned(),
            });
        }
        let mut metadata = json!({ "About": about });
        if is_first {
            if !self.deployment.plan.notes.is_empty() {
                metadata["Notes"] = json!(self.deployment.plan.notes);
            }
            metadata["Vault"] =
                json!({ "About": ABOUT_VAULT, "Commands": commands::of_vault(self.deployment) });
        }
        if self.resources.is_empty() {
            // A template has at least one resource.
            self.resource("Nothing", "AWS::CloudFormation::WaitConditionHandle", json!({}));
        }
        let description: String =
            self.deployment.purpose().chars().take(LONGEST_DESCRIPTION).collect();
        let mut template = json!({
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": description,
            "Metadata": { "Strongroom": metadata },
        });
        for (key, section) in [
            ("Parameters", self.parameters),
            ("Resources", self.resources),
            ("Outputs", self.outputs),
        ] {
            if !section.is_empty() {
                template[key] = section.into();
            }
        }
        template
    }
}

/// A logical id: letters and digits, each word with a capital, and none twice in a row.
fn logical(words: &[&str]) -> String {
    let words = words.iter().flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric()));
    let mut words: Vec<&str> = words.collect();
    words.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    words
        .into_iter()
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(format!("{}{rest}", first.to_uppercase()))
        })
        .collect()
}

const CODE_BUCKET: &str = "CodeBucket";
const ABOUT: &str = "Deploy with CAPABILITY_NAMED_IAM, as roles and users have names.";
const ABOUT_VAULT: &str = "Once every stack is there, with a token for Vault and credentials for AWS: \
                           jq -r '.Metadata.Strongroom.Vault.Commands[]' TEMPLATE | sh -e";
/// In bytes; no name that is in it has other characters.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-description-structure.html>
const LONGEST_DESCRIPTION: usize = 1024;
