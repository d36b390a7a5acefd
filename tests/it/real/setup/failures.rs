//! A setup that fails at any of its requests, and goes on where it was.

use std::net::SocketAddr;

use strongroom_faults::{Fault, Faults, Rule};
use strongroom_tests::beds;
use strongroom_tests::stage::site::Site;

use super::{PARTS, settings};

/// A server, by what the shell calls its address.
#[derive(Clone, Copy, Debug)]
enum Server {
    Aws,
    Vault,
}

/// The site through proxies that may fail.
struct Failing {
    site: Site,
    aws: Faults,
    vault: Faults,
}

impl Failing {
    async fn new() -> Self {
        let mut site = Site::new();
        let address =
            |url: &str| -> SocketAddr { url.strip_prefix("http://").unwrap().parse().unwrap() };
        let aws = Faults::start(address(&site.account.address)).await.unwrap();
        let vault = Faults::start(address(&site.vault.address)).await.unwrap();
        site.set("AWS_ENDPOINT_URL", &aws.url());
        site.set("VAULT_ADDR", &vault.url());
        site.write_package("orders.zip");
        site.write("strongroom.toml", &settings(&site, ""));
        Self { site, aws, vault }
    }

    /// Runs a command whose `nth` write to a server meets the fault; whether one did.
    fn run(&self, command: &str, server: Server, nth: usize, fault: &Fault) -> bool {
        let faults = match server {
            Server::Aws => &self.aws,
            Server::Vault => &self.vault,
        };
        let methods = ["POST", "PUT", "DELETE"];
        // Of AWS's calls the reads are POSTs, too: they may fail as well.
        let rules =
            methods.map(|method| Rule::new(fault.clone()).method(method).after(nth).times(1));
        let rules = rules.map(|rule| faults.inject(rule));
        let run = self.site.run(&["setup", command, "--yes"]);
        let met = rules.iter().any(|rule| faults.met(*rule) > 0);
        faults.clear();
        // The SDK tries again by itself where an answer was lost.
        assert!(met || run.code == Some(0), "{}{}", run.out, run.err);
        if run.code != Some(0) {
            assert!(run.err.contains("error: "), "{}", run.err);
        }
        met
    }
}

/// Has every write of `command` fail once, and sees that it goes on the next time.
async fn check(command: &str, server: Server, fault: Fault) {
    if !beds::available("a setup that fails goes on", &PARTS) {
        return;
    }
    let failing = Failing::new().await;
    let site = &failing.site;
    let before = (site.account.content(), site.content_of_vault());
    let mut nth = 0;
    loop {
        if command == "destroy" {
            site.run(&["setup", "apply", "--yes"]).good();
        }
        let met = failing.run(command, server, nth, &fault);
        if command == "apply" {
            site.run(&["setup", "apply", "--yes"]).good();
            site.run(&["setup", "plan", "--check"]).good();
        }
        site.run(&["setup", "destroy", "--yes"]).good();
        assert_eq!(site.content_of_vault(), before.1, "{command} {server:?} {nth}");
        assert_eq!(site.account.content(), before.0, "{command} {server:?} {nth}");
        if !met {
            break;
        }
        nth += 1;
    }
    // AWS is asked more often than written to.
    assert!(nth >= 3, "only {nth} writes of {command} to {server:?}");
}

fn refused() -> Fault {
    Fault::Answer {
        body: r#"{"errors": ["planted"], "message": "planted"}"#.to_owned(),
        retry_after: None,
        status: 400,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_aws_refuses_at_any_step_goes_on_the_next_time() {
    check("apply", Server::Aws, refused()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_whose_answers_from_aws_are_lost_goes_on_the_next_time() {
    check("apply", Server::Aws, Fault::HalfAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_vault_refuses_at_any_step_goes_on_the_next_time() {
    check("apply", Server::Vault, refused()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_whose_answers_from_vault_are_lost_goes_on_the_next_time() {
    check("apply", Server::Vault, Fault::HalfAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_that_aws_refuses_at_any_step_goes_on_the_next_time() {
    check("destroy", Server::Aws, refused()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_that_vault_refuses_at_any_step_goes_on_the_next_time() {
    check("destroy", Server::Vault, refused()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_cannot_replace_its_key_keeps_the_one_that_it_was_given() {
    if !beds::available("setup on a Vault that rotates nothing", &PARTS) {
        return;
    }
    let failing = Failing::new().await;
    let unknown =
        Fault::Answer { body: r#"{"errors": []}"#.to_owned(), retry_after: None, status: 404 };
    failing.vault.inject(Rule::new(unknown).path("/v1/auth/aws/config/rotate-root"));
    let applied = failing.site.run(&["setup", "apply", "--yes"]).good();
    assert!(applied.err.contains("this Vault cannot replace its access key"), "{}", applied.err);
    failing.site.run(&["setup", "plan", "--check"]).good();
}
