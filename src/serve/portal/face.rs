//! The portal's face: under which address it answers, whose name it shows, in which colour and languages.

use crate::base::language::Language;
use crate::config::Config;
use crate::config::section::Portal as PortalSection;
use crate::config::section::TemporaryMailbox;
use crate::serve::portal::origin::Site;
use crate::texts;
use bytes::Bytes;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// One configured portal address with its brand.
#[derive(Clone, Debug, Default)]
pub struct Face {
    /// Its address.
    pub site: Site,
    /// The organisation's name.
    pub brand: String,
    /// The organisation's domain, as people read it.
    pub domain: String,
    /// On offer, the default first.
    pub languages: Vec<Language>,
    /// Address of the imprint.
    pub imprint: Option<String>,
    /// Address of the privacy notice.
    pub privacy: Option<String>,
    /// `mailto:` or web address for questions.
    pub contact: Option<String>,
    /// After this without activity a mailbox closes.
    pub inactivity: Duration,
    /// Recipients may take their key with them.
    pub key_download: bool,
    /// The style sheet with the brand's colour.
    pub style: Bytes,
    /// The brand's picture and its media type.
    pub logo: (Bytes, &'static str),
}

impl Face {
    /// The faces of a configuration: one for each portal address, the first domain's brand winning.
    pub fn all(config: &Config) -> Vec<Self> {
        let mut faces: Vec<Self> = Vec::new();
        for domain in &config.domains {
            let Some(face) = Self::new(&domain.portal, domain.name.to_unicode(), &config.temporary_mailbox)
            else {
                continue;
            };
            if faces.iter().all(|known| known.site.host() != face.site.host()) {
                faces.push(face);
            }
        }
        faces
    }

    fn new(portal: &PortalSection, domain: String, mailboxes: &TemporaryMailbox) -> Option<Self> {
        Some(Self {
            site: Site::parse(&portal.url.to_string())?,
            brand: portal.brand.clone(),
            domain,
            languages: portal.languages.clone(),
            imprint: portal.imprint_url.clone(),
            privacy: portal.privacy_url.clone(),
            contact: portal.contact.as_deref().map(link),
            inactivity: Duration::from_secs(u64::from(mailboxes.inactivity_days) * DAY),
            key_download: mailboxes.key_download,
            style: style(&portal.accent),
            logo: logo(portal.logo.as_deref()),
        })
    }

    /// Days of [`Face::inactivity`].
    pub fn days(&self) -> u64 {
        self.inactivity.as_secs() / DAY
    }

    /// The language for somebody who chose `chosen` before and whose browser asks for `accepted`.
    pub fn language(&self, chosen: Option<Language>, accepted: Option<&str>) -> Language {
        match chosen.filter(|language| self.languages.contains(language)) {
            Some(language) => language,
            None => texts::choose(accepted.unwrap_or_default(), &self.languages),
        }
    }
}

const DAY: u64 = 24 * 3600;

/// A contact as something that can be followed: a page as it is, an address by `mailto:` (RFC 6068 §2).
fn link(contact: &str) -> String {
    if contact.contains("://") || contact.starts_with("mailto:") {
        contact.to_owned()
    } else {
        format!("mailto:{contact}")
    }
}

/// The style sheet with the one colour that an organisation sets.
fn style(accent: &str) -> Bytes {
    let sheet = include_str!("../../../assets/portal/guard.css");
    let hex = accent.strip_prefix('#').unwrap_or_default();
    let known = matches!(hex.len(), 3 | 6) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !known {
        return Bytes::from_static(sheet.as_bytes());
    }
    Bytes::from(sheet.replacen("--brand: #1f5f8b", &format!("--brand: #{hex}"), 1))
}

/// The picture beside the brand; one that cannot be read or is of no known kind is replaced by our own.
fn logo(file: Option<&Path>) -> (Bytes, &'static str) {
    let own = (Bytes::from_static(include_bytes!("../../../assets/portal/logo.svg")), "image/svg+xml");
    let Some(path) = file else { return own };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let kind = match ending.as_str() {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        _ => return own,
    };
    match fs::read(path) {
        Ok(bytes) if bytes.len() <= LOGO => (Bytes::from(bytes), kind),
        Ok(bytes) => {
            tracing::warn!(path = %path.display(), size = bytes.len(), "logo is above 256 KiB; not shown");
            own
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "logo cannot be read; not shown");
            own
        }
    }
}

/// A logo, octets.
const LOGO: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_is_a_colour() {
        for (accent, want) in [
            ("#aa0011", "--brand: #aa0011"),
            ("#fff", "--brand: #fff"),
            ("red;}body{display:none", "--brand: #1f5f8b"),
            ("", "--brand: #1f5f8b"),
        ] {
            let sheet = style(accent);
            let sheet = std::str::from_utf8(&sheet).unwrap();
            assert!(sheet.contains(want), "{accent}");
            assert!(!sheet.contains("display:none"));
        }
    }

    #[test]
    fn the_reader_gets_the_best_language_on_offer() {
        let face = crate::serve::portal::tests::face();
        for (chosen, accepted, want) in [
            (None, None, Language::En),
            (None, Some("de"), Language::De),
            (None, Some("de-AT, en;q=0.9"), Language::De),
            (None, Some("en;q=0.3, de;q=0.7"), Language::De),
            (None, Some("fr, es;q=0.5"), Language::En),
            (None, Some("fr, de;q=0.1"), Language::De),
            (None, Some("de;q=0"), Language::En),
            (None, Some(",,;;q=x,de;q=huge"), Language::En),
            (Some(Language::De), Some("en"), Language::De),
        ] {
            assert_eq!(face.language(chosen, accepted), want, "{chosen:?} {accepted:?}");
        }
    }
}
