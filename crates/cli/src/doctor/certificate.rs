//! What the certificate says that Vault's address shows: whose it is, for whom, and from when until when.

use strongroom_core::address::Address;
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Check, Outcome, Report};
use strongroom_core::timestamp::Civil;
use strongroom_vault::client::Client;
use strongroom_vault::tls::Presented;

/// Adds it to what is said of TLS, where the address can be asked without a forward proxy.
pub(super) async fn tell(client: &Client, server_name: Option<&str>, report: &mut Report) {
    let Address::Tcp(origin) = client.address() else { return };
    if !client.address().is_https() || report.has(Check::ForwardProxy) || !report.has(Check::Tls) {
        return;
    }
    let name = server_name.unwrap_or(&origin.host);
    let Some(shown) = Presented::at(&origin.host, origin.port(), name).await else { return };
    let described = described(&shown);
    for finding in report.findings.iter_mut().filter(|finding| finding.check == Check::Tls) {
        finding.came_back = format!("{}; it shows a certificate {described}", finding.came_back);
    }
    let is_trusted =
        report.findings.iter().any(|f| f.check == Check::Tls && f.outcome == Outcome::Holds);
    let now = client.clock().now();
    if is_trusted && shown.not_after < day(now + TWO_WEEKS) {
        report.warning(&laptop::EXPIRES_SOON, &[name, &described]);
    }
}

fn described(shown: &Presented) -> String {
    let Presented { subject, names, issuer, not_before, not_after } = shown;
    let called = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
    format!(
        "of {} for {}, signed by {}, valid from {not_before} to {not_after}",
        called(subject),
        if names.is_empty() { "no host".to_owned() } else { names.join(", ") },
        called(issuer),
    )
}

fn day(time: u64) -> String {
    let Civil { year, month, day, .. } = Civil::from_unix(time);
    format!("{year:04}-{month:02}-{day:02}")
}

/// In milliseconds.
const TWO_WEEKS: u64 = 14 * 24 * 3600 * 1000;
