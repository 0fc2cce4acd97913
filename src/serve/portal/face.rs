//! The portal's face: under which address it answers, whose name it shows, in which colour and languages.

use crate::base::address::Domain;
use crate::base::language::Language;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::config::section::Portal as PortalSection;
use crate::config::section::TemporaryMailbox;
use crate::serve::portal::logo::Logo;
use crate::serve::portal::origin::Site;
use crate::texts;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// One configured portal address with its brand. Where several domains share it, this is what they have in common, and
/// each has a face of its own besides: for pages that are known to be about its mailboxes.
#[derive(Clone, Debug, Default)]
pub struct Face {
    /// Its address.
    pub site: Site,
    /// The organisation's name.
    pub brand: String,
    /// The organisation's domain, as people read it; those that share the address, if it is not known whose page it is.
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
    /// The brand's picture.
    pub logo: Logo,
    /// By which style sheet and picture are asked for: nothing, or `?of=example.org`.
    pub look: String,
    /// Of the domains that share the address.
    own: Vec<(Domain, Arc<Self>)>,
}

impl Face {
    /// The faces of a configuration: one for each portal address.
    pub fn all(config: &Config) -> Vec<Self> {
        let portals = config.portals().into_iter();
        portals.filter_map(|portal| Self::of_address(config, portal)).collect()
    }

    fn of_address(config: &Config, portal: &PortalSection) -> Option<Self> {
        let sharing: Vec<_> =
            config.domains.iter().filter(|domain| domain.portal.url == portal.url).collect();
        let names = sharing.iter().map(|domain| domain.name.to_unicode()).collect::<Vec<_>>().join(", ");
        let mut common = Self::new(&in_common(&config.portal, &sharing)?, names, &config.temporary_mailbox)?;
        if let [_, _, ..] = sharing.as_slice() {
            for domain in sharing {
                let name = domain.name.to_unicode();
                let own = Self::new(&domain.portal, name, &config.temporary_mailbox)?;
                let own = Self { look: format!("?of={}", domain.name.as_str()), ..own };
                common.own.push((domain.name.clone(), Arc::new(own)));
            }
        }
        Some(common)
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
            logo: Logo::open(portal.logo.as_deref(), colour(&portal.accent).unwrap_or(COLOUR)),
            look: String::new(),
            own: Vec::new(),
        })
    }

    /// The domains that share the address; none where there is nothing to tell apart.
    pub fn shared_by(&self) -> Vec<&Domain> {
        self.own.iter().map(|(domain, _)| domain).collect()
    }

    /// The face of one of them.
    pub fn of(&self, domain: &Domain) -> Option<Arc<Self>> {
        let own = self.own.iter().find(|(known, _)| known == domain);
        own.map(|(_, face)| face.clone())
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

/// What domains that share a portal address all say of it; where they differ, what `[portal]` says, which is for nobody
/// alone. A name that nobody has given is the address's own.
fn in_common(general: &PortalSection, sharing: &[&LocalDomain]) -> Option<PortalSection> {
    fn agreed<T: Clone + PartialEq>(
        sharing: &[&LocalDomain],
        general: &T,
        of: impl Fn(&PortalSection) -> &T,
    ) -> T {
        let mut said = sharing.iter().map(|domain| of(&domain.portal));
        let first = said.next().unwrap_or(general);
        if said.all(|other| other == first) { first.clone() } else { general.clone() }
    }
    let url = sharing.first()?.portal.url.clone();
    let brand = match agreed(sharing, &general.brand, |portal| &portal.brand) {
        none if none.is_empty() => url.host().to_owned(),
        brand => brand,
    };
    Some(PortalSection {
        brand,
        logo: agreed(sharing, &general.logo, |portal| &portal.logo),
        accent: agreed(sharing, &general.accent, |portal| &portal.accent),
        languages: agreed(sharing, &general.languages, |portal| &portal.languages),
        imprint_url: agreed(sharing, &general.imprint_url, |portal| &portal.imprint_url),
        privacy_url: agreed(sharing, &general.privacy_url, |portal| &portal.privacy_url),
        contact: agreed(sharing, &general.contact, |portal| &portal.contact),
        url,
    })
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
    match colour(accent) {
        Some(colour) => {
            Bytes::from(sheet.replacen(&format!("--brand: {COLOUR}"), &format!("--brand: {colour}"), 1))
        }
        None => Bytes::from_static(sheet.as_bytes()),
    }
}

/// The colour that stands in the style sheet and in our own picture.
const COLOUR: &str = "#1f5f8b";

/// `#rgb` or `#rrggbb`, and nothing else that could stand in a style sheet.
fn colour(accent: &str) -> Option<&str> {
    let hex = accent.strip_prefix('#')?;
    (matches!(hex.len(), 3 | 6) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(accent)
}

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
