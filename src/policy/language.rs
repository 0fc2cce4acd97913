//! In which language somebody outside is written to.

use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::language::Languages;

/// What is known of a recipient.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What a mailbox of the address has on record: what its owner chose there, before that what its invitation spoke.
    pub mailbox: Option<Language>,
    /// The domain of the address.
    pub domain: &'a Domain,
    /// What the portal speaks.
    pub offered: &'a [Language],
    /// What the domain that writes says for everybody else.
    pub setting: Language,
}

/// The language of a mail: what the recipient chose, else what the country of the address speaks, else the setting.
///
/// What the portal does not speak is not chosen, since the mail leads there; the setting is an admin's word.
pub fn choose(facts: &Facts<'_>) -> Language {
    let known = [facts.mailbox, of_country(facts.domain)].into_iter().flatten();
    known.into_iter().find(|known| facts.offered.contains(known)).unwrap_or(facts.setting)
}

/// One language for who chose it, else below it the other of the two in which the domain writes.
pub fn one_or_both(
    first: Language,
    chosen: Option<Language>,
    setting: Language,
    second: Option<Language>,
) -> Languages {
    let second = match (chosen == Some(first), second) {
        (true, _) | (false, None) => None,
        (false, Some(second)) if second == first => Some(setting),
        (false, second) => second,
    };
    Languages { first, second }
}

/// The language of a country that speaks one of ours and no other; nothing for all other endings.
fn of_country(domain: &Domain) -> Option<Language> {
    match domain.as_str().rsplit('.').next()? {
        "at" | "de" | "li" => Some(Language::De),
        "au" | "edu" | "gov" | "ie" | "mil" | "nz" | "uk" | "us" => Some(Language::En),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::De;
    use Language::En;

    #[test]
    fn the_recipient_decides_then_the_country_then_the_setting() {
        let both = [En, De].as_slice();
        for (mailbox, domain, offered, setting, want) in [
            (None, "x.example", both, En, En),
            (None, "x.example", both, De, De),
            (None, "x.de", both, En, De),
            (None, "x.co.uk", both, De, En),
            (None, "x.at", both, En, De),
            (None, "de.example", both, En, En),
            (None, "x.ch", both, En, En),
            (None, "x.ch", both, De, De),
            (Some(En), "x.de", both, De, En),
            (Some(De), "x.us", both, En, De),
            (Some(De), "x.us", &[En], En, En),
            (None, "x.de", &[En], En, En),
            (Some(De), "x.example", &[En], En, En),
            (None, "x.uk", &[De], De, De),
            (Some(En), "x.de", &[De], De, De),
        ] {
            let domain = Domain::parse(domain).unwrap();
            let facts = Facts { mailbox, domain: &domain, offered, setting };
            assert_eq!(choose(&facts), want, "{facts:?}");
        }
    }

    #[test]
    fn two_languages_stand_below_each_other_until_one_was_chosen() {
        for (first, chosen, setting, second, want) in [
            (De, None, De, None, (De, None)),
            (En, None, De, None, (En, None)),
            (De, None, De, Some(En), (De, Some(En))),
            (En, None, De, Some(En), (En, Some(De))),
            (En, Some(En), De, Some(En), (En, None)),
            (De, Some(De), De, Some(En), (De, None)),
            // What was chosen is not on offer any more.
            (De, Some(En), De, Some(En), (De, Some(En))),
        ] {
            let languages = one_or_both(first, chosen, setting, second);
            assert_eq!((languages.first, languages.second), want, "{first} {chosen:?} {setting} {second:?}");
        }
    }
}
