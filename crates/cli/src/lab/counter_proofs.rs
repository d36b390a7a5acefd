//! What must fail, and for the right reason: said by the extension to whoever reads its log, by
//! Vault in its answer, and by AWS where AWS is asked.

use anyhow::Result;
use strongroom_core::failure::Category;
use strongroom_host::Source;

use super::checks::Claims;
use super::environment::{Environment, Wanted, session};
use super::setup::SERVER_ID;
use super::vault::Server;
use super::{Findings, Plan, aws};

/// One thing that is wrong, and what everybody has to say about it.
struct CounterProof {
    /// What STS says: an error's code, success, or nothing, because it is not asked.
    aws: Sts,
    check: &'static str,
    step: &'static str,
    /// What Vault says, and the extension's log with it.
    vault: &'static [&'static str],
    wrong: Wrong,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sts {
    Confirms,
    NotAsked,
    Refuses(&'static str),
}

#[derive(Clone, Copy)]
enum Wrong {
    Role,
    SecretKey,
    ServerId,
}

const ALL: &[CounterProof] = &[
    CounterProof {
        aws: Sts::Refuses("SignatureDoesNotMatch"),
        check: "a wrong secret key is refused for that reason",
        step: "counter-proof: wrong secret key",
        vault: &["error making upstream request", "SignatureDoesNotMatch"],
        wrong: Wrong::SecretKey,
    },
    CounterProof {
        aws: Sts::Confirms,
        check: "an unbound role is refused for that reason",
        step: "counter-proof: unbound role",
        vault: &["IAM Principal", aws::UNBOUND_ROLE, "does not belong to the role"],
        wrong: Wrong::Role,
    },
    CounterProof {
        aws: Sts::NotAsked,
        check: "a wrong server id is refused for that reason",
        step: "counter-proof: wrong server id",
        vault: &["error validating X-Vault-AWS-IAM-Server-ID header", "expected", SERVER_ID],
        wrong: Wrong::ServerId,
    },
];
/// What a server id must not be.
const WRONG_SERVER_ID: &str = "another-vault.lab.example";
const WRONG_SECRET_KEY: &str = "not-the-secret-key-of-this-session-0000";

/// Tries everything that must fail.
///
/// # Errors
/// An environment cannot be made. That it starts, or fails otherwise, is a broken check.
pub(crate) async fn run(plan: &Plan, server: &Server, findings: &mut Findings) -> Result<()> {
    for proof in ALL {
        let work = proof.outcome(plan, server);
        let (environment, outcome) = findings.steps.take(proof.step, &[], work).await?;
        findings.logs.push(environment.logs());
        findings.checks.add(proof.check, outcome);
    }
    Ok(())
}

impl CounterProof {
    async fn outcome(
        &self,
        plan: &Plan,
        server: &Server,
    ) -> Result<(Environment, Result<String, String>)> {
        let before = server.mark()?;
        let asked_before = server.aws().requests().len();
        let environment = Environment::start(plan, server, self.wanted(server)?).await?;
        let failure = environment.fail_to_start().await;
        let mut claims = Claims::default();
        match failure {
            Ok(failure) => {
                let expected = failure == "Extension.Crash";
                claims.that(expected, "the function did not start", failure);
            }
            Err(error) => claims.that(false, "the function did not start", format!("{error:#}")),
        }
        self.check_extension(&environment, &mut claims);
        self.check_vault(server, before, &mut claims)?;
        let asked = server.aws().requests().split_off(asked_before);
        // Real Vault asks twice: once to learn which role a login is for, once to log in.
        let mut answers: Vec<String> = asked
            .into_iter()
            .map(|request| request.error.unwrap_or_else(|| "it confirmed".to_owned()))
            .collect();
        answers.dedup();
        let sts = if answers.is_empty() {
            "it was not asked".to_owned()
        } else {
            answers.join(", then ")
        };
        let (expected, words) = match self.aws {
            Sts::Confirms => ("it confirmed", "STS confirmed who asks".to_owned()),
            Sts::NotAsked => ("it was not asked", "STS was not even asked".to_owned()),
            Sts::Refuses(code) => (code, format!("STS answered {code}")),
        };
        claims.that(sts == expected, words, sts);
        Ok((environment, claims.outcome()))
    }

    fn wanted(&self, server: &Server) -> Result<Wanted<'static>> {
        let label = self.step;
        let good = session(server, aws::ROLE)?;
        Ok(match self.wrong {
            Wrong::Role => {
                Wanted { label, server_id: SERVER_ID, session: session(server, aws::UNBOUND_ROLE)? }
            }
            Wrong::SecretKey => {
                let session = aws::Session { secret_access_key: WRONG_SECRET_KEY.into(), ..good };
                Wanted { label, server_id: SERVER_ID, session }
            }
            Wrong::ServerId => Wanted { label, server_id: WRONG_SERVER_ID, session: good },
        })
    }

    /// Its exit code, and one line of its log: category, and Vault's words.
    fn check_extension(&self, environment: &Environment, claims: &mut Claims) {
        let category = Category::VaultRefused;
        let expected = format!("exit status {}", category.exit_code());
        let exit = environment.extension_exit().unwrap_or_else(|| "it did not end".to_owned());
        claims.that(exit == expected, format!("the extension ended with {expected}"), exit);
        let (_, lines) = environment.logs();
        let error_type = category.error_type();
        let line = lines.iter().find(|line| {
            matches!(line.source, Source::Extension(_)) && line.text.contains(error_type)
        });
        let line = line.map_or("no such line", |line| line.text.as_str());
        let says = |words: &&str| line.contains(*words);
        claims.that(
            line.contains("auth/aws/login") && self.vault.iter().all(says),
            format!("its log says {error_type} and {:?}", self.vault.join(" ... ")),
            line,
        );
    }

    /// One login and nothing else, refused; in Vault's own words where its record holds them.
    fn check_vault(
        &self,
        server: &Server,
        before: super::vault::Mark,
        claims: &mut Claims,
    ) -> Result<()> {
        let seen = server.since(before)?;
        let is_one_login = matches!(seen.as_slice(), [only] if only.path == "auth/aws/login");
        let paths: Vec<&str> = seen.iter().map(|exchange| exchange.path.as_str()).collect();
        claims.that(is_one_login, "one login reached Vault and nothing else", paths.join(", "));
        let refusal = seen.first().and_then(|login| login.refusal.as_deref());
        let refusal = refusal.unwrap_or("it was not refused");
        // The embedded Vault records what it answered, but not in which words.
        let (holds, words) = if server.audit_file().is_some() {
            let says_so = self.vault.iter().all(|words| refusal.contains(words));
            (says_so, "Vault's audit log gives the same reason")
        } else {
            (refusal == "status 400", "Vault recorded that it answered 400")
        };
        claims.that(holds, words, refusal);
        Ok(())
    }
}
