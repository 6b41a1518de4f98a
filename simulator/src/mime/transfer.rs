//! Content transfer encodings (RFC 2045 §6).

use super::parameters::hex;

/// A part's `Content-Transfer-Encoding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, which is meant where nothing is said.
    SevenBit,
    /// `8bit`.
    EightBit,
    /// `binary`.
    Binary,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// Another word, in lower case; its octets are taken as they are.
    Other(String),
}

impl Encoding {
    /// Reads a field's value.
    pub fn read(value: &str) -> Self {
        let word = value.split([' ', '\t', ';', '(']).find(|word| !word.is_empty()).unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "" | "7bit" => Self::SevenBit,
            "8bit" => Self::EightBit,
            "binary" => Self::Binary,
            "quoted-printable" => Self::QuotedPrintable,
            "base64" => Self::Base64,
            other => Self::Other(other.chars().take(64).collect()),
        }
    }

    /// Returns the word by which the encoding is named.
    pub fn name(&self) -> &str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
            Self::Other(other) => other,
        }
    }

    /// Whether the octets stand for others.
    pub fn is_encoded(&self) -> bool {
        matches!(self, Self::QuotedPrintable | Self::Base64)
    }

    /// Returns a body's octets decoded; never more than are encoded.
    pub fn decode(&self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Base64 => base64(body),
            Self::QuotedPrintable => quoted_printable(body),
            _ => body.to_vec(),
        }
    }
}

/// Decodes base64, passing over whatever is none of it (RFC 2045 §6.8), up to and beyond padding, as programs do that show all.
fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let mut group = 0_u32;
    let mut bits = 0;
    for byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                bits = 0;
                group = 0;
                continue;
            }
            _ => continue,
        };
        group = group << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits & 0xff) as u8);
        }
    }
    out
}

/// Decodes quoted-printable (RFC 2045 §6.7); what is no escape stays.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        if *first != b'=' {
            let plain = rest.iter().position(|byte| *byte == b'=').unwrap_or(rest.len());
            let (text, tail) = rest.split_at(plain);
            out.extend_from_slice(text);
            rest = tail;
            continue;
        }
        if let [high, low, tail @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high * 16 + low);
            rest = tail;
            continue;
        }
        // A soft line break may have blanks before its end; only a few, so that a long run of them is looked at once.
        let blanks = after.iter().take(80).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match after.get(blanks..) {
            Some([b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..]) => rest = tail,
            _ => {
                out.push(b'=');
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use proptest::prelude::*;

    #[test]
    fn encodings_are_named_in_any_case() {
        assert_eq!(Encoding::read(" BASE64 (x)"), Encoding::Base64);
        assert_eq!(Encoding::read("Quoted-Printable;"), Encoding::QuotedPrintable);
        assert_eq!(Encoding::read(""), Encoding::SevenBit);
        assert_eq!(Encoding::read("x-uuencode").name(), "x-uuencode");
    }

    #[test]
    fn quoted_printable_is_decoded() {
        for (input, expected) in [
            (&b"caf=C3=A9=\r\n!"[..], &b"caf\xc3\xa9!"[..]),
            (b"a= \t\r\nb=\nc", b"abc"),
            (b"=3d=3D=", b"==="),
            (b"=XY=4", b"=XY=4"),
        ] {
            assert_eq!(Encoding::QuotedPrintable.decode(input), expected);
        }
    }

    #[test]
    fn base64_is_decoded_over_line_ends_and_rubbish() {
        assert_eq!(Encoding::Base64.decode(b"aGVs\r\nbG8h\r\n"), b"hello!");
        assert_eq!(Encoding::Base64.decode(b"aG.Vs bG8="), b"hello");
        assert_eq!(Encoding::Base64.decode(b"aGk=aGk="), b"hihi");
    }

    proptest! {
        #[test]
        fn decoding_never_grows(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Encoding::Base64.decode(&body).len() <= body.len());
            prop_assert!(Encoding::QuotedPrintable.decode(&body).len() <= body.len());
        }

        #[test]
        fn what_was_encoded_is_decoded(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = base64::engine::general_purpose::STANDARD.encode(&body);
            prop_assert_eq!(Encoding::Base64.decode(text.as_bytes()), body);
        }
    }
}
