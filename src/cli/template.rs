//! `guardpost template test`: the mails to people outside as they would go out, with made-up facts.

use crate::app::error::AppError;
use crate::app::templates;
use crate::base::address::Address;
use crate::base::address::Domain;
use crate::cli::End;
use crate::cli::arguments::TemplateTest;
use crate::config::Config;
use crate::flow::samples::Wish;
use crate::flow::samples::Worded;
use crate::flow::samples::wished;
use crate::serve::control::Trouble;
use crate::serve::control::answer::TemplateTested;
use std::fmt;

/// Every mail that is wished for. A template with anything wrong in it ends it, as it would end a start.
pub(super) fn test(config: &Config, asked: &TemplateTest) -> Result<Vec<TemplateTested>, End> {
    let wordings = templates::read(config).map_err(AppError::from)?;
    let found = wished(config, &wordings, &wish(asked)?);
    let found = found.map_err(|why| Trouble::refused(why.to_string()))?;
    Ok(found.into_iter().map(answer).collect())
}

fn wish(asked: &TemplateTest) -> Result<Wish, Trouble> {
    let odd = |text: &str, why: &dyn fmt::Display| Trouble::usage(format!("{}: {why}", text.escape_debug()));
    let domain = |text: &String| Domain::parse(text).map_err(|why| odd(text, &why));
    let address = |text: &String| Address::parse(text).map_err(|why| odd(text, &why));
    Ok(Wish {
        mail: asked.mail,
        domain: asked.domain.as_ref().map(domain).transpose()?,
        from: asked.from.as_ref().map(address).transpose()?,
        language: asked.language,
        all: asked.all,
    })
}

fn answer(worded: Worded<'_>) -> TemplateTested {
    let Worded { domain, languages, templates, sample } = worded;
    TemplateTested {
        domain: domain.name.to_string(),
        mail: sample.kind.to_string(),
        shape: sample.shape.into(),
        languages: languages.all().map(|language| language.to_string()).collect(),
        templates: templates.iter().map(|file| file.display().to_string()).collect(),
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
