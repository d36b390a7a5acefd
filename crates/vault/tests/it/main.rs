//! Integration tests of the Vault client.

#![expect(clippy::unwrap_used, reason = "what the tests stand on may panic as they may")]

mod tls;
