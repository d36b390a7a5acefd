//! `strongroom setup export`: valid for those whose languages it is written in, and as good as an apply.

mod schemas;
mod terraform;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strongroom_tests::beds::{self, Part, practice};
use strongroom_tests::stage::site::{Run, Site};

use self::schemas::check_by_schemas;
use self::terraform::terraform;
use super::{PARTS, settings};

/// A site whose settings have a function made.
fn site(more: &str) -> Site {
    let site = Site::new();
    site.write_package("orders.zip");
    site.write("strongroom.toml", &settings(&site, more));
    site
}

fn export(site: &Site, form: &str) -> String {
    site.run(&["setup", "export", "--as", form]).good().out
}

/// The settings, but for a function that somebody else deploys.
fn without_package(site: &Site) -> String {
    let settings = settings(site, "");
    let lines = settings.lines();
    let is_of_package = |line: &str| {
        ["runtime", "handler", "package", "timeout"].iter().any(|key| line.starts_with(key))
    };
    lines.filter(|line| !is_of_package(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_export_says_the_same_whatever_setup_has_made_already() {
    if !beds::available("an export before and after an apply", &PARTS) {
        return;
    }
    let site = site("");
    let forms = ["terraform", "cloudformation"];
    let before = forms.map(|form| export(&site, form));
    site.run(&["setup", "apply", "--yes"]).good();
    assert_eq!(forms.map(|form| export(&site, form)), before);
    site.run(&["setup", "plan", "--check"]).good();

    // To a file, and to a directory.
    site.run(&["setup", "export", "--as", "terraform", "--output", "main.tf"]).good();
    assert_eq!(fs::read_to_string(site.path("main.tf")).unwrap(), before[0]);
    site.run(&["setup", "export", "--as", "cloudformation", "--output", "templates/"]).good();
    let name = format!("templates/strongroom-{}-{}.json", practice::ACCOUNT, practice::REGION);
    assert_eq!(fs::read_to_string(site.path(&name)).unwrap(), before[1]);

    // What stands in the way of an apply stands in the way of an export.
    let other = settings(&site, "").replace(practice::SECRET_PATH, "kv/data/test/lambda");
    site.write("strongroom.toml", &other);
    let refused = site.run(&["setup", "export", "--as", "terraform"]).exits_with(1);
    assert_eq!(refused.out, "");
    assert!(
        refused.err.contains("error: kv/data/test/lambda lies in the KV v2"),
        "{}",
        refused.err
    );
}

#[test]
fn cloudformation_would_take_each_template() {
    let parts = [PARTS.as_slice(), &[Part::CfnLint]].concat();
    if !beds::available("exported templates by cfn-lint", &parts) {
        return;
    }
    let site = site("");
    check_by_cfn_lint(&site);
    site.run(&["setup", "apply", "--yes"]).good();
    site.write("strongroom.toml", &without_package(&site));
    let template = check_by_cfn_lint(&site);
    let variables = template["Outputs"]["OrdersVariables"]["Value"].as_str().unwrap();
    let variables: Value = serde_json::from_str(variables).unwrap();
    assert_eq!(variables["VAULT_AUTH_ROLE"], "app");
    assert_eq!(template["Resources"].get("OrdersFunction"), None);
}

#[track_caller]
fn check_by_cfn_lint(site: &Site) -> Value {
    let text = export(site, "cloudformation");
    site.write("template.json", &text);
    // Everything that it finds, what it merely would do otherwise included.
    let lint = site
        .command(&beds::cfn_lint())
        .arg("--include-checks")
        .arg("I")
        .arg("--")
        .arg("template.json")
        .output();
    let lint = lint.unwrap();
    assert!(lint.status.success(), "{}{text}", String::from_utf8_lossy(&lint.stdout));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_providers_of_terraform_know_all_that_is_said() {
    let parts = [PARTS.as_slice(), &[Part::TerraformSchemas]].concat();
    if !beds::available("exported Terraform by the providers' schemas", &parts) {
        return;
    }
    let site = site("");
    let whole = export(&site, "terraform");
    let made = check_by_schemas(&whole);
    let expect = [
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_iam_user",
        "aws_iam_user_policy",
        "aws_lambda_function",
        "vault_auth_backend",
        "vault_aws_auth_backend_client",
        "vault_aws_auth_backend_role",
        "vault_policy",
    ];
    assert_eq!(made, expect.map(str::to_owned).into());
    site.run(&["setup", "apply", "--yes"]).good();
    let whole: Value = hcl::from_str(&whole).unwrap();
    assert_eq!(
        whole["resource"]["vault_policy"]["strongroom_app"]["policy"],
        site.vault.read("sys/policies/acl/strongroom-app")["data"]["policy"]
    );
    site.write("strongroom.toml", &without_package(&site));
    let text = export(&site, "terraform");
    assert!(!check_by_schemas(&text).contains("aws_lambda_function"));
    let told: Value = hcl::from_str(&text).unwrap();
    assert_eq!(told["output"]["variables_of_orders"]["value"]["VAULT_AUTH_ROLE"], "app");
}

#[test]
fn a_stack_and_the_commands_beside_it_are_as_good_as_an_apply() {
    if !beds::available("an exported stack in moto", &PARTS) {
        return;
    }
    let site = site("");
    let text = export(&site, "cloudformation");
    site.write("template.json", &text);
    Run::of(python(&site).args(["-c", MAKE_STACK])).good();
    assert_eq!(steps(&site), IN_VAULT);
    run_commands(&site, &text);
    let planned = site.run(&["setup", "plan", "--check"]).good();
    assert!(planned.out.contains("Everything is as it should be."), "{}", planned.out);
    check_all_is_known_as_ours(&site);
}

#[test]
fn what_terraform_makes_is_what_setup_would_have_made() {
    let (Some(terraform), true) = (terraform(), beds::available("exported Terraform", &PARTS))
    else {
        return;
    };
    let site = site("");
    let text = export(&site, "terraform");
    terraform.prepare(&site, &text);
    terraform.make(&site);
    assert_eq!(steps(&site), IN_VAULT);
    // The other half, as the template of the same plan says it: the same access key is handed over in both.
    run_commands(&site, &export(&site, "cloudformation"));
    site.run(&["setup", "plan", "--check"]).good();
    terraform.run(&site, &["-chdir=aws", "plan", "-detailed-exitcode", "-no-color"]).good();
    check_all_is_known_as_ours(&site);
}

#[test]
fn an_export_for_two_accounts_is_made_in_each_of_them() {
    let parts = [PARTS.as_slice(), &[Part::CfnLint, Part::TerraformSchemas]].concat();
    if !beds::available("an export for two accounts", &parts) {
        return;
    }
    let site = Site::new();
    let other = site.account.administrator_of(OTHER);
    fs::create_dir(site.path(".aws")).unwrap();
    let (id, secret) = (other.id, other.secret);
    let profile = format!("[other]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    site.write(".aws/credentials", &profile);
    let more = "[[setup.function]]\nname = 'bills'\nprofile = 'other'\n\
                [[setup.function]]\nname = 'orders'\nregion = 'eu-west-1'\n";
    site.write("strongroom.toml", &(settings(&site, "") + more));
    site.write_package("orders.zip");

    let text = export(&site, "terraform");
    assert!(check_by_schemas(&text).contains("vault_aws_auth_backend_sts_role"));
    let undecided = site.run(&["setup", "export", "--as", "cloudformation"]).exits_with(1);
    assert!(undecided.err.contains("--output DIRECTORY/"), "{}", undecided.err);
    site.run(&["setup", "export", "--as", "cloudformation", "--output", "stacks/"]).good();
    let stacks = fs::read_dir(site.path("stacks")).unwrap().map(|file| file.unwrap().path());
    Run::of(site.command(&beds::cfn_lint()).args(["--include-checks", "I", "--"]).args(stacks))
        .good();

    let Some(terraform) = terraform() else { return };
    terraform.prepare(&site, &text);
    terraform.make(&site);
    let stack = format!("stacks/strongroom-{}-{}.json", practice::ACCOUNT, practice::REGION);
    run_commands(&site, &fs::read_to_string(site.path(&stack)).unwrap());
    site.run(&["setup", "plan", "--check"]).good();
    check_all_is_known_as_ours(&site);
}

/// What is left to do, in words.
fn steps(site: &Site) -> Vec<String> {
    let planned = site.run(&["setup", "plan", "--json"]).good();
    let planned: Value = serde_json::from_str(&planned.out).unwrap();
    let steps = planned["steps"].as_array().unwrap().iter();
    steps.filter_map(|step| Some(step["what"].as_str()?.to_owned())).collect()
}

/// Has setup take everything away, which it does with nothing but its own.
#[track_caller]
fn check_all_is_known_as_ours(site: &Site) {
    site.run(&["setup", "destroy", "--yes"]).good();
    let left = site.account.content();
    assert_eq!(left["functions"], json!([]));
    assert_eq!(left["roles"], json!([]));
    assert_eq!(left["users"], json!(["administrator"]));
    assert!(site.content_of_vault()["auth"].get("aws/").is_none());
}

fn texts(array: &Value) -> Vec<&str> {
    array.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

/// Runs the commands of a template's metadata in a shell, on real Vault.
#[track_caller]
fn run_commands(site: &Site, template: &str) {
    let template: Value = serde_json::from_str(template).unwrap();
    let commands = texts(&template["Metadata"]["Strongroom"]["Vault"]["Commands"]).join("\n");
    fs::create_dir_all(site.path("bin")).unwrap();
    let python = python(site).get_program().to_owned();
    for program in ["aws", "vault"] {
        let name = format!("bin/{program}");
        let script = format!(
            "#!/bin/sh\nexec '{}' '{PROGRAMS}' {program} \"$@\"\n",
            Path::new(&python).display()
        );
        site.write(&name, &script);
        fs::set_permissions(site.path(&name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    // moto knows at once what it has made.
    site.write("bin/sleep", "#!/bin/sh\n");
    fs::set_permissions(site.path("bin/sleep"), fs::Permissions::from_mode(0o755)).unwrap();
    site.write("commands.sh", &commands);
    let path = format!("{}:/usr/bin:/bin", site.path("bin").display());
    let mut shell = site.command(Path::new("/bin/sh"));
    let script = fs::File::open(site.path("commands.sh")).unwrap();
    Run::of(shell.arg("-e").env("PATH", path).stdin(script)).good();
}

/// moto's Python, which has AWS's SDK.
fn python(site: &Site) -> std::process::Command {
    let moto = PathBuf::from(std::env::var_os("STRONGROOM_MOTO").unwrap());
    site.command(&moto.with_file_name("python3"))
}

/// The number of another account than moto's own.
const OTHER: &str = "210987654321";
/// What is left to do once AWS's half is there.
const IN_VAULT: [&str; 5] = [
    "policy strongroom-app",
    "auth method auth/aws",
    "auth/aws/config/client",
    "auth/aws/role/app",
    "auth/aws/config/rotate-root",
];
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/real/setup/programs.py");
/// Puts the function's package where the template's parameters say, and makes a stack.
const MAKE_STACK: &str = "
import boto3, os
client = lambda service: boto3.client(service, endpoint_url=os.environ['AWS_ENDPOINT_URL'], region_name='us-east-1')
s3, stacks = client('s3'), client('cloudformation')
s3.create_bucket(Bucket='packages')
s3.put_object(Bucket='packages', Key='orders.zip', Body=open('orders.zip', 'rb').read())
stacks.create_stack(
    StackName='orders',
    TemplateBody=open('template.json').read(),
    Capabilities=['CAPABILITY_NAMED_IAM'],
    Parameters=[
        {'ParameterKey': 'CodeBucket', 'ParameterValue': 'packages'},
        {'ParameterKey': 'OrdersFunctionCodeKey', 'ParameterValue': 'orders.zip'},
    ],
)
[stack] = stacks.describe_stacks(StackName='orders')['Stacks']
assert stack['StackStatus'] == 'CREATE_COMPLETE', stack
";
