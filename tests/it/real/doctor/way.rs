//! The way to Vault: real Vault, on ports and behind certificates that are not as they should be.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use strongroom_tests::beds::{Authority, Certified, Vault};
use strongroom_tests::stage::free_port;
use strongroom_tests::stage::stub::{Stub, whole};

use super::{Bed, Fault, check, fault, warning};

const FAULTS: &[Fault] = &[
    fault(
        "a name that nobody has",
        |bed| bed.set("VAULT_ADDR", "http://vault.invalid:8200"),
        "dns",
        &["vault.invalid", "no address", "dig +short vault.invalid"],
    ),
    fault(
        "nothing listens",
        |bed| bed.set("VAULT_ADDR", &format!("http://127.0.0.1:{}", free_port())),
        "tcp",
        &["Connection refused", "nothing listens there", "set VLE_VAULT_ADDR"],
    ),
    fault(
        "nothing answers, as behind a security group",
        |bed| {
            let address = silent(bed);
            bed.set("VAULT_ADDR", &address);
        },
        "tcp",
        &[
            "no answer in time; it was waiting for a TCP connection",
            "security group",
            "out to port",
        ],
    ),
    fault(
        "an authority that nobody knows",
        |bed| {
            over_tls(bed, &Authority::new().server("127.0.0.1"));
        },
        "tls",
        &["not known here", "set VAULT_CACERT"],
    ),
    fault(
        "a certificate for another host",
        |bed| trusted(bed, |authority| authority.server("vault.example.com")),
        "tls",
        &[
            "for vault.example.com, not for 127.0.0.1",
            "shows a certificate of",
            "for vault.example.com, signed by",
            "set VAULT_TLS_SERVER_NAME",
        ],
    ),
    fault(
        "a certificate that has expired",
        |bed| trusted(bed, |authority| authority.server_between("127.0.0.1", (2020, 2021))),
        "tls",
        &["expired", "days ago", "valid from 2020-01-01 to 2021-01-01", "renew it"],
    ),
    fault(
        "a certificate of the future",
        |bed| trusted(bed, |authority| authority.server_between("127.0.0.1", (2090, 2091))),
        "tls",
        &["valid only in", "clock slow"],
    ),
    warning(
        "a certificate that expires soon",
        |bed| {
            let soon = jiff::Timestamp::now() + std::time::Duration::from_secs(5 * 24 * 3600);
            let authority = Authority::new();
            over_tls(bed, &authority.server_until("127.0.0.1", soon.as_second()));
            let file = bed.file("authority.pem", authority.pem.as_bytes());
            bed.set("VAULT_CACERT", &file.to_string_lossy());
            // That Vault knows nobody: as far as TLS is enough.
            for name in [
                "VAULT_AUTH_PROVIDER",
                "VAULT_AUTH_ROLE",
                "VAULT_IAM_SERVER_ID",
                "VAULT_SECRET_PATH",
                "DB_PASSWORD",
            ] {
                bed.unset(name);
            }
            bed.set("VAULT_TOKEN", super::ROOT_TOKEN);
        },
        "tls",
        &["expires within two weeks", "renew it there"],
    ),
    fault(
        "https where Vault speaks http",
        |bed| {
            let address = bed.vault.address.replace("http://", "https://");
            bed.set("VAULT_ADDR", &address);
        },
        "tls",
        &["does not speak TLS", "begins with http://"],
    ),
    fault(
        "http where Vault speaks https",
        |bed| {
            let address = over_tls(bed, &Authority::new().server("127.0.0.1"));
            bed.set("VAULT_ADDR", &address.replace("https://", "http://"));
        },
        "health",
        &["status 400", "speaks TLS", "set VLE_VAULT_ADDR=https://127.0.0.1"],
    ),
    fault(
        "a file of authorities that is not there",
        |bed| {
            bed.set("VAULT_ADDR", "https://127.0.0.1:8201");
            bed.set("VAULT_CACERT", "/var/task/authority.pem");
        },
        "tls",
        &["/var/task/authority.pem", "VAULT_CACERT", "not on this machine"],
    ),
    fault(
        "a forward proxy that is not there",
        |bed| bed.set("VAULT_HTTP_PROXY", &format!("http://localhost:{}", free_port())),
        "forward-proxy",
        &["127.0.0.1:", "Connection refused", "NO_PROXY"],
    ),
    fault(
        "a forward proxy that opens no tunnel",
        |bed| {
            let proxy = stub(bed, 403, "no");
            bed.set("VAULT_PROXY_ADDR", &proxy);
            bed.set("VAULT_ADDR", "https://vault.example.com:8200");
        },
        "forward-proxy",
        &["answered 403 to CONNECT vault.example.com:8200", "allow CONNECT vault.example.com:8200"],
    ),
];

/// Starts another Vault with this certificate; the function does not know its authority.
fn over_tls(bed: &mut Bed, certified: &Certified) -> String {
    let Certified { certificate, key } = certified;
    let address = format!("127.0.0.1:{}", free_port());
    let vault = Vault::start_with_tls_unasked(&address, certificate, key);
    let address = vault.address.clone();
    bed.set("VAULT_ADDR", &address);
    bed.held.push(Box::new(vault));
    address
}

/// The same, and the function trusts the authority.
fn trusted(bed: &mut Bed, certify: fn(&Authority) -> Certified) {
    let authority = Authority::new();
    over_tls(bed, &certify(&authority));
    let file = bed.file("authority.pem", authority.pem.as_bytes());
    bed.set("VAULT_CACERT", &file.to_string_lossy());
}

/// An address that leaves connections unanswered: its queue is full, and nobody takes them out of it.
fn silent(bed: &mut Bed) -> String {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        bed.held.push(Box::new(stream));
    }
    bed.held.push(Box::new(listener));
    format!("http://{address}")
}

/// A server that answers everything alike; returns its address.
pub(super) fn stub(bed: &mut Bed, status: u16, body: &'static str) -> String {
    let stub = Bed::wait(Stub::start(move |_| async move {
        http::Response::builder().status(status).body(whole(body)).unwrap()
    }));
    let address = format!("http://{}", stub.address());
    bed.held.push(Box::new(stub));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn each_break_on_the_way_to_vault_is_named() {
    check("doctor: the way to Vault", FAULTS);
}
