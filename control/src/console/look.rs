//! The look of a page: whose brand, which language.

use axum::http::{HeaderMap, header};
use blueprint::roster::{Brand, Colours};
use values::{Colour, HostName};

use super::words::{self, Words};
use crate::oma::Principal;
use crate::{Control, DirectoryError};

/// What a page looks like.
pub(super) struct Look {
    pub(super) product: String,
    pub(super) colours: Colours,
    /// Keys of files of the brand.
    pub(super) logo: Option<String>,
    pub(super) favicon: Option<String>,
    pub(super) greeting: Option<String>,
    pub(super) footer: Option<String>,
    /// A page and an address of the brand's support.
    pub(super) support: Option<String>,
    pub(super) support_address: Option<String>,
    pub(super) support_phone: Option<String>,
    pub(super) language: &'static str,
    pub(super) words: &'static Words,
}

impl Look {
    /// Chooses the brand of the host that is asked, else of the reseller that is signed in, else the operator's own look.
    pub(super) async fn of(
        control: &Control,
        headers: &HeaderMap,
        principal: Option<&Principal>,
        language: Option<&str>,
    ) -> Result<Self, DirectoryError> {
        let directory = &control.directory;
        let mut brand = match host(headers) {
            Some(host) => directory.brand_at(&host).await?,
            None => None,
        };
        if brand.is_none()
            && let Some(reseller) = principal.and_then(Principal::tenant)
        {
            brand = directory.brands(reseller).await?.into_iter().next();
        }
        let accepted = accepted(headers, language);
        let (language, words) = words::choose(&accepted);
        let facts = directory.facts();
        let operator = facts.as_ref().map_or("Mailwright", |facts| facts.operator.as_str());
        Ok(match brand {
            Some(brand) => Self::branded(brand, &accepted, language, words),
            None => Self {
                product: operator.to_owned(),
                colours: Colours {
                    primary: Colour::new(0x1f, 0x3a, 0x5f),
                    on_primary: Colour::new(0xff, 0xff, 0xff),
                    background: Colour::new(0xf7, 0xf8, 0xfa),
                    text: Colour::new(0x1b, 0x1f, 0x24),
                },
                logo: None,
                favicon: None,
                greeting: None,
                footer: None,
                support: None,
                support_address: None,
                support_phone: None,
                language,
                words,
            },
        })
    }

    fn branded(brand: Brand, accepted: &[String], language: &'static str, words: &'static Words) -> Self {
        let mut texts = accepted.iter().filter_map(|wanted| {
            let whole = brand.texts.iter().find(|texts| texts.language.eq_ignore_ascii_case(wanted));
            whole.or_else(|| brand.texts.iter().find(|texts| primary(&texts.language) == primary(wanted)))
        });
        let texts = texts.next().or_else(|| brand.texts.first()).cloned();
        // Only what a browser opens as a page; the specification's reader checks it too.
        let support = brand.support.url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        Self {
            product: brand.product,
            colours: brand.colours,
            logo: brand.logo,
            favicon: brand.favicon,
            greeting: texts.as_ref().and_then(|texts| texts.sign_in.clone()),
            footer: texts.and_then(|texts| texts.footer),
            support,
            support_address: brand.support.email.map(|address| address.to_string()),
            support_phone: brand.support.phone,
            language,
            words,
        }
    }
}

/// Returns the host that is asked, without its port.
fn host(headers: &HeaderMap) -> Option<HostName> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.parse().ok()
}

/// Returns the language tags somebody reads, the best first.
fn accepted(headers: &HeaderMap, asked: Option<&str>) -> Vec<String> {
    let line = headers.get(header::ACCEPT_LANGUAGE).and_then(|line| line.to_str().ok()).unwrap_or_default();
    let mut listed: Vec<(u32, String)> = line
        .split(',')
        .take(20)
        .filter_map(|part| {
            let mut part = part.split(';');
            let tag = part.next()?.trim();
            let weight =
                part.find_map(|parameter| parameter.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let weight: f32 = weight?;
            let usable = !tag.is_empty() && weight > 0.0;
            usable.then(|| ((weight.clamp(0.0, 1.0) * 1000.0) as u32, tag.to_owned()))
        })
        .collect();
    listed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let asked = asked.filter(|tag| tag.len() <= 35).map(str::to_owned);
    asked.into_iter().chain(listed.into_iter().map(|(_, tag)| tag)).collect()
}

/// Returns the language of a tag, without region and script.
pub(super) fn primary(tag: &str) -> String {
    tag.split('-').next().unwrap_or_default().to_ascii_lowercase()
}

/// Returns what a picture is, by its name; `None` for what is none.
pub(super) fn media_type(key: &str) -> Option<&'static str> {
    let (_, extension) = key.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        "ico" => Some("image/x-icon"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_taken_in_the_readers_order() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "en;q=0.5, fr-CA, *;q=0, xx;q=nonsense".parse().unwrap());
        assert_eq!(accepted(&headers, None), ["fr-CA", "en"]);
        assert_eq!(accepted(&headers, Some("de")), ["de", "fr-CA", "en"]);
    }
}
