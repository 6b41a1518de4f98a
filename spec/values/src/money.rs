//! Amounts of money, such as `0.40 USD`.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, decimal, line::refuse_hostile, quoted, registries, text_form::text_form};

/// An amount in the smallest unit of a currency of ISO 4217, never negative.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    currency: [u8; 3],
    minor_units: u64,
}

/// Returns how many places a currency's smallest unit has (ISO 4217, list one).
fn places(currency: &[u8; 3]) -> u32 {
    match currency {
        b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX" | b"VND"
        | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
        b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
        _ => 2,
    }
}

impl Money {
    /// Returns the currency's three letters.
    pub fn currency(&self) -> &str {
        std::str::from_utf8(&self.currency).expect("a currency is made of ASCII letters")
    }

    /// Returns the amount in the currency's smallest unit: cents for USD.
    pub const fn minor_units(&self) -> u64 {
        self.minor_units
    }
}

impl FromStr for Money {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const EXAMPLE: &str = "write an amount, a blank and a currency of three capitals, such as `0.40 USD`";
        refuse_hostile(text)?;
        let wrong = || {
            let pointed = text.replacen(',', ".", 1);
            let help = match decimal::read(&pointed, 9) {
                Some(_) => format!("write the currency behind it, such as `{pointed} USD`"),
                None if pointed != text && pointed.parse::<Self>().is_ok() => format!("write `{pointed}`"),
                None => match turned(&pointed) {
                    Some(turned) => format!("write `{turned}`"),
                    None => EXAMPLE.to_owned(),
                },
            };
            ParseError::new(format!("{} is not an amount of money", quoted(text)), help)
        };
        let (amount, currency) = text.split_once(' ').ok_or_else(wrong)?;
        let currency: [u8; 3] = currency.as_bytes().try_into().map_err(|_| wrong())?;
        if !currency.iter().all(u8::is_ascii_uppercase) {
            return Err(wrong());
        }
        let code = std::str::from_utf8(&currency).unwrap_or_default();
        if !registries::knows(registries::CURRENCIES, code) {
            return Err(ParseError::new(
                format!("no currency has the letters {}", quoted(code)),
                "write three letters of ISO 4217, such as `USD`",
            ));
        }
        let places = places(&currency);
        let Some(minor_units) = decimal::read(amount, places) else {
            return Err(match decimal::read(amount, 9) {
                Some(_) => ParseError::new(
                    format!("{} is finer than the currency's smallest unit", quoted(text)),
                    format!("write at most {places} places after the point"),
                ),
                None => wrong(),
            });
        };
        Ok(Self { currency, minor_units })
    }
}

/// Returns an amount whose currency stands in front of it, or in small letters, as it is written here.
fn turned(text: &str) -> Option<String> {
    let (first, second) = text.split_once(' ')?;
    let is_currency = |word: &str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let (amount, currency) = if is_currency(first) { (second, first) } else { (first, second) };
    let turned = format!("{amount} {}", currency.to_ascii_uppercase());
    let is_amount = decimal::read(amount, 9).is_some();
    (is_amount && is_currency(currency) && turned != text && turned.parse::<Money>().is_ok()).then_some(turned)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = places(&self.currency);
        write!(f, "{} {}", decimal::write(self.minor_units, places, places as usize), self.currency())
    }
}

text_form!(Money);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_keep_their_currencys_places() {
        for (text, minor_units, shown) in [
            ("0.40 USD", 40, "0.40 USD"),
            ("2 USD", 200, "2.00 USD"),
            ("500 JPY", 500, "500 JPY"),
            ("1.5 KWD", 1500, "1.500 KWD"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!((money.minor_units(), money.to_string().as_str()), (minor_units, shown));
        }
        assert_eq!("0,40".parse::<Money>().unwrap_err().help(), "write the currency behind it, such as `0.40 USD`");
        assert_eq!("0,40 USD".parse::<Money>().unwrap_err().help(), "write `0.40 USD`");
        assert_eq!("EUR 4".parse::<Money>().unwrap_err().help(), "write `4 EUR`");
        assert!("abc DEF".parse::<Money>().is_err());
        assert_eq!("4 eur".parse::<Money>().unwrap_err().help(), "write `4 EUR`");
        for text in ["0.40", "USD 0.40", "0.401 USD", "-1 USD", "1 usd", "1,50 EUR", "0.5 JPY", ". USD", "1 USX"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_reads_back(whole in 0u64..1_000_000_000, cents in 0u64..100, currency in "[A-Z]{3}") {
            if let Ok(money) = format!("{whole}.{cents:02} {currency}").parse::<Money>() {
                prop_assert_eq!(money.to_string().parse::<Money>().unwrap(), money);
            }
        }

        #[test]
        fn any_text_is_money_or_refused(text in ".*") {
            let _ = text.parse::<Money>();
        }
    }
}
