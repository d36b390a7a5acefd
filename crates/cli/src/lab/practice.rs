//! The practice itself: set-up, a function called cold and warm, a rotation, the end; and what
//! each of these has to prove.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use secrecy::{ExposeSecret as _, SecretString};
use ureq::http::StatusCode;

use super::checks::Claims;
use super::environment::{EXTENSION, Environment, Wanted};
use super::function::{Sight, Way};
use super::setup::{self, Operator, SECRET};
use super::vault::{Asker, Exchange, Mark, Server};
use super::{Findings, Moment, Plan, counter_proofs};

/// What is left running with `--keep`.
pub(crate) struct Kept {
    pub(crate) environment: Environment,
    pub(crate) server: Server,
}

const COLD: &[Way] = &[Way::Variable, Way::File, Way::Proxy];
const WARM: &[Way] = &[Way::Variable, Way::File, Way::Proxy, Way::Cached, Way::Token];
const ROTATED: &[Way] = &[Way::Variable, Way::File, Way::Proxy, Way::Cached];

/// Takes every step and notes what it proved.
///
/// # Errors
/// A step failed, so that those after it make no sense.
pub(crate) async fn run(
    plan: &Plan,
    scratch: &Path,
    findings: &mut Findings,
) -> Result<Option<Kept>> {
    let start = Server::start(&plan.vault, scratch);
    let server = findings.steps.take("Vault and the AWS stand-ins started", &[], start).await?;
    findings.steps.say(&format!("         {}", server.notice()));
    findings.vault_version = server.version().await?;
    let beginning = Mark::BEGINNING;
    let operator = setup::prepare(&server, &mut findings.steps).await?;
    let after_setup = server.mark()?;
    first_environment(plan, &server, &operator, findings).await?;
    let second = second_environment(plan, &server, &operator, findings).await?;
    counter_proofs::run(plan, &server, findings).await?;
    findings.checks.add(
        "no step after set-up used the root token",
        root_unused(&server, beginning, after_setup)?,
    );
    Ok(plan.keep.then_some(Kept { environment: second, server }))
}

async fn first_environment(
    plan: &Plan,
    server: &Server,
    operator: &Operator,
    findings: &mut Findings,
) -> Result<()> {
    let before = server.mark()?;
    let wanted = Wanted::good("the function's environment", server)?;
    let how =
        ["aws lambda update-function-configuration --layers ... --environment ...".to_owned()];
    let start = Environment::start(plan, server, wanted);
    let environment = findings.steps.take("layer attached to the function", &how, start).await?;
    let outcome = call_and_end(&environment, operator, findings).await;
    findings.logs.push(environment.logs());
    findings.notes = environment.notes();
    let token = outcome?;
    // Before anything else asks with a token of its own.
    let exchanges = server.since(before)?;
    findings
        .checks
        .add("one login and the expected reads and no more reached Vault", expected(&exchanges));
    let outcome = token_is_dead(server, &environment, token).await?;
    findings.checks.add("after SHUTDOWN the token is refused", outcome);
    Ok(())
}

/// The calls, up to SHUTDOWN; returns the token that the extension held, if the function saw it.
async fn call_and_end(
    environment: &Environment,
    operator: &Operator,
    findings: &mut Findings,
) -> Result<Option<SecretString>> {
    let held = operator.value().await?;
    let steps = &mut findings.steps;
    let (cold, invocation) = steps.take("cold invocation", &[], environment.call(COLD)).await?;
    if let Some(init) = invocation.init {
        steps.say(&format!("         of which init {} ms", init.as_millis()));
    }
    let mode = environment.file_mode()?;
    let (mut warm, _) = steps.take("warm invocation", &[], environment.call(WARM)).await?;
    let outcome = same(&cold.variable, &held);
    findings.checks.add("by variable the function saw what Vault holds", outcome);
    findings.checks.add("by file the function saw what Vault holds", same(&cold.file, &held));
    findings.checks.add("by proxy the function saw what Vault holds", same(&cold.proxy, &held));
    findings.checks.add("warm, it saw the same in every way", in_every_way(&warm, &held));
    findings.checks.add("the file was 0600", owner_only(mode, cold.file_mode.as_deref()));
    let token = warm.token.take();
    findings.moments.push(Moment { held: held.clone(), name: "cold", sight: cold });
    findings.moments.push(Moment { held: held.clone(), name: "warm", sight: warm });
    let how = [format!("vault kv put -mount={} lambda api-key=...", setup::MOUNT)];
    findings.steps.take("secret rotated", &how, operator.rotate()).await?;
    let new = operator.value().await?;
    let call = environment.call(ROTATED);
    let (first, _) = findings.steps.take("invocation after the rotation", &[], call).await?;
    let call = environment.call(ROTATED);
    let (second, _) = findings.steps.take("one more invocation", &[], call).await?;
    rotation(&first, &second, &held, &new, findings);
    findings.moments.push(Moment { held: new.clone(), name: "rotated", sight: first });
    findings.moments.push(Moment { held: new, name: "one later", sight: second });
    findings.steps.take("SHUTDOWN", &[], environment.shut_down()).await?;
    Ok(token)
}

/// The proxy asks Vault each time, unless its client wants a cached answer. A file that is due is read again beside the
/// first invocation, so that the second surely sees it. A variable is what it was when the program started.
fn rotation(
    first: &Sight,
    second: &Sight,
    old: &SecretString,
    new: &SecretString,
    findings: &mut Findings,
) {
    let changed = old.expose_secret() != new.expose_secret();
    let shows = |value: &Option<SecretString>, expected: &SecretString, words: &str| {
        let mut claims = Claims::default();
        claims.that(changed, "Vault holds another value", "it is the same");
        claims.that(is(value, expected), words, "it showed another");
        claims.outcome()
    };
    let outcome = shows(&first.proxy, new, "the proxy showed the new value at once");
    findings.checks.add("after the rotation the proxy shows the new value", outcome);
    let outcome = shows(&first.cached, old, "the cache showed the old value within its TTL");
    findings.checks.add("after the rotation a cached read shows the old value", outcome);
    let outcome = shows(&second.file, new, "the file showed the new value one invocation later");
    findings.checks.add("one invocation later the file shows the new value", outcome);
    let outcome = shows(&second.variable, old, "the variable showed the value of its start");
    findings.checks.add("the variable shows the value of its program's start", outcome);
}

async fn second_environment(
    plan: &Plan,
    server: &Server,
    operator: &Operator,
    findings: &mut Findings,
) -> Result<Environment> {
    let held = operator.value().await?;
    let wanted = Wanted::good("a new environment of the function", server)?;
    let environment = Environment::start(plan, server, wanted).await?;
    let call = environment.call(ROTATED);
    let outcome = findings.steps.take("cold invocation of a new environment", &[], call).await;
    if !plan.keep {
        environment.shut_down().await?;
    }
    findings.logs.push(environment.logs());
    let (sight, _) = outcome?;
    findings
        .checks
        .add("a new environment sees the new value in every way", in_every_way(&sight, &held));
    findings.moments.push(Moment { held, name: "new environment", sight });
    Ok(environment)
}

fn is(value: &Option<SecretString>, expected: &SecretString) -> bool {
    value.as_ref().is_some_and(|value| value.expose_secret() == expected.expose_secret())
}

fn same(value: &Option<SecretString>, held: &SecretString) -> Result<String, String> {
    let mut claims = Claims::default();
    claims.that(is(value, held), "equal", "it saw another value, or none");
    claims.outcome()
}

fn in_every_way(sight: &Sight, held: &SecretString) -> Result<String, String> {
    let mut claims = Claims::default();
    claims.that(is(&sight.variable, held), "variable equal", "it saw another value");
    claims.that(is(&sight.file, held), "file equal", "it saw another value");
    claims.that(is(&sight.proxy, held), "proxy equal", "it saw another value");
    claims.that(is(&sight.cached, held), "cached read equal", "it saw another value");
    claims.outcome()
}

fn owner_only(outside: u32, inside: Option<&str>) -> Result<String, String> {
    let mut claims = Claims::default();
    claims.that(outside == 0o600, "0600 seen from outside", format!("{outside:04o}"));
    let told = inside.unwrap_or("nothing");
    claims.that(told == "0600", "0600 seen by the function", told);
    claims.outcome()
}

/// Everything that this environment may have asked of Vault, and nothing else.
fn expected(exchanges: &[Exchange]) -> Result<String, String> {
    let expected = BTreeMap::from([
        // The login.
        ("write auth/aws/login".to_owned(), 1),
        // One for the file and the variable; one for the file in each of four invocations; by proxy one in each of them,
        // and one to fill the cache.
        (format!("read {SECRET}"), 10),
        // The function's, to show the lab the token.
        ("read auth/token/lookup-self".to_owned(), 1),
        // The end.
        ("write auth/token/revoke-self".to_owned(), 1),
    ]);
    let mut seen = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| !is_operators(exchange)) {
        let refused = if exchange.refusal.is_some() { " (refused)" } else { "" };
        *seen.entry(format!("{} {}{refused}", exchange.verb, exchange.path)).or_insert(0) += 1;
    }
    let shown = |counts: &BTreeMap<String, i32>| {
        let each = counts.iter().map(|(request, count)| format!("{count} x {request}"));
        each.collect::<Vec<_>>().join(", ")
    };
    if seen == expected {
        return Ok(shown(&seen));
    }
    Err(format!("Vault saw {}; expected {}", shown(&seen), shown(&expected)))
}

fn is_operators(exchange: &Exchange) -> bool {
    matches!(&exchange.asker, Asker::Token(name) if name.starts_with(Operator::DISPLAY_NAME))
}

async fn token_is_dead(
    server: &Server,
    environment: &Environment,
    token: Option<SecretString>,
) -> Result<Result<String, String>> {
    let mut claims = Claims::default();
    let exit = environment.extension_exit().unwrap_or_else(|| "it did not end".to_owned());
    claims.that(exit == "exit status 0", format!("{EXTENSION} ended by itself"), exit);
    // Through the proxy it was asked about with itself, and so it lived.
    let Some(token) = token else {
        claims.that(false, "the function saw a living token before", "it saw none");
        return Ok(claims.outcome());
    };
    claims.that(true, "the function saw it alive before", "");
    let status = server.api().status_of(&token).await?;
    claims.that(
        status == StatusCode::FORBIDDEN,
        "Vault answered 403 to it afterwards",
        format!("Vault answered {status}"),
    );
    Ok(claims.outcome())
}

fn root_unused(
    server: &Server,
    beginning: Mark,
    after_setup: Mark,
) -> Result<Result<String, String>> {
    let by_root =
        |exchanges: &[Exchange]| exchanges.iter().filter(|seen| seen.asker == Asker::Root).count();
    let all = by_root(&server.since(beginning)?);
    let later = server.since(after_setup)?;
    let mut claims = Claims::default();
    // Otherwise this check could not fail.
    claims.that(all > 0, format!("root made {all} requests at set-up"), "none was recorded");
    let late = by_root(&later);
    let count = later.len();
    claims.that(late == 0, format!("none of the {count} afterwards"), format!("{late} of them"));
    Ok(claims.outcome())
}
