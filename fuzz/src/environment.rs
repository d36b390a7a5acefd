//! What comes from the environment and its files.

use std::fmt::Write as _;

use strongroom_core::address::{Address, Origin};
use strongroom_core::duration;
use strongroom_core::reference;
use strongroom_core::settings::{
    self, Authorities, Environment, Findings, SettingsFile, Tls, variables,
};
use strongroom_vault::forward::Forward;
use strongroom_vault::tls;

/// A value that must not be seen in anything that is said about it.
const CANARY: &str = "canary-4cd1b3";

/// Addresses and durations: what was parsed says what it is, and that is parsed to the same again.
pub(crate) fn address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = duration::parse(text);
    let _ = duration::parse_seconds_or_duration(text);
    if let Ok(address) = Address::parse(text) {
        let said = address.to_string();
        let again = Address::parse(&said).expect("what it says of itself is an address");
        assert_eq!(again.to_string(), said);
        assert_eq!(again.path_prefix(), address.path_prefix());
    }
}

/// Certificates: refused or taken, never a panic.
pub(crate) fn certificates(bytes: &[u8]) {
    let Ok(pem) = std::str::from_utf8(bytes) else { return };
    let authorities = Authorities::Pem(pem.to_owned());
    let _ = tls::client_config(&Tls { authorities, ..Tls::default() });
}

/// Forward proxies: a password in their address is not shown.
pub(crate) fn forward_proxy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (proxy, exempt) = text.split_once('\n').unwrap_or((text, ""));
    let forward = Forward::from_environment(&|name| match name {
        "HTTP_PROXY" => Some(proxy.to_owned()),
        "HTTPS_PROXY" => Some(format!("http://user:{CANARY}@{proxy}")),
        "NO_PROXY" => Some(exempt.to_owned()),
        _ => None,
    });
    for url in ["http://vault.test", "https://192.0.2.1:8200", "https://[2001:db8::1]"] {
        let origin = Origin::parse(url).expect("a good address");
        if let Some(Ok(found)) = forward.proxy_for(&origin) {
            assert!(!found.to_string().contains(CANARY), "{found}");
        }
    }
}

/// References: each is asked for, and what it gives stands in the value.
pub(crate) fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(Some(template)) = reference::parse(text) else { return };
    let mut asked = 0;
    let resolved = template.resolved(|_| {
        asked += 1;
        Ok::<_, ()>(CANARY.to_owned().into())
    });
    assert_eq!(asked, template.references().count());
    // One that only escapes what would be a reference has none.
    assert!(asked == 0 || resolved.is_ok_and(|value| value.contains(CANARY)));
}

/// Variables: each line is one, its name chosen by its first byte. No secret is seen in what is found wrong.
pub(crate) fn settings(bytes: &[u8]) {
    let mut found = vec![("VAULT_TOKEN".to_owned(), CANARY.to_owned())];
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((first, value)) = line.split_first() else { continue };
        let Ok(value) = std::str::from_utf8(value) else { continue };
        let variable = variables::ALL[usize::from(*first) % variables::ALL.len()];
        let name = variable.name.replace("<NAME>", "DB");
        if name != "VAULT_TOKEN" {
            found.push((name, value.to_owned()));
        }
    }
    let environment = Environment::new(found);
    check(settings::log(&environment).1);
    check(settings::parse(&environment).1);
}

/// The settings file, with a secret in it.
pub(crate) fn settings_file(bytes: &[u8]) {
    let mut content = format!("VAULT_TOKEN = \"{CANARY}\"\n").into_bytes();
    content.extend_from_slice(bytes);
    let file = SettingsFile::parse("strongroom.toml", &content);
    let environment = Environment::new([]).with_file(file);
    check(settings::parse(&environment).1);
}

fn check(findings: Findings) {
    let mut said = String::new();
    for finding in findings.errors.iter().chain(&findings.warnings) {
        let _ = writeln!(said, "{finding}");
    }
    assert!(!said.contains(CANARY), "{said}");
}
