//! What comes from the network: Vault, AWS, name servers, Lambda.

use strongroom_core::document::Document;
use strongroom_core::format::{self, Format};
use strongroom_lambda_api::extensions::Event;
use strongroom_vault::aws::assume_role;
use strongroom_vault::aws::credentials::Credentials;
use strongroom_vault::{refusal, srv};

/// Answers of STS and of the container credentials endpoint.
pub(crate) fn aws_answer(bytes: &[u8]) {
    let _ = Credentials::from_container_answer(bytes);
    for status in [200, 403, 500] {
        let _ = assume_role::parse_answer(status, bytes);
    }
}

/// Secrets: what is written of one is JSON where it says so, and every format gives something or a reason.
pub(crate) fn document(bytes: &[u8]) {
    let Some(document) = Document::parse(bytes) else { return };
    let _ = (document.version(), document.lease(), document.is_without_secret());
    let json = document.to_json();
    assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok(), "its own form is JSON");
    for text in ["response", "data", "dotenv", "raw:password"] {
        let format = Format::parse(text).expect("a format");
        let written = format::written(&format, &document);
        if let (Format::Data, Ok(Some(written))) = (&format, &written) {
            assert!(serde_json::from_slice::<serde_json::Value>(written).is_ok());
        }
    }
    let _ = document.warnings().count();
}

/// Events of Lambda.
pub(crate) fn event(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Event>(bytes);
}

/// Vault's error texts: one line of bounded length.
pub(crate) fn refusal(bytes: &[u8]) {
    let line = refusal::errors_of(bytes);
    assert!(line.len() < 4 * 1024 && !line.contains('\n'), "{line}");
}

/// Answers of name servers, and the file that names these.
pub(crate) fn srv_answer(bytes: &[u8]) {
    for id in [0, 7] {
        let _ = srv::parse(id, "vault.test", bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = srv::name_servers(text);
    }
}
