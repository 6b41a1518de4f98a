//! Comma-separated values (RFC 4180): fields in quotes may hold commas, line breaks and doubled quotes.

/// A row: the line it begins at, counted from 1, and its fields.
pub(super) type Row = (usize, Vec<String>);

/// Reads rows; empty lines are passed over.
///
/// - Returns: the rows, and what is wrong with its line. What is wrong is left out of the rows.
pub(super) fn read(text: &str) -> (Vec<Row>, Vec<(usize, String)>) {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let begin = line;
        let (row, wrong, after) = take_row(rest);
        line += rest.len().checked_sub(after.len()).and_then(|taken| rest.get(..taken)).map_or(0, breaks);
        rest = after;
        match wrong {
            Some(wrong) => problems.push((begin, wrong.to_owned())),
            None if row.iter().all(String::is_empty) && row.len() == 1 => {}
            None => rows.push((begin, row)),
        }
    }
    (rows, problems)
}

fn breaks(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

/// Takes one row off the front; returns it, what is wrong with it, and the rest.
fn take_row(text: &str) -> (Vec<String>, Option<&'static str>, &str) {
    let mut row = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                let field = if after.starts_with(',') { field } else { field.strip_suffix('\r').unwrap_or(field) };
                if field.contains('"') {
                    return (
                        row,
                        Some("a quote stands within a field; put the field in quotes and double it"),
                        past_line(after),
                    );
                }
                (field.to_owned(), after)
            }
            Some(quoted) => {
                let Some((field, after)) = take_quoted(quoted) else {
                    return (row, Some("a quote is not closed"), past_line(rest));
                };
                let after = if after.starts_with("\r\n") { after.get(1..).unwrap_or_default() } else { after };
                if !(after.is_empty() || after == "\r" || after.starts_with([',', '\n'])) {
                    return (row, Some("text stands behind the closing quote of a field"), past_line(after));
                }
                (field, after.strip_prefix('\r').unwrap_or(after))
            }
        };
        row.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (row, None, after.strip_prefix('\n').unwrap_or(after)),
        }
    }
}

fn past_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

/// Takes a field whose opening quote is gone; returns it and what stands behind its closing quote.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_rfc_4180_has_them() {
        let (rows, problems) = read("a,b\r\n\"x,\"\"y\"\"\n\",\r\n\r\n,\r\nlast,\"q\"");
        assert!(problems.is_empty(), "{problems:?}");
        let row = |line, fields: [&str; 2]| (line, fields.map(str::to_owned).to_vec());
        assert_eq!(rows, [row(1, ["a", "b"]), row(2, ["x,\"y\"\n", ""]), row(5, ["", ""]), row(6, ["last", "q"])]);
    }

    #[test]
    fn what_is_wrong_has_its_line_and_the_rest_is_read() {
        let (rows, problems) = read("a\nb\"c\n\"d\"e\nf\n\"g\n");
        let lines: Vec<usize> = problems.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5]);
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 4]);
    }

    proptest::proptest! {
        #[test]
        fn any_fields_written_in_quotes_are_read_back(rows in proptest::collection::vec(proptest::collection::vec(".*", 2..5), 0..6)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let text: String = rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",") + "\r\n").collect();
            let (read, problems) = read(&text);
            proptest::prop_assert!(problems.is_empty());
            proptest::prop_assert_eq!(read.into_iter().map(|(_, row)| row).collect::<Vec<_>>(), rows);
        }

        #[test]
        fn any_text_is_read_to_its_end(text in "[a\",\r\n]*") {
            let (rows, problems) = read(&text);
            proptest::prop_assert!(rows.len() + problems.len() <= text.lines().count());
        }
    }
}
