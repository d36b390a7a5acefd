//! The certificate that we show.

use std::path::PathBuf;

use strongroom_core::settings::{ClientIdentity, Tls};

use super::certificates::{Certificate, KeyKind, Profile};
use super::server::Server;
use super::{Expected, chain, check, check_settings, trusting};

/// The files of a client certificate in each form of key.
fn client_keys(authority: &Certificate) -> Vec<(Certificate, PathBuf)> {
    let client = |key| {
        let extensions = "extendedKeyUsage=clientAuth";
        let profile = Profile { common_name: "client", key, extensions, ..Profile::default() };
        Certificate::signed_by(authority, &profile)
    };
    let (rsa, ec, pkcs8, edwards) = (
        client(KeyKind::Rsa(2048)),
        client(KeyKind::P256),
        client(KeyKind::P384),
        client(KeyKind::Ed25519),
    );
    let pkcs1 = rsa.convert_key(&["rsa", "-traditional", "-in", "key.pem", "-out", "pkcs1.pem"]);
    let sec1 = ec.convert_key(&["ec", "-in", "key.pem", "-out", "sec1.pem"]);
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    assert!(text(&pkcs1).contains("BEGIN RSA PRIVATE KEY"));
    assert!(text(&sec1).contains("BEGIN EC PRIVATE KEY"));
    assert!(text(&pkcs8.key()).contains("BEGIN PRIVATE KEY"));
    // As `openssl ecparam -genkey` writes it.
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let sec1 = ec.write("parameters.pem", &(parameters.to_owned() + &text(&sec1)));
    let (pkcs8_key, edwards_key) = (pkcs8.key(), edwards.key());
    vec![(rsa, pkcs1), (ec, sec1), (pkcs8, pkcs8_key), (edwards, edwards_key)]
}

#[test]
fn a_client_certificate_is_shown_if_asked_for() {
    let (authority, leaf) = chain();
    let clients = Certificate::self_signed(&Profile::authority("Clients"));
    let keys = client_keys(&clients);
    for version in ["-tls1_2", "-tls1_3"] {
        let server = Server::mutual(&leaf, &clients, version);
        for (certificate, key) in &keys {
            let identity = ClientIdentity { certificate: certificate.path(), key: key.clone() };
            let tls = Tls { client_identity: Some(identity), ..trusting(authority.path()) };
            check(&tls, server.address, Expected::Accepted);
        }
        let stranger = Certificate::self_signed(&Profile::default());
        let identity = ClientIdentity { certificate: stranger.path(), key: stranger.key() };
        let tls = Tls { client_identity: Some(identity), ..trusting(authority.path()) };
        check(&tls, server.address, Expected::Refused("the server refuses our client certificate"));
        check(&trusting(authority.path()), server.address, Expected::Refused("VAULT_CLIENT_CERT"));
    }
}

#[test]
fn wrong_client_identities_are_named_with_variable_and_file() {
    let client = Certificate::self_signed(&Profile::default());
    let other = Certificate::self_signed(&Profile::default());
    let check = |certificate: PathBuf, key: PathBuf, words: &[&str]| {
        let client_identity = Some(ClientIdentity { certificate, key });
        let tls = Tls { client_identity, ..Tls::default() };
        check_settings(&tls, words);
    };
    check(
        "/nonexistent/c.pem".into(),
        client.key(),
        &["cannot read /nonexistent/c.pem (VAULT_CLIENT_CERT)"],
    );
    check(
        client.path(),
        "/nonexistent/k.pem".into(),
        &["cannot read /nonexistent/k.pem (VAULT_CLIENT_KEY)"],
    );
    check(client.path(), other.key(), &["(VAULT_CLIENT_KEY) is not that of the certificate in"]);
    check(client.key(), client.key(), &["(VAULT_CLIENT_CERT)", "no PEM block CERTIFICATE"]);
    check(client.path(), client.path(), &["(VAULT_CLIENT_KEY) holds no private key; hint:"]);
    let encrypt = ["pkey", "-aes128", "-passout", "pass:x", "-in", "key.pem", "-out", "pkcs8.pem"];
    check(client.path(), client.convert_key(&encrypt), &["(VAULT_CLIENT_KEY) is encrypted; hint:"]);
    let encrypt = ["ec", "-aes128", "-passout", "pass:x", "-in", "key.pem", "-out", "old.pem"];
    check(client.path(), client.convert_key(&encrypt), &["(VAULT_CLIENT_KEY) is encrypted; hint:"]);
    let p521 = Certificate::self_signed(&Profile { key: KeyKind::P521, ..Profile::default() });
    check(p521.path(), p521.key(), &["(VAULT_CLIENT_KEY)", "P-521 is not supported"]);
}
