//! What goes wrong before the first invocation: a taken port, a slow Vault, a kill by Lambda's own time-out.

use std::time::Duration;

use strongroom_faults::{Fault, Rule};
use strongroom_host::{InitializationType, What};
use strongroom_tests::stage::{PATIENCE, SECRET_FILE, SECRET_URL, SECRET_VALUE, within};

use super::stage;

const LOGIN: &str = "/v1/auth/aws/login";

#[tokio::test]
async fn a_taken_port_ends_init_before_any_login() {
    let Some(stage) = stage("a taken port ends init before any login").await else { return };
    let environment = stage.start().await;
    let _taken = std::net::TcpListener::bind(environment.proxy()).unwrap();
    assert_eq!(environment.init_failure().await, "exit status 3");
    let line = environment.line("[ERROR]").await;
    for part in [
        environment.proxy().to_string().as_str(),
        "Extension.StrongroomListener",
        "STRONGROOM_PROXY_PORT",
        "vault-lambda-extension",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert_eq!(stage.faults.connections(), 0, "nothing was asked of Vault");
}

#[tokio::test]
async fn a_slow_vault_is_waited_for_where_lambda_waits() {
    let name = "a slow Vault is waited for under provisioned concurrency";
    let Some(mut stage) = stage(name).await else { return };
    stage.config.initialization = InitializationType::ProvisionedConcurrency;
    stage.config.init_timeout = Duration::from_secs(60);
    stage.faults.inject(Rule::latency(Duration::from_secs(12)).path(LOGIN).times(1));
    let environment = stage.start().await;
    for seconds in [1, 3, 6] {
        let line = environment.line(&format!("after {seconds} s")).await;
        assert!(line.contains("[WARN]") && line.contains(LOGIN), "{line}");
    }
    environment.initialize().await;
    let seen = environment.invoke(&[], &[SECRET_URL]).await;
    assert_eq!(seen["get"][0]["status"], 200, "{seen}");
    assert_eq!(stage.logins(), 1, "it was waited for, not asked again");
}

#[tokio::test]
async fn a_slow_vault_ends_an_init_on_demand_with_what_was_waited_for() {
    let name = "a slow Vault ends an init on demand with what was waited for";
    let Some(mut stage) = stage(name).await else { return };
    stage.set("STRONGROOM_INIT_TIMEOUT", "2s");
    stage.faults.inject(Rule::new(Fault::Silence).path(LOGIN));
    let environment = stage.start().await;
    assert_eq!(environment.init_failure().await, "exit status 6");
    let line = environment.line("[ERROR]").await;
    let address = stage.faults.address().to_string();
    for part in ["waiting for", LOGIN, address.as_str(), "VPC"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

#[tokio::test]
async fn an_init_that_lambda_ended_in_mid_login_is_made_up_for_in_the_same_tmp() {
    let name = "an init that Lambda ended in mid-login is made up for in the same /tmp";
    let Some(mut stage) = stage(name).await else { return };
    stage.deliver_file();
    stage.config.init_timeout = Duration::from_secs(2);
    stage.faults.inject(Rule::new(Fault::Silence).path(LOGIN).times(1));
    let environment = stage.start().await;
    // What a process of ours leaves that is killed while it writes.
    let secrets = environment.host.tmp().join("secrets");
    let (leftover, foreign) =
        (secrets.join(".strongroom-0123456789abcdef.tmp"), secrets.join("own"));
    std::fs::create_dir(&secrets).unwrap();
    for file in [&leftover, &foreign] {
        drop(std::fs::File::create(file).unwrap());
    }

    let seen = environment.invoke(&[SECRET_FILE], &[SECRET_URL]).await;
    let timed_out = |what: &What| matches!(what, What::InitFailed { error_type, .. } if error_type == "Sandbox.Timedout");
    within("the time-out", environment.host.observed(timed_out)).await;
    assert!(seen["files"][0].to_string().contains(SECRET_VALUE), "{seen}");
    assert_eq!(seen["get"][0]["status"], 200, "{seen}");
    assert!(!leftover.exists() && foreign.exists());
    environment.line("after 1 s, waiting for").await;
    assert!(stage.faults.wait_for_requests(2, PATIENCE).await);
}
