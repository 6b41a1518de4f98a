//! The style sheet: one hand-made sheet, and a brand's colours as tokens in front of it.

use std::fmt::Write as _;

use blueprint::roster::Colours;

/// Returns the sheet for a palette; a colour can be nothing but `#` and six digits.
pub(super) fn sheet(colours: &Colours) -> String {
    let mut sheet = String::from(":root{");
    for (token, colour) in [
        ("primary", colours.primary),
        ("on-primary", colours.on_primary),
        ("background", colours.background),
        ("text", colours.text),
    ] {
        // Writing to a string cannot fail.
        let _ = write!(sheet, "--{token}:{colour};");
    }
    sheet.push_str("}\n");
    sheet.push_str(SHEET);
    sheet
}

const SHEET: &str = include_str!("style.css");
