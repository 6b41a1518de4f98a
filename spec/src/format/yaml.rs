//! What can be tidied of a YAML document without a doubt.

/// Returns tidied forms of a document, the tidiest first; the last is the document itself.
///
/// Blanks and line ends within a text may belong to it, so whoever asks takes the first that says the same.
pub(super) fn candidates(text: &str) -> Vec<String> {
    let line_feeds = text.replace("\r\n", "\n");
    vec![tidied(&line_feeds), line_feeds, text.to_owned()]
}

fn tidied(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for line in text.trim_start_matches('\u{FEFF}').lines() {
        out.push_str(line.trim_end_matches([' ', '\t']));
        out.push('\n');
    }
    let length = out.trim_end_matches('\n').len();
    out.truncate(length + 1);
    if length == 0 {
        out.clear();
    }
    out
}
