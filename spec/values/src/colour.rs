//! Colours and their contrast.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, Score, line::refuse_hostile, quoted, text_form::text_form};

/// An opaque sRGB colour, such as `#0b5fff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

impl Colour {
    /// Takes the three channels.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// Returns red, green and blue.
    pub const fn channels(self) -> [u8; 3] {
        [self.red, self.green, self.blue]
    }

    /// Returns the relative luminance, from 0 for black to 1 for white (WCAG 2.2, "relative luminance").
    pub fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// Returns the contrast ratio to another colour, from 1 to 21, rounded down to thousandths (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> Score {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        let ratio = if one > two { one / two } else { two / one };
        // A millionth keeps exact ratios, such as 21 for black on white, from falling below themselves.
        Score::from_thousandths((ratio * 1000.0 + 1e-6).floor() as i64).expect("a contrast ratio is at most 21")
    }
}

impl FromStr for Colour {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        refuse_hostile(text)?;
        let digits = text.strip_prefix('#').unwrap_or(text);
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.starts_with('#')
            && hexadecimal
            && digits.len() == 6
            && let Ok(value) = u32::from_str_radix(digits, 16)
        {
            let [_, red, green, blue] = value.to_be_bytes();
            return Ok(Self { red, green, blue });
        }
        let help = match digits.len() {
            6 if hexadecimal => format!("write `#{}`", digits.to_ascii_lowercase()),
            3 if hexadecimal => {
                let doubled: String = digits.chars().flat_map(|digit| [digit, digit]).collect();
                format!("write `#{}`", doubled.to_ascii_lowercase())
            }
            _ => "write `#` and six hexadecimal digits, such as `#0b5fff`".to_owned(),
        };
        Err(ParseError::new(format!("{} is not a colour", quoted(text)), help))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

text_form!(Colour);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn colour(text: &str) -> Colour {
        text.parse().unwrap()
    }

    #[test]
    fn contrast_is_the_ratio_of_wcag() {
        assert_eq!(colour("#000000").contrast(colour("#ffffff")).to_string(), "21");
        assert_eq!(colour("#777777").contrast(colour("#ffffff")).to_string(), "4.478");
        assert_eq!(colour("#767676").contrast(colour("#ffffff")).to_string(), "4.542");
        assert_eq!(colour("#123456").contrast(colour("#123456")).to_string(), "1");
    }

    #[test]
    fn short_and_bare_colours_are_shown_how_to_be_written() {
        assert_eq!("#0bF".parse::<Colour>().unwrap_err().help(), "write `#00bbff`");
        assert_eq!("0b5fff".parse::<Colour>().unwrap_err().help(), "write `#0b5fff`");
        assert!("#+12345".parse::<Colour>().is_err());
        assert!("blue".parse::<Colour>().is_err());
    }

    proptest! {
        #[test]
        fn every_colour_reads_back(red: u8, green: u8, blue: u8) {
            let colour = Colour::new(red, green, blue);
            prop_assert_eq!(colour.to_string().parse::<Colour>().unwrap(), colour);
        }

        #[test]
        fn any_text_is_a_colour_or_refused(text in "#?.{0,8}") {
            let _ = text.parse::<Colour>();
        }
    }
}
