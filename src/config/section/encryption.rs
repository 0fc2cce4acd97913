//! `[encryption]` and `[temporary_mailbox]`: how messages to people outside are protected.

use crate::config::reader::Reader;
use crate::config::reader::Section;
use crate::config::section::MIB;
use crate::config::section::TIB;
use crate::config::section::days;
use crate::config::value;
use crate::config::value::Pattern;

/// Which mail is encrypted.
#[derive(Clone, Debug)]
pub struct Encryption {
    /// Ask for encryption.
    pub subject_tag: Vec<String>,
    /// Take a message out.
    pub plain_tag: Vec<String>,
    /// What happens untold.
    pub mode: Mode,
    /// Answers to encrypted messages are encrypted.
    pub keep_conversations: bool,
    /// A certificate on file cannot be used.
    pub on_bad_key: OnBadKey,
    /// The first that fits decides.
    pub rules: Vec<EncryptionRule>,
}

/// `[encryption] mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// When the sender asks.
    Requested,
    /// Also to everybody whose certificate is on file.
    KeyKnown,
    /// All mail.
    Always,
}

/// `[encryption] on_bad_key`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnBadKey {
    /// As if there was none.
    TemporaryMailbox,
    /// Nothing is sent.
    Refuse,
}

/// One `[[encryption.rule]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EncryptionRule {
    /// Senders.
    pub from: Pattern,
    /// Recipients.
    pub to: Pattern,
    /// What then.
    pub action: RuleAction,
}

/// `[[encryption.rule]] action`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleAction {
    /// Always.
    Encrypt,
    /// Never; asking for it is refused.
    Plain,
    /// No mail at all.
    Refuse,
}

/// Reads `[encryption]` with its rules.
pub(in crate::config) fn read_encryption(reader: &Reader) -> Option<Encryption> {
    let s = reader.section("encryption");
    let subject_tag = s.texts("subject_tag", 16, value::tag);
    let plain_tag = s.texts("plain_tag", 16, value::tag);
    let folded = |tag: &String| tag.to_lowercase().replace(' ', "");
    if let Some(both) = plain_tag.iter().find(|tag| subject_tag.iter().any(|t| folded(t) == folded(tag))) {
        s.complain("plain_tag", format!("{both} is a subject_tag as well"));
    }
    let modes = [("requested", Mode::Requested), ("key-known", Mode::KeyKnown), ("always", Mode::Always)];
    let mode = s.choice("mode", &modes, &[]);
    let keep_conversations = s.flag("keep_conversations");
    let on_bad_key = s.choice(
        "on_bad_key",
        &[("temporary-mailbox", OnBadKey::TemporaryMailbox), ("refuse", OnBadKey::Refuse)],
        &["hold"],
    );
    let mut rules = Vec::new();
    for rule in reader.sections("encryption.rule") {
        let from = rule.must("from", Pattern::parse);
        let to = rule.must("to", Pattern::parse);
        let actions =
            [("encrypt", RuleAction::Encrypt), ("plain", RuleAction::Plain), ("refuse", RuleAction::Refuse)];
        let action = rule.choice("action", &actions, &[]);
        if let (Some(from), Some(to), Some(action)) = (from, to, action) {
            rules.push(EncryptionRule { from, to, action });
        }
    }
    Some(Encryption {
        subject_tag,
        plain_tag,
        mode: mode?,
        keep_conversations,
        on_bad_key: on_bad_key?,
        rules,
    })
}

/// Mailboxes for people outside.
#[derive(Clone, Debug)]
pub struct TemporaryMailbox {
    /// Without activity; days.
    pub inactivity_days: u16,
    /// Before that; days, falling. Two at least, so that nothing goes that was not warned of twice, and the last leaves
    /// three days to act.
    pub warn_days: Vec<u16>,
    /// The PIN.
    pub pin: PinRule,
    /// Of a PIN that Guardpost makes.
    pub pin_digits: u8,
    /// In the sender's own Sent copy.
    pub show_pin_again: bool,
    /// The header there.
    pub sent_header: String,
    /// Recipients may take their key with them.
    pub key_download: bool,
    /// Octets of one mailbox.
    pub quota: u64,
    /// The local part that invitations come from, lower case.
    pub notice_from: String,
}

/// `[temporary_mailbox] pin`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinRule {
    /// Always.
    Required,
    /// Unless the sender says none.
    Optional,
    /// Never.
    Off,
}

/// Reads `[temporary_mailbox]`.
pub(in crate::config) fn read_temporary_mailbox(s: &Section<'_>) -> Option<TemporaryMailbox> {
    let inactivity_days = days(s.number("inactivity_days", 7..3_651));
    let warn_days: Vec<u16> = s.numbers("warn_days", 2..9, 3..3_650).into_iter().map(days).collect();
    if warn_days.windows(2).any(|pair| matches!(pair, [a, b] if a <= b)) {
        s.complain("warn_days", "must fall");
    }
    if inactivity_days > 0 && warn_days.first().is_some_and(|first| *first >= inactivity_days) {
        s.complain("warn_days", "must be below inactivity_days");
    }
    let rules = [("required", PinRule::Required), ("optional", PinRule::Optional), ("off", PinRule::Off)];
    let pin = s.choice("pin", &rules, &[]);
    let pin_digits = u8::try_from(s.number("pin_digits", 4..13)).unwrap_or_default();
    let show_pin_again = s.flag("show_pin_again");
    let sent_header = s.text("sent_header", value::header_name);
    if sent_header.to_ascii_lowercase().starts_with("x-guardpost-") {
        s.complain("sent_header", "must not begin with X-Guardpost-");
    }
    let key_download = s.flag("key_download");
    let quota = s.size("quota", MIB..TIB + 1);
    let notice_from = s.text("notice_from", value::local_part);
    if ["postmaster", "abuse", "mailer-daemon"].contains(&notice_from.as_str()) {
        s.complain("notice_from", "is an address that people write to");
    }
    s.choice("first_contact", &[("link", ())], &["two-mails"]);
    Some(TemporaryMailbox {
        inactivity_days,
        warn_days,
        pin: pin?,
        pin_digits,
        show_pin_again,
        sent_header,
        key_download,
        quota,
        notice_from,
    })
}
