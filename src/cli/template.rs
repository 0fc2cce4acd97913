//! `guardpost template test`: the mails to people outside as they would go out, with made-up facts.

use crate::app::error::AppError;
use crate::app::templates;
use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::cli::End;
use crate::cli::arguments::TemplateTest;
use crate::config::Config;
use crate::config::section::LocalDomain;
use crate::flow::letters::worded;
use crate::serve::control::Trouble;
use crate::serve::control::answer::TemplateTested;
use crate::texts::sample::House;
use crate::texts::sample::Sample;
use crate::texts::sample::samples;
use crate::texts::template::Kind;
use crate::texts::template::Wordings;

/// Every mail that is wished for. A template with anything wrong in it ends it, as it would end a start.
pub(super) fn test(config: &Config, wish: &TemplateTest) -> Result<Vec<TemplateTested>, End> {
    let wordings = templates::read(config).map_err(AppError::from)?;
    let domains = domains(config, wish.domain.as_deref())?;
    let mut tested = Vec::new();
    for domain in domains {
        for languages in written_in(domain, wish.language) {
            let samples = samples_of(config, domain, &wordings, languages);
            let wished = samples.into_iter().filter(|one| wish.mail.is_none_or(|mail| mail == one.kind));
            let mut wished: Vec<Sample> = wished.collect();
            if !wish.all {
                wished.dedup_by_key(|sample| sample.kind);
            }
            tested.extend(wished.into_iter().map(|sample| answer(domain, &wordings, languages, sample)));
        }
    }
    Ok(tested)
}

fn domains<'a>(config: &'a Config, wished: Option<&str>) -> Result<Vec<&'a LocalDomain>, Trouble> {
    let Some(wished) = wished else { return Ok(config.domains.iter().collect()) };
    let domain = Domain::parse(wished).map_err(|why| Trouble::usage(why.to_string()))?;
    let found = config.domain(&domain);
    found
        .map(|found| vec![found])
        .ok_or_else(|| Trouble::refused(format!("{domain} is not a domain of this server")))
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
    wordings: &Wordings,
    languages: Languages,
) -> Vec<Sample> {
    let Some(notices) = config.notice_address(&domain.name) else { return Vec::new() };
    let house = House {
        head: &worded(domain, wordings),
        domain: &domain.name,
        notices: &notices,
        portal: &domain.portal.url.to_string(),
        host: domain.portal.url.host(),
    };
    samples(&house, languages)
}

fn answer(domain: &LocalDomain, wordings: &Wordings, languages: Languages, sample: Sample) -> TemplateTested {
    let has = |kind: Kind, language| wordings.of(&domain.name).and_then(|own| own.of(kind, language));
    let own = languages.all().filter(|language| has(sample.kind, *language).is_some());
    let directory = domain.templates.as_deref();
    TemplateTested {
        domain: domain.name.to_string(),
        mail: sample.kind.to_string(),
        shape: sample.shape.into(),
        languages: languages.all().map(|language| language.to_string()).collect(),
        templates: own
            .filter_map(|language| Some(templates::file_of(directory?, sample.kind, language)))
            .collect(),
        subject: sample.mail.subject,
        text: sample.mail.text,
        html: sample.mail.html,
    }
}

/// One after the other, each below a line that says what it is.
pub(super) fn show(tested: &[TemplateTested], html: bool) -> String {
    let mut out = String::new();
    for one in tested {
        let words = match one.templates.as_slice() {
            [] => "in our words".to_owned(),
            files => files.join(", "),
        };
        let what = format!("{}, {}, {}: {words}", one.domain, one.shape, one.languages.join(" and "));
        out += &match html {
            true => format!("<!-- {what} -->\n{}\n", one.html),
            false => format!("### {what}\nSubject: {}\n\n{}\n", one.subject, one.text),
        };
    }
    out
}
