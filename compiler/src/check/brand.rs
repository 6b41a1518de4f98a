//! A brand keeps to what the operator allows, can be read, and points at files that are there and harmless.

use spec::model::{Brand, BrandPart, BrandPolicy, LogoType, Reseller};
use spec::{Problem, Span, Spanned};
use values::{Colour, RepositoryPath, Score, quoted};

use super::svg;
use crate::decide::roster::asset_path;
use crate::report::Report;
use crate::resolve::Model;

/// The first bytes of a PNG file (RFC 2083 §3.1).
const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// Checks every brand.
pub(super) fn check(model: &Model<'_>, report: &mut Report) {
    for reseller in &model.resellers {
        for brand in &reseller.spec.brands {
            if let Some(policy) = &model.platform.brand_policy {
                parts(reseller.spec, brand, policy, report);
            }
            contrast(brand, model.platform.brand_policy.as_ref(), report);
            for path in brand.logo.iter().chain(&brand.favicon) {
                picture(model, path, report);
            }
            for message in &brand.welcome_messages {
                let _ = asset(model, &message.path, report);
            }
        }
    }
}

/// Refuses what the operator does not let resellers change.
fn parts(reseller: &Reseller, brand: &Brand, policy: &BrandPolicy, report: &mut Report) {
    let languages = {
        let mut languages: Vec<&str> = brand.texts.iter().map(|texts| texts.language.value.as_str()).collect();
        languages.extend(brand.welcome_messages.iter().map(|message| message.language.value.as_str()));
        languages.retain(|language| *language != reseller.language.value.as_str());
        languages.first().map(|_| brand.texts.last().map_or(brand.span, |texts| texts.span))
    };
    let used: [(BrandPart, Option<Span>); 6] = [
        (BrandPart::Logo, brand.logo.as_ref().or(brand.favicon.as_ref()).map(|path| path.span)),
        (BrandPart::Colours, brand.colours.as_ref().map(|colours| colours.span)),
        (BrandPart::Hosts, brand.hosts.as_ref().map(|hosts| hosts.span)),
        (BrandPart::Texts, brand.texts.first().map(|texts| texts.span)),
        (BrandPart::WelcomeMessage, brand.welcome_messages.first().map(|message| message.span)),
        (BrandPart::Languages, languages),
    ];
    for (part, span) in used {
        let Some(span) = span else { continue };
        if policy.allow.iter().any(|allowed| allowed.value == part || allowed.is_hole()) {
            continue;
        }
        let allowed: Vec<&str> = policy.allow.iter().map(|part| part.value.as_str()).collect();
        report.tell(
            Problem::error(
                "compiler::brand-policy",
                span,
                format!("the operator does not let resellers change {part}"),
            )
            .label("not allowed in a brand")
            .help(match allowed.as_slice() {
                [] => "remove it; resellers may change nothing".to_owned(),
                allowed => format!("remove it; what may be changed: {}", allowed.join(", ")),
            })
            .related(policy.span, "the operator's brand policy"),
        );
    }
}

/// Refuses colours whose text cannot be read (WCAG 2.2, success criterion 1.4.3).
fn contrast(brand: &Brand, policy: Option<&BrandPolicy>, report: &mut Report) {
    let policy = policy.and_then(|policy| policy.contrast.as_ref());
    let (Some(colours), Some(policy)) = (&brand.colours, policy) else { return };
    if policy.minimum.is_hole() {
        return;
    }
    let pairs = [
        ("on-primary", &colours.on_primary, "primary", &colours.primary),
        ("text", &colours.text, "background", &colours.background),
    ];
    for (front, text, behind, background) in pairs {
        let ratio = text.value.contrast(background.value);
        if text.is_hole() || background.is_hole() || ratio >= policy.minimum.value {
            continue;
        }
        report.tell(
            Problem::error(
                "compiler::contrast",
                text.span,
                format!(
                    "`{front}` on `{behind}` has a contrast of {}, less than {}",
                    shown(ratio),
                    policy.minimum.value
                ),
            )
            .label(format!("{} on {}", text.value, background.value))
            .help(better(background.value, policy.minimum.value))
            .related(background.span, format!("its background, `{behind}`"))
            .related(policy.span, "the operator's least contrast"),
        );
    }
}

/// Writes a ratio with two places, cut and not rounded, so that it never looks better than it is.
fn shown(ratio: Score) -> String {
    let hundredths = ratio.as_thousandths() / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn better(background: Colour, minimum: Score) -> String {
    let black = Colour::new(0, 0, 0);
    let white = Colour::new(0xff, 0xff, 0xff);
    let best = if black.contrast(background) >= white.contrast(background) { black } else { white };
    match best.contrast(background) >= minimum {
        true => format!("choose a colour nearer to {best}"),
        false => format!("choose another background: not even {best} can be read on {background}"),
    }
}

fn asset<'s>(model: &Model<'s>, path: &Spanned<RepositoryPath>, report: &mut Report) -> Option<&'s [u8]> {
    if path.is_hole() {
        return None;
    }
    let found = model.sources.asset(&asset_path(model, path));
    if found.is_none() {
        report.tell(
            Problem::error(
                "compiler::missing-asset",
                path.span,
                format!("there is no file {}", quoted(path.value.as_str())),
            )
            .label("looked for beside this file")
            .help(format!("add {}, or correct the path", quoted(&asset_path(model, path)))),
        );
    }
    found.map(|asset| asset.bytes.as_slice())
}

fn picture(model: &Model<'_>, path: &Spanned<RepositoryPath>, report: &mut Report) {
    let Some(bytes) = asset(model, path, report) else { return };
    let policy = model.platform.brand_policy.as_ref().and_then(|policy| policy.logo.as_ref());
    let shown = quoted(path.value.as_str());
    if let Some(most) = policy
        .map(|policy| &policy.max_size)
        .filter(|most| !most.is_hole() && bytes.len() as u64 > most.value.as_bytes())
    {
        report.tell(
            Problem::error("compiler::logo-too-large", path.span, format!("{shown} has {} bytes", bytes.len()))
                .label(format!("larger than {}", most.value))
                .help("save it smaller")
                .related(most.span, "the operator's limit"),
        );
    }
    let kind = path.value.extension().and_then(|extension| match extension.to_ascii_lowercase().as_str() {
        "svg" => Some(LogoType::Svg),
        "png" => Some(LogoType::Png),
        _ => None,
    });
    let allowed: Vec<LogoType> =
        policy.map_or(Vec::new(), |policy| policy.types.iter().map(|kind| kind.value).collect());
    let allowed = if allowed.is_empty() { LogoType::ALL.to_vec() } else { allowed };
    let unread = policy.is_some_and(|policy| policy.types.iter().any(Spanned::is_hole));
    let Some(kind) = kind.filter(|kind| unread || allowed.contains(kind)) else {
        let names: Vec<&str> = allowed.iter().map(|kind| kind.as_str()).collect();
        report.tell(
            Problem::error("compiler::logo-type", path.span, format!("{shown} is of a type that a logo may not be"))
                .label("its ending says what it is")
                .help(format!("save it as {}", names.join(" or ")))
                .related(policy.map_or(Span::HOLE, |policy| policy.span), "what the operator allows"),
        );
        return;
    };
    let objection = match kind {
        LogoType::Png if !bytes.starts_with(&PNG) => Some("it is no PNG file".to_owned()),
        LogoType::Png => None,
        LogoType::Svg => svg::objection(bytes),
    };
    if let Some(objection) = objection {
        report.tell(
            Problem::error(
                "compiler::logo-content",
                path.span,
                format!("{shown} cannot be shown to users: {objection}"),
            )
            .label("refused for what is in it")
            .help("save it as a plain drawing, without scripts, links, fonts or pictures from elsewhere"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_colours_can_be_read() {
        let colours = crate::decide::defaults::colours();
        let least = colours.on_primary.contrast(colours.primary).min(colours.text.contrast(colours.background));
        assert!(least >= "4.5".parse().unwrap(), "{least}");
    }

    #[test]
    fn a_ratio_never_looks_better_than_it_is() {
        assert_eq!(shown(Score::from_thousandths(4_499).unwrap()), "4.49");
        assert_eq!(shown(Score::from_thousandths(21_000).unwrap()), "21.00");
    }
}
