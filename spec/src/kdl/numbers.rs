//! The grammar of numbers; what a number is worth is decided where it is read.

/// Says whether a word that starts as a number is one (KDL 2.0.0, Number).
pub(super) fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word).as_bytes();
    match digits {
        [b'0', b'x', rest @ ..] => is_integer(rest, |byte| byte.is_ascii_hexdigit()),
        [b'0', b'o', rest @ ..] => is_integer(rest, |byte| matches!(byte, b'0'..=b'7')),
        [b'0', b'b', rest @ ..] => is_integer(rest, |byte| matches!(byte, b'0' | b'1')),
        _ => is_decimal(digits),
    }
}

fn is_decimal(digits: &[u8]) -> bool {
    let (mantissa, exponent) = match digits.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (digits.get(..at).unwrap_or_default(), digits.get(at + 1..)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
        Some(at) => (mantissa.get(..at).unwrap_or_default(), mantissa.get(at + 1..)),
        None => (mantissa, None),
    };
    let decimal = |digits: &[u8]| is_integer(digits, |byte| byte.is_ascii_digit());
    let exponent = exponent.map(|digits| match digits {
        [b'+' | b'-', rest @ ..] => rest,
        _ => digits,
    });
    decimal(whole) && fraction.is_none_or(decimal) && exponent.is_none_or(decimal)
}

/// Says whether these are digits with underscores between or behind them, but not in front.
fn is_integer(digits: &[u8], is_digit: fn(u8) -> bool) -> bool {
    let (Some(&first), rest) = (digits.first(), digits.get(1..).unwrap_or_default()) else { return false };
    is_digit(first) && rest.iter().all(|&byte| byte == b'_' || is_digit(byte))
}

/// Returns the number that a malformed one was probably meant to be.
pub(super) fn meant(word: &str) -> Option<String> {
    let sign = if word.starts_with(['+', '-']) { word.get(..1)? } else { "" };
    let rest = word.get(sign.len()..)?;
    let lower = rest.to_ascii_lowercase();
    let candidates = [
        format!("{sign}0{rest}"),
        format!("{sign}{rest}0"),
        format!("{sign}{lower}"),
        format!("{sign}{}", rest.replace(',', "_")),
        format!("{sign}{}", rest.replace(',', ".")),
    ];
    // A `1e` may mean anything, `.5` and `1.` only one thing.
    let plausible = |candidate: &String| {
        is_number(candidate) && (rest.starts_with('.') || rest.ends_with('.') || candidate.len() == word.len())
    };
    candidates.into_iter().find(plausible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_five_spellings_are_numbers() {
        for word in [
            "0",
            "10",
            "007",
            "+1",
            "-1",
            "1_000",
            "1_",
            "1__0",
            "1.5",
            "1_0.0_1",
            "1e5",
            "1E+5",
            "1e-5",
            "1.0e1_0",
            "0xFF",
            "-0xdead_BEEF",
            "0x0_",
            "0o17",
            "+0o7_7",
            "0b1",
            "0b10_01_",
            "99999999999999999999999999999999999999999999",
        ] {
            assert!(is_number(word), "{word}");
        }
    }

    #[test]
    fn what_only_starts_as_a_number_is_none() {
        for word in [
            "1.",
            "1._5",
            "1.e5",
            "1e",
            "1e+",
            "1e_5",
            "1e5.0",
            "1.5.2",
            "0x",
            "0x_1",
            "0xG",
            "0X1",
            "0o8",
            "0o_1",
            "0b2",
            "0b_1",
            "2GiB",
            "80%",
            "10.20.0.0",
            "1-2",
            "1+2",
            "-",
            "+",
            "",
            "1em",
            "1,5",
            "0x1.5",
            "５",
        ] {
            assert!(!is_number(word), "{word}");
        }
    }

    #[test]
    fn a_malformed_number_suggests_the_one_that_was_meant() {
        for (word, expected) in [
            (".5", Some("0.5")),
            ("-.5", Some("-0.5")),
            ("1.", Some("1.0")),
            ("0XFF", Some("0xff")),
            ("1,000", Some("1_000")),
            ("2GiB", None),
            ("1e", None),
            ("10.20.0.0", None),
        ] {
            assert_eq!(meant(word).as_deref(), expected, "{word}");
        }
    }
}
