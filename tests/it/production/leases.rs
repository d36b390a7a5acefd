//! What Vault gave for a time: which leases are renewed and which are not, who is told of an end, and for how long an
//! invocation may be held up by what is due.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_faults::{Fault, Rule};
use strongroom_host::Invocation;
use strongroom_tests::stage::stub::{self, Count, Stub};
use strongroom_tests::stage::{Environment, SECRET_FILE, SECRET_PATH, SECRET_URL, Stage};

use super::formats::add_to_code;
use super::freshness::{invoke_until, user, with_leased_file};
use super::stage;
use super::variables::wrapped;

const CREDENTIALS: &str = "database/creds/app";
const RENEWAL: &str = "sys/leases/renew";
const USER: &str = "vault:database/creds/app#username";
/// The life of a lease, of which devvault's clock makes as much as a test wants.
const LIFE: Duration = Duration::from_secs(20);
/// A lease that is a moment old would end before an invocation of this length: each renews it.
const NEARLY_ITS_LIFE: Duration = Duration::from_millis(19_999);
/// What an invocation takes beside what is due, on a slow machine.
const SLACK: Duration = Duration::from_secs(2);

/// Has each invocation renew the leases of `database/creds/app`.
async fn lease_credentials(stage: &mut Stage) {
    stage.add_database(&format!("{}s", LIFE.as_secs())).await;
    stage.config.timeout = NEARLY_ITS_LIFE;
}

/// Has the credentials in a file, too.
fn deliver_credentials(stage: &mut Stage, format: &str) {
    stage.set("VAULT_SECRET_PATH", CREDENTIALS);
    stage.set("VAULT_SECRET_FILE", SECRET_FILE);
    stage.set("STRONGROOM_FILE_FORMAT", format);
}

/// How often a lease of a variable was said to be over.
fn farewells(environment: &Environment) -> usize {
    environment.log().matches("variables cannot be changed").count()
}

async fn invoked(environment: &Environment) -> Invocation {
    let invocation = environment.try_invoke(&[], &[]).await;
    assert_eq!(invocation.function_error, None, "{invocation:?}\n{}", environment.log());
    invocation
}

/// Here the wall clock has to pass: how long no renewal is tried after one that failed.
#[tokio::test]
async fn a_renewal_that_vault_puts_off_does_not_end_the_lease() {
    let name = "a renewal that Vault puts off does not end the lease";
    let Some(mut stage) = wrapped(name).await else { return };
    lease_credentials(&mut stage).await;
    stage.set("DB_USER", USER);
    stage.set("VAULT_MAX_RETRIES", "0");
    let too_many = Fault::too_many_requests(Duration::from_secs(1));
    stage.faults.inject(Rule::new(too_many).path("/v1/sys/leases/renew").times(1));
    let environment = stage.ready().await;
    environment.invoke(&[], &[]).await;
    let line = environment.line("could not be renewed").await;
    assert!(line.contains(CREDENTIALS) && line.contains("429"), "{line}");
    assert_eq!(stage.requests("PUT", RENEWAL), 0, "it was refused on its way");

    tokio::time::sleep(Duration::from_secs(5)).await;
    environment.invoke(&[], &[]).await;
    assert_eq!(stage.requests("PUT", RENEWAL), 1, "{}", environment.log());
    assert_eq!((stage.vault.leases().len(), farewells(&environment)), (1, 0));
}

#[tokio::test]
async fn a_process_that_asks_later_does_not_take_the_lease_of_a_file_away() {
    let name = "a process that asks later does not take the lease of a file away";
    let Some(mut stage) = wrapped(name).await else { return };
    lease_credentials(&mut stage).await;
    stage.set("DB_USER", USER);
    deliver_credentials(&mut stage, "data");
    stage.set("STRONGROOM_ENV_API", "on");
    let environment = stage.ready().await;
    let before = user(&environment);
    environment.invoke(&[], &[]).await;
    let later = environment.ask_for_variables().await;
    assert_ne!(later.variables()["DB_USER"], before, "it has credentials of its own");
    assert_eq!(stage.vault.leases().len(), 2);

    // Renewed in the second half of their life, both live on when it is over.
    stage.vault.clock().advance(LIFE / 2);
    environment.invoke(&[], &[]).await;
    stage.vault.clock().advance(LIFE * 3 / 4);
    assert_eq!(stage.vault.leases().len(), 2, "{}", environment.log());
    assert_eq!((user(&environment), stage.reads_of(CREDENTIALS)), (before, 2));
}

#[tokio::test]
async fn a_lease_that_nothing_was_made_of_any_more_is_not_renewed() {
    const INVOCATIONS: usize = 6;
    for has_variable in [false, true] {
        let name = "a lease that nothing was made of any more is not renewed";
        let Some(mut stage) = wrapped(name).await else { return };
        lease_credentials(&mut stage).await;
        // By the age of the other secret in it the file is made anew, of new credentials, at each invocation.
        deliver_credentials(&mut stage, "template:/var/task/t");
        add_to_code(&stage, "t", "{{ data.username }} {{ secret('kv/data/app')['api-key'] }}");
        stage.set("STRONGROOM_REFRESH", "1ms");
        if has_variable {
            stage.set("DB_USER", USER);
        }
        let environment = stage.ready().await;
        for _ in 0..INVOCATIONS {
            environment.invoke(&[], &[]).await;
        }
        assert!(stage.reads_of(CREDENTIALS) > INVOCATIONS, "the file was not made anew");
        // Of the file and of the variable, one lease each.
        let renewals = stage.requests("PUT", RENEWAL);
        let most = INVOCATIONS * (1 + usize::from(has_variable));
        assert!((1..=most).contains(&renewals), "{renewals}\n{}", environment.log());
        assert_eq!(farewells(&environment), 0, "{}", environment.log());
    }
}

#[tokio::test]
async fn when_the_lease_of_file_and_variable_ends_the_variable_is_named_once() {
    let name = "when the lease of file and variable ends the variable is named once";
    let Some(mut stage) = wrapped(name).await else { return };
    lease_credentials(&mut stage).await;
    stage.set("DB_USER", USER);
    deliver_credentials(&mut stage, "data");
    let environment = stage.ready().await;
    let before = user(&environment);
    stage.vault.clock().advance(LIFE * 2);
    invoke_until(&environment, || user(&environment) != before).await;
    let line = environment.line("variables cannot be changed").await;
    assert!(line.contains("WARN") && line.contains("DB_USER"), "{line}");
    // The file's new lease ends as well, of which the variable has nothing.
    let before = user(&environment);
    stage.vault.clock().advance(LIFE * 2);
    invoke_until(&environment, || user(&environment) != before).await;
    assert_eq!(farewells(&environment), 1, "{}", environment.log());
}

/// Here the wall clock has to pass: how long a file that could not be made is not tried again.
#[tokio::test]
async fn a_file_that_was_made_anew_by_half_is_tried_again() {
    let Some(mut stage) = stage("a file that was made anew by half is tried again").await else {
        return;
    };
    lease_credentials(&mut stage).await;
    deliver_credentials(&mut stage, "template:/var/task/t");
    add_to_code(&stage, "t", "{{ data.username }} {{ secret('kv/data/app')['api-key'] }}");
    stage.set("VAULT_MAX_RETRIES", "0");
    let environment = stage.ready().await;
    let before = environment.file(SECRET_FILE);
    stage.vault.clock().advance(LIFE * 2);
    // The new credentials are there, and the other secret of the file is not.
    stage.faults.inject(Rule::new(Fault::unavailable()).path(SECRET_URL).times(1));
    invoke_until(&environment, || stage.reads_of(CREDENTIALS) == 2).await;
    let line = environment.line("a file keeps an older secret").await;
    assert!(line.contains(SECRET_PATH) && line.contains("503"), "{line}");
    assert_eq!(environment.file(SECRET_FILE), before);

    tokio::time::sleep(Duration::from_secs(10)).await;
    environment.invoke(&[], &[]).await;
    assert_ne!(environment.file(SECRET_FILE), before, "{}", environment.log());
}

#[tokio::test]
async fn a_lease_of_no_seconds_is_not_read_again_at_each_invocation() {
    let name = "a lease of no seconds is not read again";
    let Some(mut stage) = stage(name).await else { return };
    deliver_credentials(&mut stage, "data");
    let body = json!({
        "lease_id": "database/creds/app/1",
        "lease_duration": 0,
        "renewable": false,
        "data": { "username": "app" },
    });
    let answer = Fault::Answer { body: body.to_string(), retry_after: None, status: 200 };
    stage.faults.inject(Rule::new(answer).path("/v1/database/creds/app"));
    let environment = stage.ready().await;
    let before = stage.faults.requests().len();
    for _ in 0..3 {
        environment.invoke(&[], &[]).await;
    }
    assert_eq!(user(&environment), "app");
    assert_eq!(stage.faults.requests().len(), before, "{:?}", stage.faults.requests());
}

#[tokio::test]
async fn a_rate_limit_of_our_own_does_not_hold_up_an_invocation_for_long() {
    let name = "a rate limit of our own does not hold up an invocation";
    let Some(mut stage) = with_leased_file(name, "20s").await else { return };
    stage.config.timeout = NEARLY_ITS_LIFE;
    // Login and reading take what there is at first; the renewal would wait for ten seconds.
    stage.set("VAULT_RATE_LIMIT", "0.1:2");
    let environment = stage.ready().await;
    let held_up = invoked(&environment).await.duration;
    environment.line("could not be renewed").await;
    assert!(held_up < Duration::from_secs(3) + SLACK, "{held_up:?}\n{}", environment.log());
    // Nor is it tried at the next one.
    let held_up = invoked(&environment).await.duration;
    assert!(held_up < SLACK, "{held_up:?}\n{}", environment.log());
}

/// Here the wall clock has to pass: what an invocation may be held up by a login.
#[tokio::test]
async fn a_dead_token_and_a_vault_that_hangs_hold_up_one_invocation_and_for_ten_seconds() {
    let name = "a dead token and a Vault that hangs hold up one invocation";
    let Some(stage) = stage(name).await else { return };
    let environment = stage.ready().await;
    invoked(&environment).await;
    stage.revoke_logins().await;
    stage.faults.inject(Rule::new(Fault::Silence).path("/v1/auth/aws/login"));
    // A client finds out that the token is dead, and does not wait for the login that follows.
    let logins = || {
        let requests = stage.faults.requests();
        requests.iter().filter(|request| request.path.ends_with("/login")).count()
    };
    let before = logins();
    tokio::select! {
        answer = environment.get(SECRET_URL) => panic!("{}", answer.text()),
        () = async {
            while logins() == before {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let held_up = invoked(&environment).await.duration;
    assert!(held_up < Duration::from_secs(10) + SLACK, "{held_up:?}\n{}", environment.log());
    let line = environment.line("cannot log in to Vault").await;
    assert!(line.contains("ERROR"), "{line}");
    for _ in 0..2 {
        let held_up = invoked(&environment).await.duration;
        assert!(held_up < SLACK, "{held_up:?}\n{}", environment.log());
    }
}

/// Here the wall clock has to pass: the age of an answer is real.
#[tokio::test]
async fn an_answer_of_the_local_vault_api_is_as_old_as_its_question() {
    const LATENCY: Duration = Duration::from_millis(1500);
    const TTL: Duration = Duration::from_secs(2);
    let name = "an answer of the local Vault API is as old as its question";
    let Some(mut stage) = stage(name).await else { return };
    let count = Count::default();
    let vault = Stub::start(move |_| {
        let number = count.next();
        async move {
            tokio::time::sleep(LATENCY).await;
            stub::json(200, &json!({ "data": { "number": number } }))
        }
    })
    .await;
    stage.talk_to(vault.address(), "a token");
    stage.set("VAULT_DEFAULT_CACHE_TTL", &format!("{}s", TTL.as_secs()));
    let environment = stage.ready().await;
    let ask = async || -> Value {
        let headers = [("x-vault-cache-control", "cache")];
        let answer = environment.ask("GET", SECRET_URL, &headers, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"]["number"].clone()
    };
    let asked = Instant::now();
    let first = ask().await;
    tokio::time::sleep(TTL + Duration::from_millis(100) - asked.elapsed().min(TTL)).await;
    assert_ne!(ask().await, first, "it was asked of Vault {:?} ago", asked.elapsed());
}
