//! As much of a certificate's encoding as is needed to say whose it is and what it is for.
//!
//! Nothing here decides whether a signature is good.

/// OID 1.3.6.1.5.5.7.3.1, id-kp-serverAuth.
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// OID 2.5.29.37.0, anyExtendedKeyUsage.
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
/// OID 2.5.29.37, id-ce-extKeyUsage.
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// OID 2.5.29.17, id-ce-subjectAltName.
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// OIDs 2.5.4.3 and 2.5.4.10, commonName and organizationName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXTENSIONS: u8 = 0xa3;
const VERSION: u8 = 0xa0;
/// Kinds of an alternative name.
pub(super) const DNS_NAME: u8 = 0x82;
pub(super) const IP_ADDRESS: u8 = 0x87;
/// The form of a time before 2050.
pub(super) const UTC_TIME: u8 = 0x17;

/// Whether a certificate may be a server's as far as its extended key usage says: it has none,
/// or one that includes servers.
///
/// <https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12>
pub(super) fn is_for_servers(certificate: &[u8]) -> bool {
    let Some(usages) = extended_key_usages(certificate) else { return true };
    values(usages).any(|(tag, usage)| {
        tag == OBJECT_IDENTIFIER && [SERVER_AUTHENTICATION, ANY_USAGE].contains(&usage)
    })
}

/// The common name in a distinguished name, or else the organization: what a person calls it.
/// Without control characters, at most 100 characters.
///
/// `name` is the content of an X.501 `Name`, without its own tag and length.
pub(super) fn common_name(name: &[u8]) -> Option<String> {
    let attribute = |wanted| {
        values(name).filter(|(tag, _)| *tag == SET).flat_map(|(_, set)| values(set)).find_map(
            |(_, pair)| {
                let mut pair = values(pair);
                (pair.next()? == (OBJECT_IDENTIFIER, wanted)).then(|| pair.next()).flatten()
            },
        )
    };
    let (_, text) = attribute(COMMON_NAME).or_else(|| attribute(ORGANIZATION))?;
    let text = String::from_utf8_lossy(text);
    Some(text.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// What of a certificate a person wants to see, undecoded.
pub(super) struct Parts<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) not_before: (u8, &'a [u8]),
    pub(super) not_after: (u8, &'a [u8]),
    pub(super) subject: &'a [u8],
    /// Its alternative names, each with its kind.
    pub(super) names: Vec<(u8, &'a [u8])>,
}

/// The parts of a certificate. <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>
pub(super) fn parts(certificate: &[u8]) -> Option<Parts<'_>> {
    let (_, certificate) = values(certificate).next()?;
    let (_, to_be_signed) = values(certificate).next()?;
    let mut fields = values(to_be_signed).skip_while(|(tag, _)| *tag == VERSION);
    // Serial number and the algorithm of the signature.
    let (_, issuer) = fields.nth(2)?;
    let (_, validity) = fields.next()?;
    let mut validity = values(validity);
    let (not_before, not_after) = (validity.next()?, validity.next()?);
    let (_, subject) = fields.next()?;
    let names = extension(to_be_signed, ALTERNATIVE_NAME).and_then(|value| values(value).next());
    let names = names.map_or_else(Vec::new, |(_, names)| values(names).collect());
    Some(Parts { issuer, not_before, not_after, subject, names })
}

/// The key purposes of a certificate, if it restricts them.
fn extended_key_usages(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate) = values(certificate).next()?;
    let (_, to_be_signed) = values(certificate).next()?;
    let value = extension(to_be_signed, EXTENDED_KEY_USAGE)?;
    values(value).next().filter(|(tag, _)| *tag == SEQUENCE).map(|(_, usages)| usages)
}

/// The content of the extension of this kind.
fn extension<'a>(to_be_signed: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    let (_, extensions) = values(to_be_signed).find(|(tag, _)| *tag == EXTENSIONS)?;
    let (_, extensions) = values(extensions).next()?;
    values(extensions).find_map(|(_, extension)| {
        let mut fields = values(extension);
        if fields.next()? != (OBJECT_IDENTIFIER, kind) {
            return None;
        }
        fields.find(|(tag, _)| *tag == OCTET_STRING).map(|(_, value)| value)
    })
}

/// The values that stand one after another, each as tag and content; ends at the first mistake.
fn values(mut input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, length], rest) = input.split_first_chunk()?;
        let (length, rest) = match length {
            0x00..=0x7f => (usize::from(length), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        input = rest;
        Some((tag, content))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One value in DER, of any length that fits in two bytes.
    fn value(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let mut bytes = vec![tag];
        match u8::try_from(content.len()) {
            Ok(length) if length < 0x80 => bytes.push(length),
            Ok(length) => bytes.extend([0x81, length]),
            Err(_) => {
                bytes.push(0x82);
                bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            }
        }
        bytes.extend(content);
        bytes
    }

    fn certificate(usages: Option<&[&[u8]]>) -> Vec<u8> {
        let usages = usages.map(|usages| {
            let usages: Vec<Vec<u8>> =
                usages.iter().map(|usage| value(OBJECT_IDENTIFIER, &[usage])).collect();
            let usages: Vec<&[u8]> = usages.iter().map(Vec::as_slice).collect();
            let list = value(OCTET_STRING, &[&value(SEQUENCE, &usages)]);
            let critical = value(0x01, &[&[0xff]]);
            let oid = value(OBJECT_IDENTIFIER, &[EXTENDED_KEY_USAGE]);
            value(SEQUENCE, &[&oid, &critical, &list])
        });
        let other = value(
            SEQUENCE,
            &[
                &value(OBJECT_IDENTIFIER, &[&[0x55, 0x1d, 0x11]]),
                &value(OCTET_STRING, &[&[0; 200]]),
            ],
        );
        let extensions = value(SEQUENCE, &[&other, &usages.unwrap_or_default()]);
        let to_be_signed =
            value(SEQUENCE, &[&value(0x02, &[&[7]]), &value(EXTENSIONS, &[&extensions])]);
        value(SEQUENCE, &[&to_be_signed])
    }

    #[test]
    fn usage_decides_who_is_a_server() {
        let check = |usages: Option<&[&[u8]]>, expected: bool| {
            assert_eq!(is_for_servers(&certificate(usages)), expected, "{usages:x?}");
        };
        let client_authentication: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
        check(None, true);
        check(Some(&[SERVER_AUTHENTICATION]), true);
        check(Some(&[client_authentication, SERVER_AUTHENTICATION]), true);
        check(Some(&[ANY_USAGE]), true);
        check(Some(&[client_authentication]), false);
        check(Some(&[]), false);
    }

    #[test]
    fn names_are_read() {
        let attribute = |kind: &[u8], text: &str| {
            let pair = [value(OBJECT_IDENTIFIER, &[kind]), value(0x0c, &[text.as_bytes()])];
            value(SET, &[&value(SEQUENCE, &[&pair[0], &pair[1]])])
        };
        let organization = attribute(ORGANIZATION, "Example");
        let common = attribute(COMMON_NAME, "Example\n Root");
        let both = [organization.clone(), common].concat();
        assert_eq!(common_name(&both).as_deref(), Some("Example Root"));
        assert_eq!(common_name(&organization).as_deref(), Some("Example"));
        assert_eq!(common_name(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = is_for_servers(&bytes);
            let _ = common_name(&bytes);
            let _ = parts(&bytes);
        }

        #[test]
        fn no_damage_makes_it_panic(position in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = certificate(Some(&[SERVER_AUTHENTICATION]));
            let position = position.index(bytes.len());
            bytes[position] = byte;
            let _ = is_for_servers(&bytes);
        }
    }
}
