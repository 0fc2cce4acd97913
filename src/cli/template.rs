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
use crate::serve::control::answer::TemplateSent;
use crate::serve::control::answer::TemplateTested;
use crate::serve::control::request::Request;
use serde_json::Value;
use std::fmt;

/// Every mail that is wished for. A template with anything wrong in it ends it, as it would end a start.
pub(super) fn test(config: &Config, asked: &TemplateTest) -> Result<Vec<TemplateTested>, End> {
    let wordings = templates::read(config).map_err(AppError::from)?;
    let found = wished(config, &wordings, &wish(asked)?, usize::MAX).map_err(Trouble::from)?;
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

/// What the server is asked that sends them.
pub(super) fn send(asked: &TemplateTest, to: &str) -> Request {
    Request::TemplateSend {
        to: to.to_owned(),
        mail: asked.mail.map(|mail| mail.to_string()),
        domain: asked.domain.clone(),
        from: asked.from.clone(),
        language: asked.language.map(|language| language.to_string()),
        all: asked.all,
    }
}

/// A hint where the server goes by another guard.toml than is on the disk: what it sent is not what is shown here.
pub(super) fn differs(config: &Config, asked: &TemplateTest, sent: &Value) -> Option<&'static str> {
    let shown = test(config, asked).ok()?;
    let sent: Vec<TemplateSent> = serde_json::from_value(sent.clone()).ok()?;
    let of_shown = shown.iter().map(|one| (&one.domain, &one.shape, &one.languages, &one.templates));
    let of_sent = sent.iter().map(|one| (&one.domain, &one.shape, &one.languages, &one.templates));
    (!of_shown.eq(of_sent))
        .then_some("The server goes by a guard.toml from before the last changes: reload it, and send again.")
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
