//! What setup sends, seen on the wire: where the access key's secret goes, and in which namespace Vault is asked.

use std::net::SocketAddr;

use strongroom_tests::beds;
use strongroom_tests::stage::site::Site;
use strongroom_tests::stage::tap::Tap;

use super::{PARTS, settings};

/// A site through wires that remember, to AWS and to Vault.
async fn tapped(top: &str) -> (Site, Tap, Tap) {
    let mut site = Site::new();
    let address =
        |url: &str| -> SocketAddr { url.strip_prefix("http://").unwrap().parse().unwrap() };
    let aws = Tap::start(address(&site.account.address)).await;
    let vault = Tap::start(address(&site.vault.address)).await;
    site.set("AWS_ENDPOINT_URL", &format!("http://{}", aws.address()));
    site.set("VAULT_ADDR", &format!("http://{}", vault.address()));
    site.write_package("orders.zip");
    site.write("strongroom.toml", &format!("{top}{}", settings(&site, "")));
    (site, aws, vault)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_the_access_key_goes_to_vault_and_is_shown_to_nobody() {
    if !beds::available("setup shows no secret", &PARTS) {
        return;
    }
    let (site, aws, vault) = tapped("").await;
    let applied = site.run(&["setup", "apply", "--yes"]).good();
    let passed = aws.passed();
    let (_, rest) = passed.split_once("<SecretAccessKey>").unwrap();
    let (secret, _) = rest.split_once('<').unwrap();
    assert!(secret.len() >= 20 && vault.passed().contains(secret), "no secret reached Vault");
    assert!(!applied.out.contains(secret) && !applied.err.contains(secret), "it was shown");
    let files = std::fs::read_dir(site.directory()).unwrap();
    for file in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let content = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains(secret), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_is_asked_in_the_namespace_of_the_settings_whatever_the_shell_says() {
    if !beds::available("setup asks in a namespace", &PARTS) {
        return;
    }
    // Vault's community edition takes no notice of it.
    let (mut site, _aws, vault) = tapped("VAULT_NAMESPACE = 'team/a'\n").await;
    site.set("VAULT_NAMESPACE", "of-the-shell");
    let planned = site.run(&["setup", "apply", "--yes"]).good();
    assert!(planned.out.contains(", namespace team/a; "), "{}", planned.out);
    let passed = vault.passed().to_lowercase();
    let requests = passed.split("http/1.1\r\n").count();
    let heads = passed.split("\r\n\r\n").filter(|head| head.contains(" /v1/"));
    let mut asked = 0;
    for head in heads {
        let line = head.lines().find(|line| line.contains(" /v1/")).unwrap();
        let is_of_server = line.contains("/v1/sys/seal-status");
        assert_eq!(head.contains("x-vault-namespace: team/a"), !is_of_server, "{line}");
        asked += 1;
    }
    assert!(asked >= 10, "{asked} of {requests}");
}
