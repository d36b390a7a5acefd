//! Versions, algorithms, and what else two sides must have in common.

use rustls::HandshakeKind;
use strongroom_core::settings::Tls;
use strongroom_vault::tls;

use super::certificates::{Certificate, KeyKind, Profile};
use super::server::{Server, plain_http};
use super::{Expected, NAME, chain, check, connect, trusting};

#[test]
fn kinds_of_keys() {
    let accepted =
        [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa(2048), KeyKind::Rsa(4096)];
    for key in accepted {
        let authority = Certificate::self_signed(&Profile { key, ..Profile::authority("Root") });
        let leaf = Certificate::signed_by(&authority, &Profile { key, ..Profile::default() });
        let server = Server::start(&leaf, &[]);
        check(&trusting(authority.path()), server.address, Expected::Accepted);
    }
}

#[test]
fn kinds_of_keys_that_ring_does_not_know() {
    let (authority, _) = chain();
    let with = |key| Profile { key, ..Profile::default() };
    let server = Server::start(&Certificate::signed_by(&authority, &with(KeyKind::P521)), &[]);
    check(
        &trusting(authority.path()),
        server.address,
        Expected::AcceptedByGoOnly {
            words: "a P-521 certificate is not supported",
            reason: "ring has no P-521",
        },
    );
    let p521 = Profile { key: KeyKind::P521, ..Profile::authority("Root") };
    let authority = Certificate::self_signed(&p521);
    let server = Server::start(&Certificate::signed_by(&authority, &Profile::default()), &[]);
    check(
        &trusting(authority.path()),
        server.address,
        Expected::AcceptedByGoOnly {
            words: "(P-521 and SHA-1 are not supported)",
            reason: "ring has no P-521",
        },
    );
}

#[test]
fn short_rsa_keys() {
    let (authority, _) = chain();
    let profile = Profile { key: KeyKind::Rsa(1024), ..Profile::default() };
    let leaf = Certificate::signed_by(&authority, &profile);
    let server = Server::start(&leaf, &["-cipher", "DEFAULT:@SECLEVEL=0"]);
    check(
        &trusting(authority.path()),
        server.address,
        Expected::AcceptedByGoOnly { words: "2048", reason: "ring wants 2048 bits" },
    );
}

#[test]
fn weak_signatures_are_refused() {
    let authority = Certificate::self_signed(&Profile {
        key: KeyKind::Rsa(2048),
        ..Profile::authority("Root")
    });
    let profile = Profile { digest: "sha1", ..Profile::default() };
    let leaf = Certificate::signed_by(&authority, &profile);
    let server = Server::start(&leaf, &["-cipher", "DEFAULT:@SECLEVEL=0"]);
    check(&trusting(authority.path()), server.address, Expected::Refused("SHA-1"));
}

#[test]
fn protocol_versions() {
    let (authority, leaf) = chain();
    let check = |arguments: &[&str], expected| {
        let server = Server::start(&leaf, arguments);
        check(&trusting(authority.path()), server.address, expected);
    };
    check(&["-tls1_2"], Expected::Accepted);
    check(&["-tls1_3"], Expected::Accepted);
    check(
        &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"],
        Expected::Refused("neither TLS 1.2 nor TLS 1.3"),
    );
}

#[test]
fn http1_is_asked_for() {
    let (authority, leaf) = chain();
    let tls = trusting(authority.path());
    let config = tls::client_config(&tls).unwrap();
    let both = Server::start(&leaf, &["-alpn", "h2,http/1.1"]);
    assert!(connect(&config, &tls, NAME, both.address).is_ok());
    let http2 = Server::start(&leaf, &["-alpn", "h2"]);
    let error = connect(&config, &tls, NAME, http2.address).unwrap_err();
    assert!(error.contains("offers no HTTP/1.1"), "{error}");
}

#[test]
fn sessions_are_resumed() {
    let (authority, leaf) = chain();
    for version in ["-tls1_2", "-tls1_3"] {
        let server = Server::start(&leaf, &[version]);
        let tls = trusting(authority.path());
        let config = tls::client_config(&tls).unwrap();
        let kind = || connect(&config, &tls, NAME, server.address).unwrap();
        assert_eq!(kind(), HandshakeKind::Full);
        assert_eq!(kind(), HandshakeKind::Resumed, "{version}");
    }
}

#[test]
fn a_server_without_tls_is_named_as_one() {
    let address = plain_http();
    let tls = Tls::default();
    let config = tls::client_config_with(&tls, &[]).unwrap();
    let error = connect(&config, &tls, NAME, address).unwrap_err();
    assert!(error.contains("does not speak TLS on this port; hint: is it a plain one?"), "{error}");
}
