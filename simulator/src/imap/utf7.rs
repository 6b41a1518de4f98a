//! Modified UTF-7, in which mailbox names travel (RFC 3501 §5.1.3).

use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::store::NameError;

/// Base64 with `,` for `/`, without padding, whose spare bits must be zero.
fn engine() -> Option<GeneralPurpose> {
    let alphabet = Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").ok()?;
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false);
    Some(GeneralPurpose::new(&alphabet, config))
}

/// Reads modified UTF-7; every text has one spelling, others are refused.
pub(super) fn decode(bytes: &[u8]) -> Result<String, NameError> {
    let text = std::str::from_utf8(bytes).map_err(|_| NameError::Encoding)?;
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (plain, shifted) = rest.split_at(at);
        out.push_str(plain);
        let (code, behind) = shifted.get(1..).and_then(|code| code.split_once('-')).ok_or(NameError::Encoding)?;
        if code.is_empty() {
            out.push('&');
        } else {
            let bytes = engine().and_then(|engine| engine.decode(code).ok()).ok_or(NameError::Encoding)?;
            if bytes.len() % 2 != 0 {
                return Err(NameError::Encoding);
            }
            let units = bytes.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            for character in char::decode_utf16(units) {
                out.push(character.map_err(|_| NameError::Encoding)?);
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    // Neither `&AGE-` for `a`, nor two shifts in a row, nor eight-bit characters outside of shifts.
    if encode(&out).as_bytes() == bytes { Ok(out) } else { Err(NameError::Encoding) }
}

/// Writes a name in modified UTF-7.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    let mut units: Vec<u8> = Vec::new();
    let flush = |units: &mut Vec<u8>, out: &mut String| {
        if !units.is_empty() {
            let code = engine().map(|engine| engine.encode(&*units)).unwrap_or_default();
            out.push('&');
            out.push_str(&code);
            out.push('-');
            units.clear();
        }
    };
    for character in text.chars() {
        match character {
            '&' => {
                flush(&mut units, &mut out);
                out.push_str("&-");
            }
            ' '..='~' => {
                flush(&mut units, &mut out);
                out.push(character);
            }
            other => {
                let mut buffer = [0; 2];
                units.extend(other.encode_utf16(&mut buffer).iter().flat_map(|unit| unit.to_be_bytes()));
            }
        }
    }
    flush(&mut units, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        assert_eq!(decode(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-").as_deref(), Ok("~peter/mail/台北/日本語"));
        assert_eq!(encode("Entwürfe & mehr"), "Entw&APw-rfe &- mehr");
    }

    #[test]
    fn a_text_has_one_spelling() {
        for bad in
            ["&", "a&b", "&AGE-", "&APw", "&APw=-", "&2AA-", "&3AA-", "&APw-&APw-", "ü", "&ZeVnLIqe", "&A-", "&/-"]
        {
            assert_eq!(decode(bad.as_bytes()), Err(NameError::Encoding), "{bad}");
        }
        assert_eq!(decode(b"\xFF"), Err(NameError::Encoding));
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "\\PC{0,40}") {
            let encoded = encode(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode(encoded.as_bytes()), Ok(text));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), code in "[A-Za-z0-9+,&-]{0,20}") {
            let _ = decode(&bytes);
            let _ = decode(code.as_bytes());
        }
    }
}
