//! Which certificates are accepted of a server.

use strongroom_core::settings::{Tls, Verification};

use super::certificates::{Certificate, Profile};
use super::server::Server;
use super::{Expected, NAME, chain, check, check_named, trusting};

#[test]
fn a_configured_certificate_is_trusted_whoever_signed_it() {
    let authority = Certificate::self_signed(&Profile::authority("Unknown Root"));
    let with = |extensions| Profile { extensions, ..Profile::default() };
    let accepted = [
        Certificate::self_signed(&with("subjectAltName=DNS:vault.test\nbasicConstraints=CA:TRUE")),
        Certificate::self_signed(&with("subjectAltName=DNS:vault.test\nbasicConstraints=CA:FALSE")),
        Certificate::self_signed(&with("subjectAltName=DNS:vault.test")),
        Certificate::self_signed(&with(
            "subjectAltName=DNS:vault.test\nbasicConstraints=CA:TRUE\nextendedKeyUsage=serverAuth",
        )),
        Certificate::signed_by(&authority, &Profile::default()),
        Certificate::signed_by(
            &authority,
            &with("subjectAltName=DNS:vault.test\nbasicConstraints=CA:TRUE"),
        ),
    ];
    for leaf in accepted {
        let server = Server::start(&leaf, &[]);
        check(&trusting(leaf.path()), server.address, Expected::Accepted);
        let refused = Expected::Refused("is for vault.test, not for other.test");
        check_named(&trusting(leaf.path()), "other.test", server.address, refused);
    }
}

#[test]
fn a_configured_certificate_still_has_dates_and_a_purpose() {
    for extensions in ["basicConstraints=CA:TRUE", "basicConstraints=CA:FALSE"] {
        let extensions = &*format!("subjectAltName=DNS:vault.test\n{extensions}").leak();
        let refused = |profile: &Profile, words| {
            let leaf = Certificate::self_signed(profile);
            let server = Server::start(&leaf, &[]);
            check(&trusting(leaf.path()), server.address, Expected::Refused(words));
        };
        let valid = Profile { extensions, ..Profile::default() };
        refused(&Profile { not_after: "20200201000000Z", ..valid.clone() }, "expired");
        refused(&Profile { not_before: "20980101000000Z", ..valid }, "valid only in");
        let extensions = &*format!("{extensions}\nextendedKeyUsage=clientAuth").leak();
        refused(
            &Profile { extensions, ..Profile::default() },
            "not one for servers; hint: give it the extended key usage serverAuth",
        );
    }
}

#[test]
fn a_certificate_that_signed_itself_is_refused_unless_configured() {
    let (authority, _) = chain();
    for extensions in ["basicConstraints=CA:TRUE", "basicConstraints=CA:FALSE"] {
        let extensions = &*format!("subjectAltName=DNS:vault.test\n{extensions}").leak();
        let leaf = Certificate::self_signed(&Profile { extensions, ..Profile::default() });
        let server = Server::start(&leaf, &[]);
        check(
            &trusting(authority.path()),
            server.address,
            Expected::Refused("signed by itself and not known here; hint: set VAULT_CACERT"),
        );
    }
}

#[test]
fn an_authority_below_another_is_no_server() {
    let (authority, _) = chain();
    let extensions = "subjectAltName=DNS:vault.test\nbasicConstraints=CA:TRUE";
    let profile = Profile { extensions, ..Profile::default() };
    let server = Server::start(&Certificate::signed_by(&authority, &profile), &[]);
    check(
        &trusting(authority.path()),
        server.address,
        Expected::AcceptedByGoOnly {
            words: "that of an authority (CA:TRUE); hint: give the server one with CA:FALSE",
            reason: "webpki accepts no authority as a server; Go does not look",
        },
    );
}

#[test]
fn names_are_verified() {
    let authority = Certificate::self_signed(&Profile::authority("Root"));
    let trusted = trusting(authority.path());
    let check = |extensions: &'static str, names: &[(&str, Expected)]| {
        let profile = Profile { extensions, ..Profile::default() };
        let server = Server::start(&Certificate::signed_by(&authority, &profile), &[]);
        for (name, expected) in names {
            check_named(&trusted, name, server.address, *expected);
        }
    };
    use Expected::{Accepted, Refused};
    let several = "subjectAltName=DNS:a.test,DNS:*.b.test,IP:127.0.0.1,IP:2001:db8::1";
    check(
        several,
        &[
            ("a.test", Accepted),
            ("A.test", Accepted),
            ("x.b.test", Accepted),
            ("127.0.0.1", Accepted),
            ("2001:db8::1", Accepted),
            ("b.test", Refused("is for a.test, *.b.test, 127.0.0.1, 2001:db8::1, not for b.test")),
            ("y.x.b.test", Refused("not for y.x.b.test")),
            (
                "127.0.0.2",
                Refused(
                    "not for 127.0.0.2; hint: if that is the server you mean, set VAULT_TLS_SERVER_NAME",
                ),
            ),
        ],
    );
    check("basicConstraints=CA:FALSE", &[("server", Refused("names no host at all"))]);
    check("subjectAltName=DNS:127.0.0.1", &[("127.0.0.1", Refused("not for 127.0.0.1"))]);
}

#[test]
fn the_server_name_of_the_settings_is_the_one_verified() {
    let (authority, leaf) = chain();
    let server = Server::start(&leaf, &[]);
    let tls = |name: &str| Tls { server_name: Some(name.to_owned()), ..trusting(authority.path()) };
    check_named(&tls(NAME), "127.0.0.1", server.address, Expected::Accepted);
    let refused = Expected::Refused("is for vault.test, not for third.test");
    check_named(&tls("third.test"), NAME, server.address, refused);
}

#[test]
fn dates_are_verified() {
    let authority = Certificate::self_signed(&Profile::authority("Root"));
    let check = |profile: &Profile, words| {
        let server = Server::start(&Certificate::signed_by(&authority, profile), &[]);
        check(&trusting(authority.path()), server.address, Expected::Refused(words));
    };
    let expired = Profile { not_after: "20200201000000Z", ..Profile::default() };
    check(&expired, "days ago; hint: renew it; or is this machine's clock fast?");
    let early = Profile { not_before: "20980101000000Z", ..Profile::default() };
    check(&early, "days; hint: is this machine's clock slow?");
}

#[test]
fn intermediates_must_be_sent_or_configured() {
    let root = Certificate::self_signed(&Profile::authority("Root"));
    let middle = Certificate::signed_by(&root, &Profile::authority("Middle"));
    let leaf = Certificate::signed_by(&middle, &Profile::default());
    let alone = Server::start(&leaf, &[]);
    check(
        &trusting(root.path()),
        alone.address,
        Expected::Refused(
            "signed by \"Middle\", which is not trusted here; hint: set VAULT_CACERT (a PEM file) \
             or VAULT_CACERT_BYTES (PEM text) to that authority; if it is an intermediate one, let",
        ),
    );
    check(&trusting(middle.path()), alone.address, Expected::Accepted);
    let complete = Server::with_chain(&leaf, &middle.path());
    check(&trusting(root.path()), complete.address, Expected::Accepted);
    let other = Certificate::self_signed(&Profile::authority("Other"));
    check(
        &trusting(other.path()),
        complete.address,
        Expected::Refused("and the 1 sent along lead to \"Root\", which is not trusted here"),
    );
}

#[test]
fn verification_can_be_skipped() {
    let expired = Profile { not_after: "20200201000000Z", ..Profile::default() };
    let server = Server::start(&Certificate::self_signed(&expired), &[]);
    let tls = Tls { verification: Verification::Skip, ..Tls::default() };
    check_named(&tls, "other.test", server.address, Expected::Accepted);
}
