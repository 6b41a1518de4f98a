//! Scalars to typed values.

use std::borrow::Cow;

use values::quoted;

use crate::language::{Field, Form, Place, Typed};
use crate::problem::Problem;
use crate::tree::{Scalar, Span, Spanned};

use super::{Decoder, Syntax, a};

impl Decoder {
    /// Reads a value of a field, or reports why it is none.
    pub(crate) fn value<T: Typed>(
        &mut self,
        holder: &str,
        field: &'static Field,
        scalar: &Spanned<Scalar<'_>>,
    ) -> Option<Spanned<T>> {
        let span = scalar.span;
        let text: Cow<'_, str> = match &scalar.value {
            // YAML does not tell numbers from texts; what is spelled as KDL spells numbers is the same number.
            Scalar::Text(text)
                if T::TYPE.form == Form::Number && self.syntax == Syntax::Yaml && crate::kdl::is_number(text) =>
            {
                decimal(text)
            }
            Scalar::Text(text) => Cow::Borrowed(text.as_ref()),
            Scalar::Number(number) if T::TYPE.form == Form::Number => decimal(number),
            Scalar::Number(number) => Cow::Borrowed(number.as_ref()),
            Scalar::Flag(flag) if T::TYPE.form == Form::Flag => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Scalar::Flag(_) => {
                self.report_wrong_scalar::<T>(holder, field, span, "a flag");
                return None;
            }
            Scalar::Null => {
                self.report_wrong_scalar::<T>(holder, field, span, "nothing");
                return None;
            }
        };
        match T::read(&text) {
            Ok(value) => {
                // What is out of all bounds says nothing that could be calculated with.
                self.is_within_bounds(field, &value, &text, span).then_some(Spanned { value, span })
            }
            Err(error) => {
                let label = match field.name {
                    name if name == T::TYPE.name => format!("the {name} of `{holder}`"),
                    name => format!("`{name}` of `{holder}` is {}", a(T::TYPE.name)),
                };
                let help = match T::TYPE.form {
                    Form::Flag => self.flag_help(&text),
                    _ if field.is_many() && text.contains(',') => {
                        self.list_help::<T>(field, &text).unwrap_or_else(|| error.help().to_owned())
                    }
                    _ => error.help().to_owned(),
                };
                // A value that the help names is looked at in the same run as if it stood there; but by what a thing is called
                // others name it, and those may have it right.
                let declares = field.place == Place::Argument && matches!(T::TYPE.name, "name" | "host name");
                let meant = only_one_named(&help).filter(|_| !declares);
                let meant = meant.and_then(|text| T::read(text.trim_start_matches('#')).ok());
                let out_of_bounds = meant.as_ref().and_then(|value| bound(field, value));
                let in_bounds = out_of_bounds.is_none();
                let help = match out_of_bounds {
                    Some((Bound::Least, least)) => format!("write `{}` or more", T::TYPE.written(least)),
                    Some((Bound::Most, most)) => format!("write `{}` or less", T::TYPE.written(most)),
                    None => help,
                };
                self.report(Problem::error("spec::wrong-value", span, error.message()).label(label).help(help));
                meant.filter(|_| in_bounds).map(|value| Spanned { value, span })
            }
        }
    }

    /// Says how several values are written that stand in one text with commas between them; `None` where they are no values.
    fn list_help<T: Typed>(&self, field: &'static Field, text: &str) -> Option<String> {
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let all = parts.iter().map(|part| T::read(part).ok().map(|value| value.spell()));
        let all = all.collect::<Option<Vec<String>>>()?;
        Some(match self.syntax {
            Syntax::Kdl => {
                let list: Vec<String> = all.iter().map(|part| T::TYPE.written(part)).collect();
                format!("write each by itself: `{} {}`", field.name, list.join(" "))
            }
            Syntax::Yaml => format!("write a list: `{}: [{}]`", field.name, all.join(", ")),
        })
    }

    /// Says how a flag is written that was spelled as a word.
    fn flag_help(&self, word: &str) -> String {
        let mark = if self.syntax == Syntax::Kdl { "#" } else { "" };
        match word.to_lowercase().as_str() {
            "yes" | "on" | "true" | "1" | "y" => format!("write `{mark}true`"),
            "no" | "off" | "false" | "0" | "n" => format!("write `{mark}false`"),
            _ => format!("write `{mark}true` or `{mark}false`"),
        }
    }

    fn report_wrong_scalar<T: Typed>(&mut self, holder: &str, field: &'static Field, span: Span, is: &str) {
        let what = a(T::TYPE.name);
        self.report(
            Problem::error("spec::wrong-value", span, format!("`{}` of `{holder}` is {is}, not {what}", field.name))
                .label(format!("{what} belongs here"))
                .help(format!("write {what}, such as `{}`", T::TYPE.written(field.example))),
        );
    }

    /// Tells whether a value is as large as it may be, and reports it where it is not.
    fn is_within_bounds<T: Typed>(&mut self, field: &'static Field, value: &T, written: &str, span: Span) -> bool {
        let Some((bound, limit)) = bound(field, value) else { return true };
        let (much, at, or) = match bound {
            Bound::Least => ("little", "least", "more"),
            Bound::Most => ("much", "most", "less"),
        };
        let message = format!("`{}` is {}, which is too {much}", field.name, quoted(written));
        self.report(
            Problem::error("spec::out-of-range", span, message)
                .label(format!("at {at} {limit}"))
                .help(format!("write `{}` or {or}", T::TYPE.written(limit))),
        );
        false
    }
}

/// A side on which a value can be out of bounds.
enum Bound {
    Least,
    Most,
}

/// Returns the bound that a value lies beyond.
fn bound<T: Typed>(field: &'static Field, value: &T) -> Option<(Bound, &'static str)> {
    let is_less = |limit: &&str| T::read(limit).is_ok_and(|limit| *value < limit);
    let is_more = |limit: &&str| T::read(limit).is_ok_and(|limit| *value > limit);
    let most = || field.most.filter(is_more).map(|most| (Bound::Most, most));
    field.least.filter(is_less).map(|least| (Bound::Least, least)).or_else(most)
}

/// Returns the one value that a help says to write, where it leaves no choice.
fn only_one_named(help: &str) -> Option<&str> {
    let named = help.strip_prefix("write only ").or_else(|| help.strip_prefix("write "))?;
    let value = named.strip_prefix('`')?.strip_suffix('`')?;
    (!value.contains('`')).then_some(value)
}

/// Returns a number as plain decimal digits: without underscores and plus sign, and not in base 16, 8 or 2.
///
/// What does not fit stays as it is written, for the type to refuse.
fn decimal(number: &str) -> Cow<'_, str> {
    let plain = number.strip_prefix('+').unwrap_or(number).replace('_', "");
    let radix = match plain.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => return Cow::Owned(plain),
    };
    match plain.get(2..).and_then(|digits| u128::from_str_radix(digits, radix).ok()) {
        Some(value) => Cow::Owned(value.to_string()),
        None => Cow::Owned(plain),
    }
}
