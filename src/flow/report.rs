//! A report to one of our senders about what became of a message (RFC 3464): of what the queue ended, and of what was
//! delivered here. It goes into the sender's INBOX, full or not.

use crate::base::address::Address;
use crate::base::envelope::Recipient;
use crate::base::random::bytes;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::letters::letterhead;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Place;
use crate::flow::sealing::Receiver;
use crate::mime::compose;
use crate::mime::compose::Automatic;
use crate::mime::compose::Letter;
use crate::mime::compose::Person;
use crate::mime::header::Header;
use crate::mime::report;
use crate::mime::report::Action;
use crate::mime::report::Report;
use crate::policy::tls::Demand;
use crate::policy::tls::Requirement;
use crate::policy::tls::Sender;
use crate::smtp::client::Status;
use crate::smtp::client::clean;
use crate::store::command::Command;
use crate::texts::letter::MailText;
use crate::texts::report as texts;
use crate::texts::report::Kind;
use crate::texts::report::Line;
use crate::texts::report::Way;

/// What a sender is told of one recipient.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Fate {
    /// What became of the message.
    pub action: Action,
    /// For whom, as the envelope had it.
    pub recipient: Recipient,
    /// RFC 3463.
    pub status: Status,
    /// The host that was met, if one was.
    pub host: Option<String>,
    /// The peer's own words.
    pub said: Option<String>,
    /// Those, or what was found; may be empty.
    pub reason: String,
    /// The end of trying, for a delay.
    pub until: Option<Time>,
    /// The TLS policy that was not met.
    pub unmet: Option<Box<Unmet>>,
    /// How it went to whoever took it.
    pub way: Option<Way>,
    /// What was proven on that way: `tls=dane TLSv1.3 …`.
    pub proof: Option<String>,
}

/// The message that is reported on.
#[derive(Clone, Copy)]
pub(in crate::flow) struct Original<'a> {
    /// Its envelope sender.
    pub sender: &'a Address,
    /// When it was taken.
    pub taken: Time,
    /// What it asked of the way.
    pub demand: Option<Demand>,
    /// ENVID=, in xtext.
    pub envid: Option<&'a str>,
    /// Its header, made fit by [`report::original`].
    pub header: &'a Header,
}

impl Original<'_> {
    /// The level of the secure alias that it came from, if it did.
    fn alias(&self) -> Option<&'static str> {
        self.demand.and_then(alias_level)
    }
}

/// The level of the secure alias behind a demand.
pub(in crate::flow) fn alias_level(demand: Demand) -> Option<&'static str> {
    (demand.sender() == Sender::Secure).then(|| demand.requirement().as_str())
}

impl Flow {
    /// One report for each action, as commands; nothing where a domain of ours is no longer one.
    pub(in crate::flow) async fn reports(
        &self,
        owner: &Receiver,
        original: Original<'_>,
        told: &[&Fate],
    ) -> Result<Vec<Command>, TakeError> {
        let mut commands = Vec::new();
        for action in [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed] {
            let fates: Vec<&Fate> = told.iter().copied().filter(|fate| fate.action == action).collect();
            if fates.is_empty() {
                continue;
            }
            let words = self.report_words(owner, original, action, &fates);
            let letter = words.and_then(|words| self.whole_report(owner, original, &words, &fates));
            let Some(letter) = letter else { continue };
            let message = self.own_message(&letter)?;
            let place = Place { beyond_quota: true, ..Place::default() };
            commands.push(Command::Deliver(self.delivery(owner, message, place).await?));
        }
        Ok(commands)
    }

    /// The part for people, in the language of the account.
    fn report_words(
        &self,
        owner: &Receiver,
        original: Original<'_>,
        action: Action,
        fates: &[&Fate],
    ) -> Option<MailText> {
        let config = self.config();
        let domain = config.main_domain(owner.record.address.domain())?;
        let level = original.demand.map(Demand::requirement);
        let unmet = fates.iter().any(|fate| fate.unmet.is_some());
        let secure = unmet || level != Some(Requirement::Opportunistic);
        let until = fates.iter().filter_map(|fate| fate.until).max().unwrap_or(original.taken);
        let kind = match action {
            Action::Failed => Kind::Bounce { secure },
            Action::Delayed => Kind::Delay { until },
            Action::Delivered => Kind::Delivered,
            Action::Relayed | Action::Expanded => Kind::Relayed,
        };
        let lines: Vec<Line<'_>> = fates
            .iter()
            .map(|fate| Line {
                recipient: &fate.recipient.address,
                reason: &fate.reason,
                host: fate.host.as_deref(),
                unmet: fate.unmet.as_deref(),
                way: fate.way,
            })
            .collect();
        let subject = original.header.subject().unwrap_or_default();
        let facts = texts::Report {
            kind,
            sent: original.taken,
            subject: &subject,
            lines: &lines,
            tags: &config.encryption.subject_tag,
            alias: original.alias(),
        };
        Some(texts::report(&letterhead(domain), &facts, owner.record.language))
    }

    /// The whole report, to the envelope sender.
    fn whole_report(
        &self,
        owner: &Receiver,
        about: Original<'_>,
        words: &MailText,
        fates: &[&Fate],
    ) -> Option<Vec<u8>> {
        let config = self.config();
        // That of an alias may have been taken out of guard.toml meanwhile.
        let domains = [about.sender.domain(), owner.record.address.domain()];
        let domain = domains.into_iter().find_map(|domain| config.main_domain(domain))?;
        let now = self.clock.now();
        let named: Vec<Option<String>> =
            fates.iter().map(|fate| fate.recipient.orcpt.as_deref().map(original_recipient)).collect();
        let told: Vec<report::Fate<'_>> = fates
            .iter()
            .zip(&named)
            .map(|(fate, original)| report::Fate {
                recipient: &fate.recipient.address,
                original: original.as_deref(),
                action: fate.action,
                status: fate.status,
                remote: fate.host.as_deref(),
                diagnostic: fate.said.as_deref(),
                tried: Some(now),
                until: fate.until,
                proof: fate.proof.as_deref(),
            })
            .collect();
        let envelope_id = about.envid.map(xtext);
        let letter = Letter {
            from: Person {
                name: Some(domain.portal.brand.clone()),
                address: Address::new("mailer-daemon", domain.name.clone()).ok()?,
            },
            reply_to: None,
            to: vec![Person { name: None, address: about.sender.clone() }],
            cc: Vec::new(),
            subject: words.subject.clone(),
            date: now,
            message_id: self.message_id(&domain.name),
            in_reply_to: None,
            references: Vec::new(),
            automatic: Some(Automatic::Replied),
            more: Vec::new(),
        };
        let report = Report {
            letter,
            text: &words.text,
            html: &words.html,
            hostname: config.hostname.as_str(),
            arrived: Some(about.taken),
            envelope_id: envelope_id.as_deref(),
            fates: &told,
            original: about.header,
        };
        let boundary = || compose::boundary(&bytes(&*self.random));
        Some(report.write(&boundary(), &boundary()))
    }
}

/// ORCPT= as a report has it: the address out of xtext (RFC 3461 §4.2), as it stands where it has another form.
fn original_recipient(orcpt: &str) -> String {
    match orcpt.split_once(';') {
        Some((kind, address)) if kind.eq_ignore_ascii_case("rfc822") => format!("{kind};{}", xtext(address)),
        _ => orcpt.to_owned(),
    }
}

/// Decodes xtext (RFC 3461 §4); what is not well-formed stays as it is.
fn xtext(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let octet = hex.filter(|_| *first == b'+').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        octets.push(octet.unwrap_or(*first));
        rest = if octet.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    clean(&String::from_utf8_lossy(&octets), 900)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_recipient_is_shown_as_it_was_meant() {
        for (orcpt, want) in [
            ("rfc822;bob@x.example", "rfc822;bob@x.example"),
            ("RFC822;bob+2Bnews@x.example", "RFC822;bob+news@x.example"),
            ("rfc822;bob+0D+0AStatus:+205.0.0", "rfc822;bob  Status: 5.0.0"),
            ("utf-8;b\\x{F6}b@x.example", "utf-8;b\\x{F6}b@x.example"),
        ] {
            assert_eq!(original_recipient(orcpt), want);
        }
    }
}
