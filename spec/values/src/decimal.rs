//! Decimal numbers with a fixed number of places, without floating point.

/// Reads `12.5` as a whole number of `10^-places`; `None` where the text is no plain decimal number or too fine or too big.
///
/// A sign is not taken; digits must stand on both sides of the point.
pub(crate) fn read(text: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = places.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(10u64.checked_pow(places)?)?.checked_add(fraction.checked_mul(10u64.checked_pow(missing)?)?)
}

/// Writes a whole number of `10^-places` with at least `shown` places.
pub(crate) fn write(value: u64, places: u32, shown: usize) -> String {
    let scale = 10u64.pow(places);
    let (whole, rest) = (value / scale, value % scale);
    if places == 0 {
        return whole.to_string();
    }
    let mut fraction = format!("{rest:0width$}", width = places as usize);
    while fraction.len() > shown && fraction.ends_with('0') {
        fraction.pop();
    }
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

/// Splits a text into its leading number (digits and points) and what follows.
pub(crate) fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    text.split_at(end)
}
