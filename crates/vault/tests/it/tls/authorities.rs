//! Whom the settings say to trust.

use std::path::PathBuf;

use strongroom_core::settings::{Authorities, Tls, Verification};
use strongroom_vault::tls;

use super::certificates::{Certificate, Profile, write};
use super::server::Server;
use super::{Expected, NAME, chain, check, check_settings, connect, trusting};

#[test]
fn an_authority_is_trusted_from_file_text_and_directory() {
    let (authority, leaf) = chain();
    let server = Server::start(&leaf, &[]);
    check(&trusting(authority.path()), server.address, Expected::Accepted);

    let tls = |authorities| Tls { authorities, ..Tls::default() };
    let text = tls(Authorities::Pem(authority.pem()));
    check(&text, server.address, Expected::Accepted);

    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("below")).unwrap();
    let other = Certificate::self_signed(&Profile::authority("Other Root"));
    write(&directory.path().join("other.pem"), &other.pem());
    write(&directory.path().join("below/ca.pem"), &authority.pem());
    let directory = tls(Authorities::Directory(directory.path().to_owned()));
    check(&directory, server.address, Expected::Accepted);
}

#[test]
fn an_authority_replaces_all_others() {
    let (authority, leaf) = chain();
    let server = Server::start(&leaf, &[]);
    let other = Certificate::self_signed(&Profile::authority("Other Root"));
    check(
        &trusting(other.path()),
        server.address,
        Expected::Refused(
            "signed by \"Test Root\", which is not trusted here; hint: set VAULT_CACERT",
        ),
    );
    let system = [&*authority.path().to_str().unwrap().to_owned().leak()];
    let config = tls::client_config_with(&trusting(other.path()), system.to_vec().leak()).unwrap();
    assert!(connect(&config, &Tls::default(), NAME, server.address).is_err());
}

#[test]
fn the_system_bundle_is_tried_where_nothing_is_set() {
    let (authority, leaf) = chain();
    let server = Server::start(&leaf, &[]);
    let tls = Tls::default();
    check(&tls, server.address, Expected::Refused("signed by \"Test Root\", which is not trusted"));
    let bundles =
        vec!["/nonexistent", &*authority.path().to_str().unwrap().to_owned().leak()].leak();
    let config = tls::client_config_with(&tls, bundles).unwrap();
    assert!(connect(&config, &tls, NAME, server.address).is_ok());
    assert!(connect(&config, &tls, "other.test", server.address).is_err());
}

#[test]
fn openssl_variables_replace_the_public_authorities() {
    let (authority, leaf) = chain();
    let server = Server::start(&leaf, &[]);
    let check = |ssl_cert_file: Option<PathBuf>, ssl_cert_dir: Option<PathBuf>, expected| {
        let authorities = Authorities::Default { ssl_cert_file, ssl_cert_dir };
        check(&Tls { authorities, ..Tls::default() }, server.address, expected);
    };
    check(Some(authority.path()), None, Expected::Accepted);
    check(
        Some("/nonexistent".into()),
        None,
        Expected::Refused("\"Test Root\", which is not trusted"),
    );
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("README"), "nothing");
    write(&directory.path().join("ca.pem"), &authority.pem());
    std::os::unix::fs::symlink("ca.pem", directory.path().join("0123abcd.0")).unwrap();
    let list = format!("/nonexistent:{}", directory.path().display());
    check(None, Some(list.into()), Expected::Accepted);
}

#[test]
fn wrong_authorities_are_named_with_variable_and_file() {
    let tls = |authorities| Tls { authorities, ..Tls::default() };
    check_settings(
        &trusting("/nonexistent/ca.pem".into()),
        &["cannot read /nonexistent/ca.pem (VAULT_CACERT)", "No such file"],
    );
    let skip = Tls { verification: Verification::Skip, ..trusting("/nonexistent/ca.pem".into()) };
    check_settings(&skip, &["cannot read /nonexistent/ca.pem (VAULT_CACERT)"]);
    check_settings(
        &tls(Authorities::Pem("garbage".to_owned())),
        &["VAULT_CACERT_BYTES holds no certificate that can be used", "no PEM block CERTIFICATE"],
    );
    let damaged = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    check_settings(&tls(Authorities::Pem(damaged.to_owned())), &["a PEM block in it is damaged"]);
    let malformed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check_settings(&tls(Authorities::Pem(malformed.to_owned())), &["malformed"]);
    check_settings(
        &tls(Authorities::Directory("/nonexistent".into())),
        &["cannot read /nonexistent (VAULT_CAPATH)"],
    );
    let directory = tempfile::tempdir().unwrap();
    let at = || tls(Authorities::Directory(directory.path().to_owned()));
    check_settings(&at(), &["VAULT_CAPATH", "there is no file in it"]);
    write(&directory.path().join("README"), "nothing");
    check_settings(&at(), &["README (VAULT_CAPATH) holds no certificate"]);
}

#[test]
fn one_usable_authority_is_enough() {
    let (authority, leaf) = chain();
    let malformed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let both = authority.write("both.pem", &(malformed.to_owned() + &authority.pem()));
    let server = Server::start(&leaf, &[]);
    check(&trusting(both), server.address, Expected::Accepted);
}
