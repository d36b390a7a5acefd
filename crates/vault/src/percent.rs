//! Percent-encoding: <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>

/// Percent-encodes all but RFC 3986's unreserved characters and `kept`.
pub(crate) fn encode(out: &mut String, text: &str, kept: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Decodes what is percent-encoded; a lone percent sign stands for itself.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = |at: usize| {
            behind.get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8)
        };
        if *first == b'%'
            && let (Some(high), Some(low)) = (hex(0), hex(1))
        {
            decoded.push(high << 4 | low);
            rest = &behind[2..];
        } else {
            decoded.push(*first);
            rest = behind;
        }
    }
    decoded
}
