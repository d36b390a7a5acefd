//! An export beside what Terraform's providers say of themselves.

use std::collections::BTreeSet;

use serde_json::Value;
use strongroom_tests::beds;

/// Looks everything up in the schemas, and returns the kinds of resources.
#[track_caller]
pub(super) fn check_by_schemas(text: &str) -> BTreeSet<String> {
    let schemas = beds::terraform_schemas();
    let body = hcl::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut kinds = BTreeSet::new();
    for block in body.blocks() {
        let labels: Vec<_> = block.labels.iter().map(hcl::BlockLabel::as_str).collect();
        match (block.identifier.as_str(), &labels[..]) {
            ("resource", [kind, _]) => {
                check_body(&block.body, &schemas[kind], &labels.join("."));
                kinds.insert((*kind).to_owned());
            }
            ("provider", [name]) => {
                let name = format!("provider.{name}");
                check_body(&block.body, &schemas[&name], &name);
            }
            ("output", [_]) | ("terraform", []) => {}
            other => panic!("{other:?}"),
        }
    }
    kinds
}

#[track_caller]
fn check_body(body: &hcl::Body, schema: &Value, within: &str) {
    /// What Terraform itself has in every resource.
    const OF_ALL: [&str; 3] = ["depends_on", "lifecycle", "provider"];
    let schema = schema.as_object().unwrap_or_else(|| panic!("no schema of {within}"));
    let mut said = BTreeSet::new();
    for attribute in body.attributes() {
        said.insert(attribute.key.as_str());
    }
    for block in body.blocks() {
        let name = block.identifier.as_str();
        said.insert(name);
        if !OF_ALL.contains(&name) {
            check_body(&block.body, &schema[name]["block"], &format!("{within}.{name}"));
        }
    }
    for name in said.iter().filter(|name| !OF_ALL.contains(name)) {
        assert!(schema.contains_key(*name), "{within} has no {name}");
    }
    for (name, described) in schema {
        let is_there = described["optional"] == true || said.contains(name.as_str());
        assert!(is_there, "{within} needs {name}");
    }
}
