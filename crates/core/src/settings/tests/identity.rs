//! Ways to log in, by table.

use secrecy::ExposeSecret as _;

use super::*;

const APPROLE: (&str, &str) = ("STRONGROOM_AUTH_METHOD", "approle");
const CERT: (&str, &str) = ("STRONGROOM_AUTH_METHOD", "cert");
const JWT: (&str, &str) = ("STRONGROOM_AUTH_METHOD", "jwt");
const ROLE_ID: (&str, &str) = ("STRONGROOM_APPROLE_ROLE_ID", "canary-role-id");
const SECRET_ID: (&str, &str) = ("STRONGROOM_APPROLE_SECRET_ID", "canary-secret-id");
const SECRET_ID_FILE: (&str, &str) = ("STRONGROOM_APPROLE_SECRET_ID_FILE", "/tmp/secret-id");
const WRAPPED: (&str, &str) = ("STRONGROOM_APPROLE_SECRET_ID_WRAPPED", "on");
const HTTPS: (&str, &str) = ("VAULT_ADDR", "https://vault.example");
const NO_MOUNT: (&str, &str) = ("VAULT_AUTH_PROVIDER", "");
const NO_ROLE: (&str, &str) = ("VAULT_AUTH_ROLE", "");
const CERTIFICATE: [(&str, &str); 2] =
    [("VAULT_CLIENT_CERT", "/c.pem"), ("VAULT_CLIENT_KEY", "/k.pem")];

#[test]
fn what_a_way_to_log_in_needs_is_asked_for_and_what_belongs_to_another_is_refused() {
    check(&[("STRONGROOM_AUTH_METHOD", "kerberos")], &["STRONGROOM_AUTH_METHOD"], &[]);
    check(&[ROLE_ID], &["STRONGROOM_APPROLE_ROLE_ID"], &[]);
    check(
        &[("STRONGROOM_JWT", "canary-jwt"), ("STRONGROOM_JWT_FILE", "/tmp/jwt")],
        &["STRONGROOM_JWT", "STRONGROOM_JWT_FILE"],
        &[],
    );
    let of_aws = [("VAULT_IAM_SERVER_ID", "x"), ("STRONGROOM_EXTERNAL_ID", "x")];
    let jwt_in_file = ("STRONGROOM_JWT_FILE", "/tmp/jwt");
    check(
        &[JWT, jwt_in_file, of_aws[0], of_aws[1]],
        &["STRONGROOM_EXTERNAL_ID"],
        &["VAULT_IAM_SERVER_ID"],
    );
    check(&[JWT, jwt_in_file, ("VAULT_TOKEN", "hvs.canary-token")], &[], &["VAULT_TOKEN"]);
}

#[test]
fn an_approle_needs_a_role_id_and_one_secret_id_at_most() {
    check(&[APPROLE, NO_ROLE], &["STRONGROOM_APPROLE_ROLE_ID"], &[]);
    check(&[APPROLE, ROLE_ID], &[], &["VAULT_AUTH_ROLE"]);
    let base = [APPROLE, ROLE_ID, NO_ROLE];
    let check = |more: &[(&str, &str)], errors: &[&str]| {
        check(&[&base, more].concat(), errors, &[]);
    };
    check(&[], &[]);
    check(&[SECRET_ID], &[]);
    check(&[SECRET_ID_FILE], &[]);
    check(&[SECRET_ID, SECRET_ID_FILE], &["STRONGROOM_APPROLE_SECRET_ID_FILE"]);
    let relative = ("STRONGROOM_APPROLE_SECRET_ID_FILE", "tmp/secret-id");
    check(&[relative], &["STRONGROOM_APPROLE_SECRET_ID_FILE"]);
    check(&[WRAPPED], &["STRONGROOM_APPROLE_SECRET_ID_WRAPPED"]);
    check(&[WRAPPED, SECRET_ID], &[]);
    let snap_start = ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start");
    check(&[WRAPPED, SECRET_ID, snap_start], &["STRONGROOM_APPROLE_SECRET_ID_WRAPPED"]);
    check(&[SECRET_ID, snap_start], &[]);
}

#[test]
fn a_jwt_is_needed_and_a_role_is_not() {
    check(&[JWT], &["STRONGROOM_JWT"], &[]);
    check(&[JWT, NO_ROLE, NO_MOUNT, ("STRONGROOM_JWT", "canary-jwt")], &[], &[]);
    check(&[JWT, ("STRONGROOM_JWT_FILE", "jwt")], &["STRONGROOM_JWT_FILE"], &[]);
}

#[test]
fn a_certificate_is_needed_and_an_address_by_which_it_is_shown() {
    let [certificate, key] = CERTIFICATE;
    check(&[CERT, HTTPS], &["VAULT_CLIENT_CERT"], &[]);
    check(&[CERT, HTTPS, certificate, key], &[], &[]);
    check(&[CERT, HTTPS, certificate], &["VAULT_CLIENT_KEY"], &[]);
    check(&[CERT, certificate, key], &["STRONGROOM_AUTH_METHOD"], &[]);
    let socket = ("VAULT_ADDR", "unix:///run/vault.sock");
    check(&[CERT, socket, certificate, key], &["STRONGROOM_AUTH_METHOD"], &[]);
}

#[test]
fn each_way_has_a_mount_of_its_own_unless_another_is_named() {
    let mount_and_role = |more: &[(&str, &str)]| match parsed(more).identity {
        Identity::AppRole(login) => (login.mount, None),
        Identity::AwsIam(login) => (login.mount, Some(login.role)),
        Identity::Certificate(login) => (login.mount, login.role),
        Identity::Jwt(login) => (login.mount, login.role),
        Identity::Token(_) => unreachable!("none is given"),
    };
    let check = |more: &[(&str, &str)], mount: &str, role: Option<&str>| {
        assert_eq!(mount_and_role(more), (mount.to_owned(), role.map(str::to_owned)), "{more:?}");
    };
    let [certificate, key] = CERTIFICATE;
    let jwt = ("STRONGROOM_JWT", "canary-jwt");
    check(&[], "aws", Some("lambda"));
    check(&[APPROLE, ROLE_ID, NO_MOUNT], "approle", None);
    check(&[JWT, jwt, NO_MOUNT, NO_ROLE], "jwt", None);
    check(&[CERT, HTTPS, certificate, key, NO_MOUNT, NO_ROLE], "cert", None);
    check(&[JWT, jwt, ("VAULT_AUTH_PROVIDER", "/team/gitlab/")], "team/gitlab", Some("lambda"));
}

#[test]
fn what_is_logged_in_with_is_never_shown() {
    let settings = parsed(&[APPROLE, ROLE_ID, (SECRET_ID.0, " canary-secret-id\n"), WRAPPED]);
    assert!(!format!("{settings:?}").contains("canary"), "{settings:?}");
    let Identity::AppRole(AppRole { role_id, secret_id: Some(secret_id), .. }) = settings.identity
    else {
        panic!("it is an AppRole with a secret id")
    };
    assert_eq!(role_id.expose_secret(), ROLE_ID.1);
    assert!(secret_id.is_wrapped);
    let CredentialSource::Value(value) = secret_id.credential.source else { panic!("a value") };
    assert_eq!(value.expose_secret(), SECRET_ID.1);
    let settings = parsed(&[JWT, ("STRONGROOM_JWT", "canary-jwt")]);
    assert!(!format!("{settings:?}").contains("canary"), "{settings:?}");
}
