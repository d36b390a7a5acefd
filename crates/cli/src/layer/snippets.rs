//! How a published layer is written down in a function's infrastructure.

use strongroom_core::diagnosis::Architecture;

use super::WRAPPER;

/// A version of the layer that was published.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) architecture: Architecture,
    pub(super) region: String,
    pub(super) arn: String,
}

/// For SAM, Terraform and CDK, one after the other.
pub(super) fn all(published: &Published) -> String {
    let Published { architecture, region, arn } = published;
    let (name, upper) = (architecture.name(), architecture.name().to_uppercase());
    format!(
        "# SAM, in {region}
Properties:
  Architectures: [{name}]
  Layers:
    - {arn}
  Environment:
    Variables:
      AWS_LAMBDA_EXEC_WRAPPER: {WRAPPER} # for secrets in variables

# Terraform, in {region}
architectures = [\"{name}\"]
layers        = [\"{arn}\"]
environment {{
  variables = {{
    AWS_LAMBDA_EXEC_WRAPPER = \"{WRAPPER}\" # for secrets in variables
  }}
}}

// CDK, in {region}
architecture: lambda.Architecture.{upper},
layers: [lambda.LayerVersion.fromLayerVersionArn(this, 'Strongroom', '{arn}')],
environment: {{
  AWS_LAMBDA_EXEC_WRAPPER: '{WRAPPER}', // for secrets in variables
}},
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snippet_of_sam_is_what_terraform_and_cdk_say() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:layer:strongroom-arm64:7";
        let published = Published {
            architecture: Architecture::Arm64,
            region: "eu-west-1".to_owned(),
            arn: arn.to_owned(),
        };
        let text = all(&published);
        for kind in ["# SAM", "# Terraform", "// CDK"] {
            let (_, part) = text.split_once(kind).unwrap();
            let part = part.split("\n\n").next().unwrap();
            assert!(part.contains(arn) && part.contains(WRAPPER), "{part}");
            assert!(part.to_lowercase().contains("arm64"), "{part}");
        }
    }
}
