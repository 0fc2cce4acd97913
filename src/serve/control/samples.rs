//! `template test --to`: samples of the mails to people outside, sent.

use crate::base::address::Address;
use crate::base::language::Language;
use crate::config::Config;
use crate::config::complaint::Complaints;
use crate::flow::refusal::TakeError;
use crate::flow::samples::SampleError;
use crate::flow::samples::Sent;
use crate::flow::samples::Wish;
use crate::serve::control::Trouble;
use crate::serve::control::TroubleKind;
use crate::serve::control::answer::TemplateSent;
use crate::serve::control::dispatch::Dispatcher;
use crate::serve::control::dispatch::domain_of;
use crate::serve::control::dispatch::json;
use crate::serve::control::dispatch::parse;
use crate::serve::control::request::Request;
use crate::texts::template::Kind;
use crate::texts::template::Wordings;
use crate::threads;
use serde_json::Value;

/// Reads the templates that a configuration names, from the disk; all that is wrong with them at once.
pub type ReadTemplates = fn(&Config) -> Result<Wordings, Complaints>;

impl Dispatcher {
    /// Samples, in the words that lie on the disk now, whatever this server writes with.
    pub(super) async fn template_send(&self, request: Request) -> Result<Value, Trouble> {
        let Request::TemplateSend { to, mail, domain, from, language, all } = request else {
            return Err(Trouble::usage("not about templates"));
        };
        let wish = Wish {
            mail: mail.as_deref().map(mail_named).transpose()?,
            domain: domain.as_deref().map(domain_of).transpose()?,
            from: from.as_deref().map(parse).transpose()?,
            language: language.as_deref().map(language_named).transpose()?,
            all,
        };
        let to = parse(&to)?;
        let (read, config) = (self.templates, self.flow.config());
        let wordings = threads::blocking(move || read(&config)).await;
        let wordings = wordings.map_err(|_| Trouble::unavailable("reading the templates broke off"))??;
        let sent = self.flow.send_samples(&wordings, &wish, &to).await?;
        json(sent.iter().map(|one| shown(one, &to)).collect::<Vec<_>>())
    }
}

/// A configuration with anything wrong in it.
impl From<Complaints> for Trouble {
    fn from(complaints: Complaints) -> Self {
        Self { kind: TroubleKind::Configuration, message: complaints.to_string() }
    }
}

impl From<SampleError> for Trouble {
    fn from(trouble: SampleError) -> Self {
        match trouble {
            SampleError::Take(TakeError::Store(error)) => error.into(),
            SampleError::Take(TakeError::QueueFull) => {
                Self::unavailable("the queue holds as much as it may: nothing was sent")
            }
            SampleError::Take(other) => Self::unavailable(other.to_string()),
            other => Self::refused(other.to_string()),
        }
    }
}

/// In the words of answers.
fn shown(sent: &Sent, to: &Address) -> TemplateSent {
    TemplateSent {
        id: sent.queue.map(|id| id.to_string()),
        to: to.to_string(),
        domain: sent.domain.to_string(),
        mail: sent.sample.kind.to_string(),
        shape: sent.sample.shape.into(),
        languages: sent.languages.all().map(|language| language.to_string()).collect(),
        subject: sent.sample.mail.subject.clone(),
        templates: sent.templates.iter().map(|file| file.display().to_string()).collect(),
    }
}

fn mail_named(text: &str) -> Result<Kind, Trouble> {
    let known = || Kind::ALL.map(Kind::name).join(", ");
    Kind::parse(text).ok_or_else(|| Trouble::usage(format!("not a mail; the mails are {}", known())))
}

fn language_named(text: &str) -> Result<Language, Trouble> {
    let found = Language::ALL.into_iter().find(|language| language.tag() == text);
    let known = || Language::ALL.map(Language::tag).join(", ");
    found.ok_or_else(|| Trouble::usage(format!("not a language; the languages are {}", known())))
}
