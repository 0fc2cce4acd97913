//! Samples of the mails to people outside, with made-up facts.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::letters::worded;
use crate::texts::sample;
use crate::texts::sample::House;
use crate::texts::sample::Sample;
use crate::texts::template::Kind;
use crate::texts::template::Wordings;
use std::path::PathBuf;
use thiserror::Error;

/// Which samples.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// This mail alone.
    pub mail: Option<Kind>,
    /// Of this domain alone.
    pub domain: Option<Domain>,
    /// As messages of this account cause them.
    pub from: Option<Address>,
    /// In this language alone.
    pub language: Option<Language>,
    /// In every shape.
    pub all: bool,
}

/// A sample, and where its words come from.
#[derive(Clone, Debug)]
pub struct Worded<'a> {
    /// Who writes.
    pub domain: &'a LocalDomain,
    /// In which languages.
    pub languages: Languages,
    /// The templates that word it; none where our own words stand.
    pub templates: Vec<PathBuf>,
    /// What it says.
    pub sample: Sample,
}

/// Why no sample was made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Not one of the domains of guard.toml.
    #[error("{0} is not a domain of this server")]
    ForeignDomain(Domain),
    /// An account of one domain, and the mails of another.
    #[error("{0} is no account of that domain")]
    OtherDomain(Address),
    /// Ours, but nobody's.
    #[error("{0} is not known here")]
    Unknown(Address),
}

/// The samples that are wished for.
pub fn wished<'a>(
    config: &'a Config,
    wordings: &Wordings,
    wish: &Wish,
) -> Result<Vec<Worded<'a>>, SampleError> {
    let account = wish.from.as_ref().map(|from| main_address(config, from)).transpose()?;
    let mut found = Vec::new();
    for domain in domains(config, wish, account.as_ref())? {
        for languages in written_in(domain, wish.language) {
            let samples = samples_of(config, domain, account.as_ref(), wordings, languages);
            let wished = samples.into_iter().filter(|one| wish.mail.is_none_or(|mail| mail == one.kind));
            let mut wished: Vec<Sample> = wished.collect();
            if !wish.all {
                wished.dedup_by_key(|sample| sample.kind);
            }
            let choice = wordings.choice(&domain.name, account.as_ref());
            found.extend(wished.into_iter().map(|sample| Worded {
                domain,
                languages,
                templates: languages.all().filter_map(|one| choice.file_of(sample.kind, one)).collect(),
                sample,
            }));
        }
    }
    Ok(found)
}

/// The address of an account that writes as this one, which may be its alias.
fn main_address(config: &Config, from: &Address) -> Result<Address, SampleError> {
    let domain = config.main_domain(from.domain());
    let domain = domain.ok_or_else(|| SampleError::ForeignDomain(from.domain().clone()))?;
    Address::new(from.local(), domain.name.clone()).map_err(|_| SampleError::Unknown(from.clone()))
}

fn domains<'a>(
    config: &'a Config,
    wish: &Wish,
    account: Option<&Address>,
) -> Result<Vec<&'a LocalDomain>, SampleError> {
    let wished = match (&wish.domain, account) {
        (Some(domain), Some(account)) if domain != account.domain() => {
            return Err(SampleError::OtherDomain(account.clone()));
        }
        (domain, account) => domain.as_ref().or_else(|| account.map(Address::domain)),
    };
    let Some(domain) = wished else { return Ok(config.domains.iter().collect()) };
    let found = config.domain(domain).ok_or_else(|| SampleError::ForeignDomain(domain.clone()))?;
    Ok(vec![found])
}

/// As to somebody who has chosen no language, unless one is wished for.
fn written_in(domain: &LocalDomain, wished: Option<Language>) -> Vec<Languages> {
    match (wished, domain.second_language) {
        (Some(language), _) => vec![language.into()],
        (None, None) => domain.portal.languages.iter().copied().map(Languages::from).collect(),
        (None, second) => vec![Languages { first: domain.language, second }],
    }
}

fn samples_of(
    config: &Config,
    domain: &LocalDomain,
    account: Option<&Address>,
    wordings: &Wordings,
    languages: Languages,
) -> Vec<Sample> {
    let Some(notices) = config.notice_address(&domain.name) else { return Vec::new() };
    let house = House {
        head: &worded(domain, account, wordings),
        domain: &domain.name,
        sender: account,
        notices: &notices,
        portal: &domain.portal.url.to_string(),
        host: domain.portal.url.host(),
    };
    sample::samples(&house, languages)
}
