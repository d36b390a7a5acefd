//! What is logged in with, from a variable or from a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use secrecy::SecretString;
use strongroom_core::settings::{Credential, CredentialSource};
use zeroize::Zeroizing;

use crate::error::Error;

/// The credential as it is now, without blanks around it.
pub(super) fn read(credential: &Credential) -> Result<SecretString, Error> {
    let path = match &credential.source {
        CredentialSource::Value(value) => return Ok(value.clone()),
        CredentialSource::File(path) => path,
    };
    let failed = |problem: &str| Error::Credential {
        variable: credential.variable,
        problem: format!("names {}, {problem}", path.display()),
    };
    let content =
        content_of(path).map_err(|error| failed(&format!("which cannot be read: {error}")))?;
    if content.len() > MAXIMUM_SIZE {
        return Err(failed("which is larger than 64 KiB"));
    }
    let text = std::str::from_utf8(&content).map_err(|_| failed("which is no text"))?.trim();
    if text.is_empty() {
        return Err(failed("which is empty"));
    }
    Ok(text.into())
}

/// At most one byte more than is taken. A pipe could hold us up for ever, and is none.
fn content_of(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    // Roomy, as a buffer that grows leaves its old content behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAXIMUM_SIZE + 1));
    File::open(path)?.take(MAXIMUM_SIZE as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Far more than a JWT may have, which goes into a request of its own.
const MAXIMUM_SIZE: usize = 64 * 1024;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests write what is read, and no secret")]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read_file(path: &Path) -> Result<String, String> {
        let source = CredentialSource::File(path.to_owned());
        let credential = Credential { variable: "STRONGROOM_JWT_FILE", source };
        let read = read(&credential).map_err(|error| error.to_string())?;
        Ok(read.expose_secret().to_owned())
    }

    #[test]
    fn a_file_is_read_anew_each_time_without_blanks_around_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt");
        for (content, expect) in [("first\n", "first"), (" second \r\n", "second")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read_file(&path).as_deref(), Ok(expect));
        }
    }

    #[test]
    fn what_is_no_credential_is_an_error_that_names_variable_and_file_and_not_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jwt");
        let check = |expect: &str| {
            let error = read_file(&path).unwrap_err();
            assert!(error.contains("STRONGROOM_JWT_FILE"), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(error.contains(expect), "{error}");
            assert!(!error.contains("canary"), "{error}");
        };
        check("No such file");
        for (content, expect) in [
            (b" \n".to_vec(), "is empty"),
            (b"canary\xff".to_vec(), "is no text"),
            (b"canary ".repeat(10_000), "is larger than 64 KiB"),
        ] {
            std::fs::write(&path, content).unwrap();
            check(expect);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        check("is no regular file");
    }
}
