//! What can go wrong between us and Vault, in the words of the one who has to mend it.

use std::fmt;
use std::io;
use std::time::Duration;

use strongroom_core::advice;

use crate::aws;
use crate::http::Stage;
use crate::pace::Cause;

/// Why a request to Vault (or to AWS on the way to it) has no good answer.
///
/// No variant holds a body, a token or a signature; texts of Vault are cut and stripped of them.
#[derive(thiserror::Error)]
pub enum Error {
    /// Vault's answer is no JSON of the expected form, or too large.
    #[error("the answer to {request} {problem}")]
    Answer {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The role could not be assumed.
    #[error("cannot assume the role of VAULT_ASSUMED_ROLE_ARN")]
    AssumeRole(#[source] aws::assume_role::Error),
    /// An exchange with AWS on the way to Vault failed.
    #[error("cannot reach {peer}")]
    Aws {
        /// Whom.
        peer: AwsPeer,
        /// Why.
        source: Box<Self>,
    },
    /// The connection broke before the end of the answer.
    #[error("the connection to Vault broke before the answer was there")]
    Broken {
        /// How.
        source: hyper::Error,
    },
    /// Every connection is in use and none became free in time.
    #[error("all connections to Vault that we may open stayed in use")]
    Busy,
    /// No TCP connection or Unix socket.
    #[error("cannot connect to {to}")]
    Connect {
        /// Address.
        to: String,
        /// Why.
        source: io::Error,
    },
    /// What is to be logged in with cannot be had or used.
    #[error("{variable} {problem}")]
    Credential {
        /// The variable that names it.
        variable: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No credentials of the function's role.
    #[error("no AWS credentials")]
    Credentials(#[source] aws::credentials::Error),
    /// Time ran out.
    #[error("no answer in time{}", waiting(.waiting_for.as_ref()))]
    Deadline {
        /// What was waited for.
        waiting_for: Option<Stage>,
    },
    /// The environment was frozen meanwhile.
    #[error("the execution environment was frozen meanwhile")]
    Frozen,
    /// Vault redirects, and we may not follow.
    #[error("Vault answered {request} with a redirect {problem}")]
    Redirect {
        /// Method and path.
        request: String,
        /// Why it is not followed.
        problem: &'static str,
    },
    /// Vault said no.
    #[error("Vault answered {status} to {request}{}", said(.errors))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Method and path.
        request: String,
        /// Vault's own words, cut to a line.
        errors: String,
        /// How long Vault wants us to wait before we ask again.
        retry_after: Option<Duration>,
    },
    /// A name without an address.
    #[error("cannot look up {host}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The STS endpoint to sign for cannot be told.
    #[error("cannot tell which STS endpoint to sign for")]
    Sts(#[source] aws::sts::Error),
    /// The TLS handshake failed.
    #[error("no TLS connection to {host}: {problem}")]
    Tls {
        /// Who was expected.
        host: String,
        /// Why.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Certificates or keys cannot be read.
    #[error("TLS cannot be set up")]
    TlsSettings(#[source] crate::tls::Error),
    /// A forward proxy does not let us through.
    #[error("the forward proxy {proxy} opened no way to Vault: {reason}")]
    Tunnel {
        /// Its address.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// Nothing was sent, as Vault has not answered for a while.
    #[error(
        "Vault has not answered for {seconds} s, and until it does requests fail at once; the last failure was: {cause}"
    )]
    Unavailable {
        /// For how long.
        seconds: u64,
        /// What the last request that was sent ended with.
        cause: String,
    },
    /// A forward proxy's address makes no sense.
    #[error("the forward proxy cannot be used")]
    ForwardProxy(#[source] crate::forward::Error),
}

/// Whom we ask on the way to Vault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AwsPeer {
    /// The container credentials endpoint, on this machine.
    CredentialsEndpoint,
    /// STS at this host.
    Sts(String),
}

impl fmt::Display for AwsPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialsEndpoint => f.write_str("the container credentials endpoint"),
            Self::Sts(host) => write!(f, "STS at {host}"),
        }
    }
}

/// Whose matter it is; for exit codes and error types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The function's AWS credentials or STS.
    Aws,
    /// Settings.
    Config,
    /// Names, connections, time.
    Network,
    /// Vault said no.
    Refused,
    /// Certificates.
    Tls,
}

/// As people read it: whoever asks for more is a test, and each variant's own form is code that nobody calls (docs/choices.md).
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&chain(self))
    }
}

impl Error {
    /// Whose matter it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::AssumeRole(_) | Self::Aws { .. } | Self::Credentials(_) | Self::Sts(_) => {
                Kind::Aws
            }
            Self::Credential { .. } | Self::TlsSettings(_) | Self::ForwardProxy(_) => Kind::Config,
            Self::Broken { .. }
            | Self::Busy
            | Self::Connect { .. }
            | Self::Deadline { .. }
            | Self::Frozen
            | Self::Resolve { .. }
            | Self::Tunnel { .. }
            | Self::Unavailable { .. } => Kind::Network,
            Self::Answer { .. } | Self::Redirect { .. } | Self::Refused { .. } => Kind::Refused,
            Self::Tls { .. } => Kind::Tls,
        }
    }

    /// Whether the same request may succeed if it is sent again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status, request, errors, .. } => {
                is_retryable_status(*status) && !advice::is_final(request, errors)
            }
            Self::Broken { .. }
            | Self::Connect { .. }
            | Self::Frozen
            | Self::Resolve { .. }
            | Self::Tunnel { .. }
            | Self::Unavailable { .. } => true,
            Self::Aws { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// Whether nothing of the request can have reached Vault.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Connect { .. }
                | Self::Resolve { .. }
                | Self::Tunnel { .. }
                | Self::Unavailable { .. }
        )
    }

    /// Whether Vault, or the way to it, is out of order, rather than something wrong with what was asked.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.is_retryable() || matches!(self, Self::Busy | Self::Deadline { .. })
    }

    /// How long Vault wants us to wait before we ask again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Why what ended with it is tried again.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Refused { status, .. } => Cause::of_status(*status),
            _ => Cause::Failure,
        }
    }

    /// What a refusal says about the token.
    #[must_use]
    pub fn token_life(&self) -> TokenLife {
        match self {
            Self::Refused { status: 403, errors, .. } => TokenLife::after_denial(errors),
            _ => TokenLife::Alive,
        }
    }

    /// The next step for whoever reads the error, if we know it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { status, request, errors, .. } => advice::on_refusal(*status, request, errors),
            Self::Connect { .. } | Self::Deadline { .. } => Some(
                "check VLE_VAULT_ADDR or VAULT_ADDR, and that the function's VPC, subnets and security groups \
                 lead to Vault"
                    .into(),
            ),
            Self::Resolve { .. } => {
                Some("check the host name in VLE_VAULT_ADDR or VAULT_ADDR and the VPC's name resolution".into())
            }
            Self::AssumeRole(_) => Some(
                "check that the trust policy of VAULT_ASSUMED_ROLE_ARN names the function's role, and asks for the \
                 external id of STRONGROOM_EXTERNAL_ID if any, and that the function's role may sts:AssumeRole"
                    .into(),
            ),
            Self::Tls { hint, .. } => hint.clone(),
            Self::Aws { peer: AwsPeer::Sts(_), .. } => Some(
                "VAULT_ASSUMED_ROLE_ARN needs a way from the function to STS: a NAT gateway or an STS VPC endpoint".into(),
            ),
            _ => None,
        }
    }
}

/// What a 403 says about the token it was sent with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenLife {
    /// A policy forbids the path.
    Alive,
    /// It was revoked, has expired, or is used up.
    Dead,
    /// Either: older Vaults (seen: 1.14) say no more of a dead token than `permission denied`, and wrap
    /// a policy's no in `1 error occurred`.
    Unsaid,
}

impl TokenLife {
    /// Judges by the errors of a 403, joined.
    #[must_use]
    pub fn after_denial(errors: &str) -> Self {
        if errors.contains("invalid token") {
            Self::Dead
        } else if errors == "permission denied" {
            Self::Unsaid
        } else {
            Self::Alive
        }
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// Statuses after which Vault's own clients try again.
/// <https://pkg.go.dev/github.com/hashicorp/vault/api#DefaultRetryPolicy>
#[must_use]
pub fn is_retryable_status(status: u16) -> bool {
    matches!(status, 412 | 429) || (status >= 500 && status != 501)
}

fn waiting(stage: Option<&Stage>) -> String {
    stage.map_or_else(String::new, |stage| format!("; it was waiting for {stage}"))
}

fn said(errors: &str) -> String {
    if errors.is_empty() { String::new() } else { format!(": {errors}") }
}
