//! Why the extension ends early: each reason with its exit code and the type that Lambda keeps.
//!
//! The reference page `docs/errors.md` is generated from this table, and CI compares the two.

/// Whose matter a failure is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Category {
    /// The function's AWS credentials, or STS.
    Aws,
    /// A setting.
    Config,
    /// A secret's file.
    File,
    /// Lambda's Extensions API.
    LambdaApi,
    /// The port of the local Vault API.
    Listener,
    /// A secret that is not there.
    SecretMissing,
    /// Certificates.
    Tls,
    /// Vault's no.
    VaultRefused,
    /// The way to Vault.
    VaultUnreachable,
}

impl Category {
    /// All of them, in the order of their exit codes.
    pub const ALL: [Self; 9] = [
        Self::Config,
        Self::Listener,
        Self::LambdaApi,
        Self::Aws,
        Self::VaultUnreachable,
        Self::Tls,
        Self::VaultRefused,
        Self::SecretMissing,
        Self::File,
    ];

    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Config => 2,
            Self::Listener => 3,
            Self::LambdaApi => 4,
            Self::Aws => 5,
            Self::VaultUnreachable => 6,
            Self::Tls => 7,
            Self::VaultRefused => 8,
            Self::SecretMissing => 9,
            Self::File => 10,
        }
    }

    /// The error type that is reported to Lambda: letters only, others are not kept.
    pub fn error_type(self) -> &'static str {
        match self {
            Self::Aws => "Extension.StrongroomAws",
            Self::Config => "Extension.StrongroomConfig",
            Self::File => "Extension.StrongroomFile",
            Self::LambdaApi => "Extension.StrongroomLambdaApi",
            Self::Listener => "Extension.StrongroomListener",
            Self::SecretMissing => "Extension.StrongroomSecretMissing",
            Self::Tls => "Extension.StrongroomTls",
            Self::VaultRefused => "Extension.StrongroomVaultRefused",
            Self::VaultUnreachable => "Extension.StrongroomVaultUnreachable",
        }
    }

    /// What has happened.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Aws => {
                "There are no usable AWS credentials, or the role of `VAULT_ASSUMED_ROLE_ARN` cannot be assumed."
            }
            Self::Config => "One or more settings are wrong; the log names all of them at once.",
            Self::File => {
                "A secret could not be written: `/tmp` is full, or the file lies elsewhere."
            }
            Self::LambdaApi => {
                "Lambda's Extensions API refused or did not answer, or the program was not started by Lambda."
            }
            Self::Listener => {
                "The port of the local Vault API is taken, most often by another extension."
            }
            Self::SecretMissing => {
                "A secret that is to be written to a file is not there; for KV v2 the log names the path that would have worked."
            }
            Self::Tls => {
                "The TLS handshake with Vault failed; the log says what is wrong with the certificate."
            }
            Self::VaultRefused => "Vault said no: to the login, or to reading a secret.",
            Self::VaultUnreachable => {
                "Vault did not answer in time or could not be reached; the log says what was waited for."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_differ_and_types_are_what_lambda_keeps() {
        let mut codes: Vec<_> = Category::ALL.iter().map(|category| category.exit_code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), Category::ALL.len());
        for category in Category::ALL {
            let kept = category.error_type().strip_prefix("Extension.Strongroom").unwrap();
            assert!(kept.bytes().all(|byte| byte.is_ascii_alphabetic()));
        }
    }
}
