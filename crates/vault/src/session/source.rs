//! From who the extension is to where its tokens come from.

use std::sync::Arc;

use strongroom_core::settings::{Authorities, Identity, Tls, variables as v};

use super::TokenSource;
use crate::aws::sts;
use crate::error::Error;
use crate::forward::Forward;
use crate::http::{Connector, Progress};
use crate::login::{AppRole, AwsIam, Login, Lookup};
use crate::tls::Peer;
use crate::token::Token;

impl TokenSource {
    /// The source of `identity`'s tokens, where `lookup` reads a variable and `forward` says what lies on the way to AWS.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error`] if credentials, a region or a token are such that no login can come of them.
    pub fn of(
        identity: Identity,
        lookup: Lookup,
        forward: Forward,
        progress: Progress,
    ) -> Result<Self, Error> {
        let login = match identity {
            Identity::Token(secret) => {
                let token = Token::given(secret);
                let unusable = || Error::Credential {
                    variable: v::VAULT_TOKEN,
                    problem: "contains characters that no HTTP header can carry".to_owned(),
                };
                return Ok(Self::Given(Arc::new(token.ok_or_else(unusable)?)));
            }
            Identity::AppRole(app_role) => Login::AppRole(AppRole::new(app_role)),
            Identity::AwsIam(iam) => {
                // STS has a public certificate: what `VAULT_CACERT` says is about Vault only.
                let authorities = Authorities::Default {
                    ssl_cert_file: lookup(v::SSL_CERT_FILE).map(Into::into),
                    ssl_cert_dir: lookup(v::SSL_CERT_DIR).map(Into::into),
                };
                let tls = Tls { authorities, ..Tls::default() };
                let to_aws = Connector::new(tls, Peer::Aws, forward, progress);
                let sts = sts::Settings::from_environment(&lookup);
                Login::AwsIam(AwsIam::new(iam, sts, lookup, to_aws)?)
            }
            Identity::Certificate(certificate) => Login::Certificate(certificate),
            Identity::Jwt(jwt) => Login::Jwt(jwt),
        };
        Ok(Self::Login(Arc::new(login)))
    }
}
