//! Names that look alike: a small skeleton in the manner of UTS #39 §4, for the letters that host names are forged with.

use values::HostName;

/// Returns a form that two names share when people would take one for the other.
pub fn skeleton(name: &HostName) -> String {
    let mut text: String = name.to_unicode().chars().flat_map(prototype).collect();
    for (pair, letter) in [("rn", "m"), ("vv", "w"), ("cl", "d")] {
        text = text.replace(pair, letter);
    }
    text
}

/// Returns the Latin letter that a character looks like.
fn prototype(character: char) -> Option<char> {
    Some(match character {
        // Cyrillic.
        'а' => 'a',
        'в' => 'b',
        'с' => 'c',
        'ԁ' => 'd',
        'е' | 'ё' => 'e',
        'һ' => 'h',
        'і' | 'ї' => 'l',
        'ј' => 'j',
        'к' => 'k',
        'м' => 'm',
        'н' => 'h',
        'о' => 'o',
        'р' => 'p',
        'ѕ' => 's',
        'т' => 't',
        'у' => 'y',
        'х' => 'x',
        'ԛ' => 'q',
        'ԝ' => 'w',
        // Greek.
        'α' => 'a',
        'ο' => 'o',
        'ρ' => 'p',
        'ν' => 'v',
        'υ' => 'u',
        'ι' => 'l',
        'κ' => 'k',
        'τ' => 't',
        // Armenian, and Latin letters with marks that are easily overlooked.
        'օ' => 'o',
        'ո' => 'n',
        'à' | 'á' | 'â' | 'ä' | 'å' | 'ą' => 'a',
        'ç' | 'ć' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ę' => 'e',
        'ì' | 'í' | 'î' | 'ï' | 'ı' => 'l',
        'ñ' | 'ń' => 'n',
        'ò' | 'ó' | 'ô' | 'ö' | 'ø' => 'o',
        'ś' | 'ş' => 's',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        // Digits, and letters that differ by a stroke.
        '0' => 'o',
        '1' | 'i' => 'l',
        '-' => return None,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_share_a_skeleton() {
        let check = |a: &str, b: &str, alike: bool| {
            let (a, b): (HostName, HostName) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(skeleton(&a) == skeleton(&b), alike, "{a} {b}");
        };
        check("acme.example", "аcme.example", true);
        check("acme.example", "acrne.example", true);
        check("paypal.example", "paypa1.example", true);
        check("acme-mail.example", "acmemail.example", true);
        check("acme.example", "globex.example", false);
        check("acme.example", "acme.test", false);
    }
}
