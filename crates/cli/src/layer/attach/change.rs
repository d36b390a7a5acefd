//! What attaching changes in a function, decided without asking anyone.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::diagnosis::Architecture;
use strongroom_core::masking;
use strongroom_core::settings::{self, Environment, SettingsFile, variables as v};

use super::super::WRAPPER;

/// A function, as Lambda has it.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) architecture: Architecture,
    pub(super) arn: String,
    pub(super) layers: Vec<String>,
    pub(super) revision: Option<String>,
    pub(super) runtime: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) variables: BTreeMap<String, String>,
}

/// What it is to become.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// All that is changed, for people; none if nothing is.
    pub(super) lines: Vec<String>,
    pub(super) layers: Vec<String>,
    pub(super) variables: BTreeMap<String, String>,
    /// To be set.
    pub(super) tags: BTreeMap<String, String>,
    /// To be removed.
    pub(super) stale_tags: Vec<String>,
    pub(super) replaces_vle: bool,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<String>,
}

/// Gives it this version of the layer and these variables; `file` is the settings file in its package.
pub(super) fn attach(
    current: &Current,
    layer: &str,
    set: &BTreeMap<String, String>,
    file: Option<SettingsFile>,
    replace_vle: bool,
) -> Change {
    let mut change = Change {
        layers: current.layers.clone(),
        variables: current.variables.clone(),
        ..Change::default()
    };
    let before = change.lay(layer, replace_vle);
    let mut ours = names_of(&current.tags);
    for (name, value) in set {
        change.give(name, value, &mut ours);
    }
    change.judge(current, file, &mut ours);
    if change.layers.len() > MOST_LAYERS {
        change.problems.push(format!(
            "a function has at most {MOST_LAYERS} layers, and this would be one more; hint: take one out"
        ));
    }
    if change.lines.is_empty() {
        return change;
    }
    // What was there first is what is brought back, however often the layer is replaced by a newer one.
    if !current.tags.contains_key(LAYER_TAG) {
        let before = before.unwrap_or_else(|| NONE.to_owned());
        change.tags.insert(LAYER_TAG.to_owned(), before);
    }
    if !ours.is_empty() {
        let names: Vec<String> = ours.into_iter().collect();
        change.tags.insert(VARIABLES_TAG.to_owned(), names.join(" "));
    }
    change
}

/// Takes it away again.
pub(super) fn undo(current: &Current) -> Change {
    let mut change = Change {
        layers: current.layers.clone(),
        variables: current.variables.clone(),
        ..Change::default()
    };
    let Some(before) = current.tags.get(LAYER_TAG) else {
        change.problems.push(
            "strongroom layer attach has not given this function a layer; hint: take a layer out where it was put in".to_owned(),
        );
        return change;
    };
    let ours = |arn: &String| name_of(arn).is_some_and(is_ours);
    if let Some(place) = change.layers.iter().position(ours) {
        let layer = change.layers.remove(place);
        change.lines.push(format!("- layer {layer}"));
        if before != NONE {
            change.layers.insert(place, before.clone());
            change.lines.push(format!("+ layer {before}"));
        }
    }
    let names = names_of(&current.tags);
    let next = change.variables.get(v::STRONGROOM_NEXT_WRAPPER).cloned();
    let next = next.filter(|_| names.contains(v::STRONGROOM_NEXT_WRAPPER));
    for name in &names {
        match &next {
            Some(next) if name == v::AWS_LAMBDA_EXEC_WRAPPER => {
                change.variables.insert(name.clone(), next.clone());
                change.lines.push(format!("~ {name}={next}"));
            }
            _ if change.variables.remove(name).is_some() => change.lines.push(format!("- {name}")),
            _ => {}
        }
    }
    let tags = [LAYER_TAG, VARIABLES_TAG].into_iter().filter(|tag| current.tags.contains_key(*tag));
    change.stale_tags = tags.map(str::to_owned).collect();
    if change.lines.is_empty() {
        change.lines.push("- the note that there is a layer to take away".to_owned());
    }
    change
}

impl Change {
    /// Puts the layer into its place, and returns what it takes the place of.
    fn lay(&mut self, layer: &str, replace_vle: bool) -> Option<String> {
        let vle = self.layers.iter().position(|arn| name_of(arn).is_some_and(is_vle));
        if vle.is_some() && !replace_vle {
            self.problems.push(
                "the function has HashiCorp's vault-lambda-extension, which wants the same port; hint: pass --replace-vle to put \
                 the layer in its place, or take it out"
                    .to_owned(),
            );
            return None;
        }
        let wanted = name_of(layer);
        let same = self
            .layers
            .iter()
            .position(|arn| name_of(arn).is_some_and(|name| Some(name) == wanted || is_ours(name)));
        match (same, vle) {
            (Some(place), None) if self.layers[place] == layer => None,
            (Some(place), None) | (None, Some(place)) => {
                self.replaces_vle = vle.is_some();
                let before = std::mem::replace(&mut self.layers[place], layer.to_owned());
                self.lines.push(format!("- layer {before}"));
                self.lines.push(format!("+ layer {layer}"));
                Some(before)
            }
            (Some(place), Some(vle)) => {
                let before = self.layers.remove(vle);
                self.replaces_vle = true;
                self.lines.push(format!("- layer {before}"));
                let place = if vle < place { place - 1 } else { place };
                layer.clone_into(&mut self.layers[place]);
                self.lines.push(format!("+ layer {layer}"));
                Some(before)
            }
            (None, None) => {
                self.layers.push(layer.to_owned());
                self.lines.push(format!("+ layer {layer}"));
                None
            }
        }
    }

    /// Gives it a variable, if it has no other of this name.
    fn give(&mut self, name: &str, value: &str, ours: &mut BTreeSet<String>) {
        match self.variables.get(name) {
            Some(now) if now == value => return,
            Some(_) if !ours.contains(name) => {
                self.problems.push(format!(
                    "the function has another {name}, which could not be brought back; hint: remove it there first"
                ));
                return;
            }
            _ => {}
        }
        self.lines.push(format!("+ {name}={}", masking::shown(name, value)));
        self.variables.insert(name.to_owned(), value.to_owned());
        ours.insert(name.to_owned());
    }

    /// Judges what the layer will read, and adds the exec wrapper if it is needed.
    fn judge(
        &mut self,
        current: &Current,
        file: Option<SettingsFile>,
        ours: &mut BTreeSet<String>,
    ) {
        let mut environment = Environment::new(self.variables.clone());
        if let Some(file) = file {
            environment = environment.with_file(file);
        }
        let (settings, found) = settings::parse(&environment);
        self.notes.extend(found.warnings.iter().map(ToString::to_string));
        let Some(settings) = settings else {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            self.problems.push(format!(
                "the layer would not start with what the function has:\n  {}\nhint: strongroom setup apply gives it its variables; \
                 or pass --set, or --config for a settings file in its package",
                errors.join("\n  ")
            ));
            return;
        };
        if settings.references.is_empty() {
            return;
        }
        if current.runtime.starts_with("provided") {
            self.notes.push(format!(
                "{} pays no heed to exec wrappers: for secrets in variables have its bootstrap begin with exec {WRAPPER} \
                 (docs/delivery/variables.md)",
                current.runtime
            ));
            return;
        }
        match self.variables.get(v::AWS_LAMBDA_EXEC_WRAPPER).cloned() {
            Some(wrapper) if wrapper == WRAPPER => {}
            Some(other) => {
                self.give(v::STRONGROOM_NEXT_WRAPPER, &other, ours);
                self.lines.push(format!("~ {}={WRAPPER}", v::AWS_LAMBDA_EXEC_WRAPPER));
                self.variables.insert(v::AWS_LAMBDA_EXEC_WRAPPER.to_owned(), WRAPPER.to_owned());
                ours.insert(v::AWS_LAMBDA_EXEC_WRAPPER.to_owned());
            }
            None => self.give(v::AWS_LAMBDA_EXEC_WRAPPER, WRAPPER, ours),
        }
    }
}

/// The name of a layer, in the ARN of a version of it.
fn name_of(arn: &str) -> Option<&str> {
    arn.split(":layer:").nth(1)?.split(':').next()
}

fn is_ours(name: &str) -> bool {
    name == "strongroom" || name == "strongroom-arm64"
}

fn is_vle(name: &str) -> bool {
    name.starts_with("vault-lambda-extension")
}

fn names_of(tags: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names = tags.get(VARIABLES_TAG).into_iter().flat_map(|names| names.split(' '));
    names.map(str::to_owned).collect()
}

/// The layer in whose place ours is.
const LAYER_TAG: &str = "strongroom:layer-before";
/// The names of the variables that came with it.
const VARIABLES_TAG: &str = "strongroom:layer-variables";
/// In place of a layer, for none.
const NONE: &str = "none";
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MOST_LAYERS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:strongroom";
    const VLE: &str = "arn:aws:lambda:eu-west-1:634166935893:layer:vault-lambda-extension:25";

    fn current(layers: &[&str], variables: &[(&str, &str)]) -> Current {
        let settings = [
            ("VAULT_ADDR", "https://vault.example.com"),
            ("VAULT_AUTH_PROVIDER", "aws"),
            ("VAULT_AUTH_ROLE", "app"),
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Current {
            architecture: Architecture::X86_64,
            arn: "arn:aws:lambda:eu-west-1:123456789012:function:orders".to_owned(),
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            revision: None,
            runtime: "python3.12".to_owned(),
            tags: BTreeMap::new(),
            variables: settings.iter().chain(variables).map(owned).collect(),
        }
    }

    /// Attaches version 2, sees that a second time changes nothing and that undoing it brings back what was there.
    fn check(before: &Current, replace_vle: bool, layers: &[&str], lines: &[&str]) -> Change {
        let arn = format!("{ARN}:2");
        let change = attach(before, &arn, &BTreeMap::new(), None, replace_vle);
        assert_eq!(change.problems, [] as [&str; 0]);
        assert_eq!(change.layers, layers);
        assert_eq!(change.lines, lines);
        let mut after = before.clone();
        after.layers.clone_from(&change.layers);
        after.variables.clone_from(&change.variables);
        after.tags.extend(change.tags.clone());
        let again = attach(&after, &arn, &BTreeMap::new(), None, replace_vle);
        assert_eq!(again.lines, [] as [&str; 0]);
        let undone = undo(&after);
        assert_eq!(undone.layers, before.layers);
        assert_eq!(undone.variables, before.variables);
        change
    }

    #[test]
    fn the_layer_is_added_upgraded_or_put_in_the_place_of_the_incumbent() {
        let (one, two) = (format!("{ARN}:1"), format!("{ARN}:2"));
        let (one, two) = (one.as_str(), two.as_str());
        let other = "arn:aws:lambda:eu-west-1:1:layer:insights:3";
        let (plus, minus) = (format!("+ layer {two}"), format!("- layer {one}"));
        check(&current(&[], &[]), false, &[two], &[&plus]);
        check(&current(&[other], &[]), false, &[other, two], &[&plus]);
        check(&current(&[one, other], &[]), false, &[two, other], &[&minus, &plus]);
        let gone = format!("- layer {VLE}");
        let change = check(&current(&[VLE, other], &[]), true, &[two, other], &[&gone, &plus]);
        assert!(change.replaces_vle);
    }

    #[test]
    fn the_wrapper_comes_with_a_reference_and_before_another_wrapper() {
        let two = format!("{ARN}:2");
        let plus = format!("+ layer {two}");
        let reference = ("API_KEY", "vault:kv/data/app#key");
        let wrapper = format!("+ AWS_LAMBDA_EXEC_WRAPPER={WRAPPER}");
        check(&current(&[], &[reference]), false, &[&two], &[&plus, &wrapper]);
        let other = ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/otel");
        let next = "+ STRONGROOM_NEXT_WRAPPER=/opt/otel";
        let changed = format!("~ AWS_LAMBDA_EXEC_WRAPPER={WRAPPER}");
        check(&current(&[], &[reference, other]), false, &[&two], &[&plus, next, &changed]);
        let mut provided = current(&[], &[reference]);
        provided.runtime = "provided.al2023".to_owned();
        let change = check(&provided, false, &[&two], &[&plus]);
        assert!(change.notes[0].contains("have its bootstrap begin with"), "{change:?}");
    }

    #[test]
    fn what_would_not_start_or_could_not_be_undone_is_a_problem() {
        let two = format!("{ARN}:2");
        let problem = |current: &Current, set: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let set = set.iter().map(owned).collect();
            attach(current, &two, &set, None, false).problems.join("\n")
        };
        assert!(problem(&current(&[VLE], &[]), &[]).contains("pass --replace-vle"));
        let mut unset = current(&[], &[]);
        unset.variables.clear();
        assert!(problem(&unset, &[]).contains("VAULT_AUTH_ROLE is unset"));
        let five = ["a:layer:1:1", "a:layer:2:1", "a:layer:3:1", "a:layer:4:1", "a:layer:5:1"];
        assert!(problem(&current(&five, &[]), &[]).contains("at most 5 layers"));
        let team = ("TEAM", "payments");
        assert!(problem(&current(&[], &[team]), &[("TEAM", "other")]).contains("has another TEAM"));
        assert_eq!(problem(&current(&[], &[team]), &[team]), "");
        assert!(
            undo(&current(&[], &[])).problems[0].contains("has not given this function a layer")
        );
    }
}
