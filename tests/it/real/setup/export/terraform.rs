//! The machine's own Terraform, which makes an export's half of AWS in moto.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use strongroom_tests::beds;
use strongroom_tests::stage::site::{Run, Site};

/// The machine's Terraform with a mirror of the provider for AWS.
pub(super) struct Terraform {
    program: PathBuf,
    plugins: PathBuf,
}

/// Terraform, if it is on this machine; nobody has to have it.
pub(super) fn terraform() -> Option<Terraform> {
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("terraform"));
    let program = programs.find(|program| program.is_file())?;
    let plugins = std::env::var_os("STRONGROOM_TERRAFORM_PLUGINS");
    let plugins = plugins.map_or_else(|| PathBuf::from("/opt/tf-plugins"), PathBuf::from);
    plugins
        .join("registry.terraform.io/hashicorp/aws")
        .is_dir()
        .then_some(Terraform { program, plugins })
}

impl Terraform {
    /// Writes the export as it is, and apart from it the half that is AWS's.
    pub(super) fn prepare(&self, site: &Site, text: &str) {
        for folder in ["aws", "exported"] {
            fs::create_dir(site.path(folder)).unwrap();
        }
        site.write("exported/strongroom.tf", text);
        let body = hcl::parse(text).unwrap();
        let half = body.into_iter().filter_map(of_aws).collect::<hcl::Body>();
        site.write("aws/main.tf", &hcl::to_string(&half).unwrap());
        symlink(site.path("orders.zip"), site.path("aws/orders.zip")).unwrap();
        let mirror = self.plugins.display();
        let settings = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = \"{mirror}\"\n  }}\n}}\n"
        );
        site.write("terraform.rc", &settings);
        let version = self.run(site, &["version"]).good().out;
        beds::took_part(version.lines().next().unwrap_or_default());
    }

    /// Makes that half.
    #[track_caller]
    pub(super) fn make(&self, site: &Site) {
        for arguments in [
            ["fmt", "-check", "-diff", "exported"].as_slice(),
            &["-chdir=aws", "init", "-input=false", "-no-color"],
            &["-chdir=aws", "validate", "-no-color"],
            &["-chdir=aws", "apply", "-auto-approve", "-input=false", "-no-color"],
        ] {
            self.run(site, arguments).good();
        }
    }

    pub(super) fn run(&self, site: &Site, arguments: &[&str]) -> Run {
        let mut command = site.command(&self.program);
        command.env("TF_CLI_CONFIG_FILE", site.path("terraform.rc")).env("CHECKPOINT_DISABLE", "1");
        Run::of(command.args(arguments))
    }
}

/// What is AWS's of an export: a mirror of Vault's provider is not to be had.
fn of_aws(structure: hcl::Structure) -> Option<hcl::Structure> {
    let hcl::Structure::Block(mut block) = structure else { return Some(structure) };
    if block.labels.first().is_some_and(|label| label.as_str().starts_with("vault")) {
        return None;
    }
    if block.identifier.as_str() == "terraform" {
        for inner in block.body.iter_mut() {
            let hcl::Structure::Block(required) = inner else { continue };
            let providers = std::mem::take(&mut required.body).into_iter();
            let is_vault = |one: &hcl::Structure| {
                one.as_attribute().is_some_and(|attribute| attribute.key.as_str() == "vault")
            };
            required.body = providers.filter(|one| !is_vault(one)).collect();
        }
    }
    Some(block.into())
}
