//! Secrets that end on real Vault while the function runs: leases of a database, tokens, versions.

use serde_json::{Value, json};
use std::time::Duration;
use strongroom_tests::beds::{self, Part, Postgres, practice};
use strongroom_tests::stage::practice::Practice;
use strongroom_tests::stage::{Environment, within};

use super::{LOGIN, practice_of};

const POLICY: &str = r#"
path "kv/data/test/*" { capabilities = ["read"] }
path "database/creds/app" { capabilities = ["read"] }
"#;
const FILE: &str = "/tmp/vault/secret.json";
const LEASE_RENEWAL: &str = "update sys/leases/renew";

/// The practice, whose function has a user of a real database in its file.
fn with_database(test: &str, default_ttl: &str, max_ttl: &str) -> Option<(Practice, Postgres)> {
    if !beds::available(test, &[Part::Postgres]) {
        return None;
    }
    let mut practice = practice_of(test)?;
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": POLICY}));
    let postgres = Postgres::start();
    postgres.serve(&practice.vault);
    let held = practice.vault.read("database/roles/app");
    let mut role = held["data"].clone();
    role["default_ttl"] = default_ttl.into();
    role["max_ttl"] = max_ttl.into();
    practice.vault.write("database/roles/app", &role);
    practice.set("VAULT_SECRET_PATH", "database/creds/app");
    practice.set("STRONGROOM_FILE_FORMAT", "data");
    Some((practice, postgres))
}

fn user(environment: &Environment) -> String {
    let held: Value = serde_json::from_str(&environment.file(FILE)).unwrap();
    held["username"].as_str().unwrap().to_owned()
}

/// Invokes the function until it is so.
async fn invoke_until(environment: &Environment, mut is_so: impl FnMut() -> bool) {
    within("what an invocation brings about", async {
        while !is_so() {
            environment.invoke(&[FILE], &[]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_and_its_user_stays() {
    let test = "a lease is renewed and its user stays";
    let Some((mut practice, postgres)) = with_database(test, "20s", "10m") else { return };
    practice.config.timeout = Duration::from_millis(19_900);
    let environment = practice.ready().await;
    let before = user(&environment);
    invoke_until(&environment, || practice.audit.count(LEASE_RENEWAL) >= 2).await;
    assert_eq!(user(&environment), before);
    assert!(postgres.lets_in(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_what_a_lease_may_live_the_file_has_another_user() {
    let test = "at the end of what a lease may live";
    let Some((practice, postgres)) = with_database(test, "2s", "3s") else { return };
    let environment = practice.ready().await;
    let first = user(&environment);
    for _ in 0..3 {
        let before = user(&environment);
        invoke_until(&environment, || user(&environment) != before).await;
        assert!(postgres.lets_in(&user(&environment)), "{}", environment.log());
    }
    within("the first user's end", async {
        while postgres.lets_in(&first) {
            environment.invoke(&[FILE], &[]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_token_has_lived_as_long_as_it_may_the_file_has_another_user() {
    let test = "when a token has lived as long as it may";
    let Some((practice, postgres)) = with_database(test, "1h", "1h") else { return };
    let role = json!({"token_ttl": "2s", "token_max_ttl": "3s"});
    practice.vault.write(&format!("auth/aws/role/{}", practice::ROLE), &role);
    let environment = practice.ready().await;
    let before = user(&environment);
    invoke_until(&environment, || practice.audit.count(LOGIN) >= 3).await;
    invoke_until(&environment, || user(&environment) != before).await;
    assert!(postgres.lets_in(&user(&environment)), "{}", environment.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_and_its_password_come_from_one_lease() {
    let test = "a user name and its password come from one lease";
    if !beds::available(test, &[Part::PrivateNetwork, Part::Wrapper]) {
        return;
    }
    let Some((mut practice, postgres)) = with_database(test, "1h", "1h") else { return };
    practice.start_by_wrapper();
    practice.set("DB_USER", "vault:database/creds/app#username");
    practice.set("DB_PASSWORD", "vault:database/creds/app#password");
    let environment = practice.ready().await;
    let seen = environment.variables(&["DB_USER", "DB_PASSWORD"]).await;
    let held: Value = serde_json::from_str(&environment.file(FILE)).unwrap();
    assert_eq!([&json!(seen[0]), &json!(seen[1])], [&held["username"], &held["password"]]);
    assert!(postgres.lets_in(seen[0].as_deref().unwrap()));
    assert_eq!(practice.audit.count("read database/creds/app"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_version_is_given_until_it_is_deleted_or_destroyed() {
    let test = "a pinned version is given until it is deleted";
    if !beds::available(test, &[Part::PrivateNetwork, Part::Wrapper]) {
        return;
    }
    let Some(mut practice) = practice_of(test) else { return };
    practice.start_by_wrapper();
    practice.vault.write_secret("second");
    let reference = format!("vault:{}#{}", practice::SECRET_PATH, practice::SECRET_KEY);
    practice.set("NEWEST", &reference);
    practice.set("FIRST", &format!("{reference}#1"));
    let names = ["NEWEST", "FIRST"];
    let environment = practice.ready().await;
    let seen = environment.variables(&names).await;
    assert_eq!(seen, [Some("second".to_owned()), Some(practice::SECRET_VALUE.to_owned())]);
    environment.shut_down().await;

    for way in ["delete", "destroy"] {
        let path = practice::SECRET_PATH.replacen("/data/lambda", &format!("/{way}/lambda"), 1);
        practice.vault.write(&path, &json!({"versions": [1]}));
        practice.set("FIRST", &format!("{reference}#1"));
        let environment = practice.start().await;
        let invocation = environment.try_invoke(&[], &[]).await;
        environment.shut_down().await;
        let told: Value = serde_json::from_slice(&invocation.payload).unwrap();
        assert_eq!(told["errorType"], "Runtime.StrongroomSecretUnavailable", "{told}");
        let message = told["errorMessage"].as_str().unwrap();
        assert!(message.contains("FIRST") && message.contains("version 1"), "{message}");
        practice.set("FIRST", &format!("{reference}#1|gone"));
        let environment = practice.ready().await;
        let seen = environment.variables(&names).await;
        environment.shut_down().await;
        assert_eq!(seen[1].as_deref(), Some("gone"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_data_is_found_below_a_mount_that_has_it_in_its_name() {
    let test = "a path without data/ is found";
    if !beds::available(test, &[Part::PrivateNetwork, Part::Wrapper]) {
        return;
    }
    let Some(mut practice) = practice_of(test) else { return };
    practice.start_by_wrapper();
    practice.vault.write("sys/policies/acl/lambda", &json!({"policy": POLICY}));
    let path = practice::SECRET_PATH.replacen("/data/lambda", "/lambda", 1);
    practice.set("API_KEY", &format!("vault:{path}#{}", practice::SECRET_KEY));
    let environment = practice.ready().await;
    let seen = environment.variables(&["API_KEY"]).await;
    assert_eq!(seen, [Some(practice::SECRET_VALUE.to_owned())], "{}", environment.log());
    environment.line(practice::SECRET_PATH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_rotated_reaches_the_file_of_a_running_function() {
    let Some(mut practice) = practice_of("a rotated secret reaches the file") else { return };
    practice.set("STRONGROOM_REFRESH", "1ms");
    practice.set("STRONGROOM_FILE_FORMAT", &format!("raw:{}", practice::SECRET_KEY));
    let environment = practice.ready().await;
    for value in ["second", "third"] {
        practice.vault.write_secret(value);
        environment.invoke(&[FILE], &[]).await;
        assert_eq!(environment.file(FILE), value);
    }
}
