//! Scalars to typed values.

use std::borrow::Cow;

use values::quoted;

use crate::language::{Field, Form, Typed};
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
                self.report(Problem::error("spec::wrong-value", span, error.message()).label(label).help(help));
                None
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
        if let Some(least) = field.least
            && T::read(least).is_ok_and(|least| *value < least)
        {
            let shown = quoted(written);
            self.report(
                Problem::error("spec::out-of-range", span, format!("`{}` is {shown}, which is too little", field.name))
                    .label(format!("at least {least}"))
                    .help(format!("write `{}` or more", T::TYPE.written(least))),
            );
            return false;
        }
        if let Some(most) = field.most
            && T::read(most).is_ok_and(|most| *value > most)
        {
            let shown = quoted(written);
            self.report(
                Problem::error("spec::out-of-range", span, format!("`{}` is {shown}, which is too much", field.name))
                    .label(format!("at most {most}"))
                    .help(format!("write `{}` or less", T::TYPE.written(most))),
            );
            return false;
        }
        true
    }
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
