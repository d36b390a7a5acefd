//! The templates of the examples: valid for CloudFormation, and the SAM and Terraform of a language say the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use strongroom_host::Runtime;
use strongroom_tests::beds::{self, Language, Part, examples};

use super::variables;

/// The path that the templates read.
const SECRET_PATH: &str = "kv/data/app";
/// Prints templates as JSON, their short forms such as `!Ref` written out.
const DECODE: &str = "
import json, sys
from cfnlint.decode.cfn_yaml import load
print(json.dumps([load(path) for path in sys.argv[1:]]))
";

/// cfn-lint's program, if it is installed.
fn cfn_lint(test: &str) -> Option<PathBuf> {
    beds::available(test, &[Part::CfnLint]).then(beds::cfn_lint)
}

fn template(language: Language) -> PathBuf {
    examples().join(language.folder()).join("template.yaml")
}

#[test]
fn cloudformation_would_take_each_template() {
    let Some(cfn_lint) = cfn_lint("the examples' SAM templates") else { return };
    let templates = Language::ALL.map(template);
    let output = Command::new(cfn_lint).args(&templates).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn sam_and_terraform_of_a_language_say_what_its_test_runs() {
    let Some(cfn_lint) = cfn_lint("the examples' templates side by side") else { return };
    let templates = decoded(&cfn_lint, &Language::ALL.map(template));
    for (language, template) in Language::ALL.into_iter().zip(&templates) {
        let mut environment = json!({
            "VLE_VAULT_ADDR": "${var.vault_address}",
            "VAULT_ADDR": "http://127.0.0.1:8200",
            "VAULT_AUTH_PROVIDER": "aws",
            "VAULT_AUTH_ROLE": "app",
        });
        for (name, value) in variables(language, SECRET_PATH) {
            environment[name] = value.into();
        }
        let expected = json!({
            "environment": environment,
            "layers": ["${var.layer_arn}"],
            // SAM's own role, where none is named, has this policy.
            "policies": ["AWSLambdaBasicExecutionRole"],
        });
        let sam = of_sam(template);
        let terraform = of_terraform(&examples().join(language.folder()).join("main.tf"));
        assert_eq!(sam.shared, expected, "template.yaml of {language:?}");
        assert_eq!(terraform.shared, expected, "main.tf of {language:?}");
        assert_eq!(sam.run_by, terraform.run_by, "{language:?}");
        check_run_by(language, &sam.run_by);
    }
}

/// A function as a template describes it.
struct Described {
    /// Runtime, handler, memory and time-out.
    run_by: [Value; 4],
    shared: Value,
}

/// The test runs the same handler, and the runtime of that name where Lambda's have versions that it can tell.
#[track_caller]
fn check_run_by(language: Language, [runtime, handler, ..]: &[Value; 4]) {
    if !beds::available(&format!("the runtime of {language:?}"), language.parts()) {
        return;
    }
    let function = language.function();
    assert_eq!(handler, &function.handler);
    match function.runtime {
        Runtime::Managed { name, .. } => assert_eq!(runtime, &name),
        Runtime::Provided => assert_eq!(runtime, "provided.al2023"),
        Runtime::Python { .. } => assert!(runtime.as_str().unwrap().starts_with("python3.")),
    }
}

fn decoded(cfn_lint: &Path, templates: &[PathBuf]) -> Vec<Value> {
    let python = cfn_lint.with_file_name("python3");
    let output = Command::new(python).args(["-c", DECODE]).args(templates).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of_sam(template: &Value) -> Described {
    let resources = template["Resources"].as_object().unwrap();
    assert_eq!(resources.len(), 1, "{resources:?}");
    let properties = &resources["Function"]["Properties"];
    for other in ["Policies", "Role"] {
        assert!(properties.get(other).is_none(), "{other}");
    }
    let variables = properties["Environment"]["Variables"].as_object().unwrap();
    let variables = variables.iter().map(|(name, value)| (name.clone(), resolved(value)));
    let layers = properties["Layers"].as_array().unwrap().iter().map(resolved);
    let run_by = ["Runtime", "Handler", "MemorySize", "Timeout"];
    Described {
        run_by: run_by.map(|name| properties[name].clone()),
        shared: json!({
            "environment": variables.collect::<serde_json::Map<_, _>>(),
            "layers": layers.collect::<Vec<_>>(),
            "policies": ["AWSLambdaBasicExecutionRole"],
        }),
    }
}

/// A reference to a parameter as Terraform writes one to a variable.
fn resolved(value: &Value) -> Value {
    match value["Ref"].as_str() {
        None => value.clone(),
        Some("LayerArn") => "${var.layer_arn}".into(),
        Some("VaultAddress") => "${var.vault_address}".into(),
        Some(other) => panic!("the parameter {other} has no counterpart"),
    }
}

fn of_terraform(file: &Path) -> Described {
    let text = fs::read_to_string(file).unwrap();
    let configuration: Value = hcl::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let resources = &configuration["resource"];
    let function = &resources["aws_lambda_function"]["function"];
    let role = &function["role"];
    assert_eq!(role, "${aws_iam_role.function.arn}");
    let attachments = resources["aws_iam_role_policy_attachment"].as_object().unwrap().values();
    let policies = attachments.map(|attachment| {
        let arn = attachment["policy_arn"].as_str().unwrap();
        arn.rsplit('/').next().unwrap().to_owned()
    });
    assert!(resources.get("aws_iam_role_policy").is_none(), "{resources}");
    let run_by = ["runtime", "handler", "memory_size", "timeout"];
    Described {
        run_by: run_by.map(|name| function.get(name).cloned().unwrap_or_default()),
        shared: json!({
            "environment": function["environment"]["variables"],
            "layers": function["layers"],
            "policies": policies.collect::<Vec<_>>(),
        }),
    }
}
