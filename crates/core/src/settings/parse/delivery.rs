//! What reaches the function by variables, who waits for it, and how fresh files are kept.

use std::path::PathBuf;
use std::time::Duration;

use super::Parser;
use crate::duration;
use crate::format::Format;
use crate::reference::{self, Malformed};
use crate::settings::{Given, Proxy, ReferringVariable, SecretFile, Socket, Waits, variables as v};
use crate::wrapper::DEFAULT_SOCKET;

impl Parser<'_> {
    pub(super) fn refresh(&mut self) -> Option<Duration> {
        match self.environment.trimmed(v::STRONGROOM_REFRESH) {
            None => Some(DEFAULT_REFRESH),
            Some("off") => None,
            Some(text) => {
                let refresh = duration::above_zero(text);
                if refresh.is_none() {
                    self.findings.error(
                        v::STRONGROOM_REFRESH,
                        "is no duration above zero: write for example 5m, or off",
                    );
                }
                refresh
            }
        }
    }

    pub(super) fn references(&mut self) -> Vec<ReferringVariable> {
        let mut found = Vec::new();
        for name in self.environment.names_with_prefix("") {
            let value = self.environment.value(name).unwrap_or_default();
            if !reference::is_resolvable_name(name) {
                continue;
            }
            match reference::parse(value) {
                Ok(None) => {}
                Ok(Some(template)) => {
                    found.push(ReferringVariable { name: name.to_owned(), template })
                }
                Err(error) => self.findings.error(name, format!("{error}: {}", remedy(error))),
            }
        }
        let refuse =
            self.choice(v::STRONGROOM_SNAPSTART_ENV, &[("refuse", true), ("allow", false)]);
        if refuse && self.is_snap_start() {
            for variable in &found {
                self.findings.error(
                    &variable.name,
                    "refers to a secret, which under SnapStart would stay in the snapshot and be the same in all \
                     environments made from it: read it by file or through the local Vault API, or set \
                     STRONGROOM_SNAPSTART_ENV=allow",
                );
            }
        }
        found
    }

    /// Of a wrapped answer only a file in Vault's own form can hold what there is to hold: the wrapping token.
    pub(super) fn refuse_wrapping(
        &mut self,
        references: &[ReferringVariable],
        files: &[SecretFile],
    ) {
        let wants_secret =
            !references.is_empty() || files.iter().any(|file| file.format != Format::Response);
        if wants_secret && self.environment.client(v::VAULT_WRAP_TTL).is_some() {
            self.findings.error(
                v::VAULT_WRAP_TTL,
                "has Vault wrap what variables refer to, and what formats other than response are made of: unset it",
            );
        }
    }

    pub(super) fn waits(&mut self) -> Waits {
        let is_ours = self.is_wrapped_by_us();
        let automatic = if is_ours { Waits::WrapperIfHeeded } else { Waits::Registration };
        self.choice(
            v::STRONGROOM_WAIT,
            &[
                ("auto", automatic),
                ("registration", Waits::Registration),
                ("wrapper", Waits::Wrapper),
            ],
        )
    }

    /// Where nobody is expected to ask, as in all functions that only swapped the layer, nothing is done for it.
    pub(super) fn socket(
        &mut self,
        references: &[ReferringVariable],
        waits: Waits,
        proxy: Option<&Proxy>,
    ) -> Option<Socket> {
        let given = self.choice(
            v::STRONGROOM_ENV_API,
            &[("off", Given::UntilFirstInvocation), ("on", Given::Always)],
        );
        let named = self.environment.value(v::STRONGROOM_SOCKET);
        let path = PathBuf::from(named.unwrap_or(DEFAULT_SOCKET));
        if !path.is_absolute()
            || path.file_name().is_none()
            || path.as_os_str().len() > LONGEST_SOCKET
        {
            self.findings.error(
                v::STRONGROOM_SOCKET,
                format!("is no absolute path of at most {LONGEST_SOCKET} bytes: write for example {DEFAULT_SOCKET}"),
            );
        }
        let is_wanted = named.is_some()
            || given == Given::Always
            || !references.is_empty()
            || waits == Waits::Wrapper
            || proxy.is_some_and(|proxy| proxy.listen.is_none() || proxy.guards)
            || self.is_wrapped_by_us();
        is_wanted.then_some(Socket { path, given })
    }

    fn is_wrapped_by_us(&self) -> bool {
        self.environment.value(v::AWS_LAMBDA_EXEC_WRAPPER) == Some(WRAPPER)
    }
}

fn remedy(error: Malformed) -> &'static str {
    match error {
        Malformed::NoField => "write vault:<path>#<field>, or #* for the whole secret",
        Malformed::NoPath => {
            "write vault:<path>#<field>, with the path in API form such as kv/data/app"
        }
        Malformed::Unclosed => "write ${vault:<path>#<field>}, or $${ for a literal ${",
        Malformed::Version => "write vault:<path>#<field>#3, or \\# for a # within a name",
    }
}

/// Where the layer has the exec wrapper.
const WRAPPER: &str = "/opt/strongroom/exec";
const DEFAULT_REFRESH: Duration = Duration::from_mins(5);
/// `sun_path` holds 108 bytes; it is bound under a longer name first.
/// <https://man7.org/linux/man-pages/man7/unix.7.html>
const LONGEST_SOCKET: usize = 90;
