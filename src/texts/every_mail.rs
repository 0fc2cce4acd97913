//! Every mail that there is, once in each of its shapes: put on record in `tests/golden/mail`, and held to what all
//! mails must be.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::language::Language;
use crate::base::language::Languages;
use crate::base::requirement::Reason;
use crate::base::requirement::Requirement;
use crate::base::requirement::Unmet;
use crate::base::time::Time;
use crate::texts::alarm;
use crate::texts::alarm::ClockAlarm;
use crate::texts::alarm::Trouble;
use crate::texts::alarm::Wrong;
use crate::texts::letter::Letterhead;
use crate::texts::letter::MailText;
use crate::texts::mail;
use crate::texts::note::Kept;
use crate::texts::note::Lost;
use crate::texts::note::Note;
use crate::texts::note::Pin;
use crate::texts::note::PinNews;
use crate::texts::note::Recovery;
use crate::texts::refused;
use crate::texts::refused::Attempt;
use crate::texts::report;
use crate::texts::report::Kind;
use crate::texts::report::Line;
use crate::texts::report::Report;
use crate::texts::report::Way;
use crate::texts::sample;
use crate::texts::sample::House;
use crate::texts::sample::Sample;
use crate::texts::template::Kind as Mail;
use crate::texts::template::Template;
use crate::texts::template::Templates;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HOST: &str = "post.weber-roth.example";
const LOGIN: &str = "https://post.weber-roth.example/login";
const LINK: &str =
    "https://post.weber-roth.example/i/7kq2m9x4tbn3wz8r5hvd6c1fpa#Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const CODE: &str = "Q3RM-7XKA-9W2F-TZ5H-B4NC-6PLD-MJ8S-VYE2";
const DAY: i64 = 86_400;
const WRITTEN: Time = Time(1_795_232_000);
const UNTIL: Time = Time(WRITTEN.0 + 90 * DAY);
const RENEW: &str = "[secure renew]";
const REASON: &str = "550 5.1.1 <jonas.keller@mail.example>: no such user";
const SEEN: &str =
    "5d:1f:a5:e5:a6:f9:a4:f2:c1:c6:a8:4d:1f:8e:6a:0b:9c:3f:7f:0f:4d:8c:2b:1a:90:e7:d6:c5:b4:a3:92:81";
const STORED: &str =
    "91:c2:b4:f0:7a:6d:3e:58:19:0d:2c:4b:6a:7f:8e:9d:0c:1b:2a:39:48:57:6d:5e:4f:3c:2b:1a:09:f8:e7:d6";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

type Mails = Vec<(&'static str, MailText)>;

/// All of them.
fn every_mail(language: Language) -> Vec<(String, MailText)> {
    let of_ours = [
        into_mailboxes(language),
        notes_about_links(language),
        notes_about_mailboxes(language),
        alarms(language),
        reports(language),
        reports_to_aliases(language),
        digests(language),
    ];
    let mut mails = to_people_outside(language);
    mails.extend(of_ours.into_iter().flatten().map(|(name, mail)| (name.to_owned(), mail)));
    mails
}

fn digests(language: Language) -> Mails {
    let anna = address("anna.roth@secure.weber-roth.example");
    let attempt = |sender, count| Attempt {
        sender,
        host: "mx.booking.example (192.0.2.0/24)",
        first: WRITTEN,
        last: Time(WRITTEN.0 + if count > 1 { 3_600 } else { 0 }),
        count,
    };
    let attempts = [attempt("portal@booking.example", 1), attempt("", 3)];
    let digest = |attempts, more| refused::digest(&Letterhead::FULL, &anna, attempts, more, language);
    vec![("refused-one", digest(&attempts[..1], 0)), ("refused-many", digest(&attempts, 9_000))]
}

/// The organisation's own words, for every mail that may have them: only what is obligatory, and values among words.
fn own_words() -> Templates {
    let mut templates = Templates::default();
    for language in Language::ALL {
        for kind in Mail::ALL {
            let file = format!("{kind}.{language}.txt");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/templates").join(&file);
            let template = Template::read(kind, &fs::read(path).unwrap());
            templates.add(kind, language, template.unwrap_or_else(|wrong| panic!("{file}: {wrong:?}")));
        }
    }
    templates
}

fn to_recipients(head: &Letterhead<'_>, languages: Languages) -> Vec<Sample> {
    let domain = Domain::parse("weber-roth.example").unwrap();
    let notices = address("secure-mail@weber-roth.example");
    let portal = format!("https://{HOST}");
    sample::samples(
        &House { head, domain: &domain, sender: None, notices: &notices, portal: &portal, host: HOST },
        languages,
    )
}

/// In our words, in both languages at once, and in the words of the organisation.
fn to_people_outside(language: Language) -> Vec<(String, MailText)> {
    let other = Language::ALL.into_iter().find(|other| *other != language);
    let own_words = own_words();
    let own = Letterhead { words: (&own_words).into(), ..Letterhead::FULL };
    let both = Languages { first: language, second: other };
    let named = |prefix: &str, samples: Vec<Sample>| {
        samples
            .into_iter()
            .map(|sample| (format!("{prefix}{}", sample.shape), sample.mail))
            .collect::<Vec<_>>()
    };
    let usual = |mut samples: Vec<Sample>| {
        samples.dedup_by_key(|sample| sample.kind);
        samples
    };
    let mut mails = named("", to_recipients(&Letterhead::FULL, language.into()));
    mails.extend(named("both-", usual(to_recipients(&Letterhead::FULL, both))));
    mails.extend(named("own-", to_recipients(&own, language.into())));
    mails.extend(named("own-both-", usual(to_recipients(&own, both)).into_iter().take(1).collect()));
    mails
}

fn into_mailboxes(language: Language) -> Mails {
    let (anna, jonas) = (address("anna.roth@weber-roth.example"), address("jonas.keller@mail.example"));
    let anew = mail::made_anew(&Letterhead::FULL, &jonas, &anna, WRITTEN, UNTIL, language);
    vec![("made-anew", anew)]
}

fn notes_about_links(language: Language) -> Mails {
    let (head, jonas) = (Letterhead::FULL, address("jonas.keller@mail.example"));
    let note = Note { head: &head, recipient: &jonas, language };
    let (anna, carl) = (address("anna.roth@weber-roth.example"), address("carl@weber-roth.example"));
    let unmet = Unmet { requirement: Requirement::Encrypt, reason: Reason::NoEncryption };
    let kept =
        Kept { host: Some("mx1.mail.example"), unmet: &unmet, normal: Some(&anna), secure: "[secure]" };
    let pin = |pin, news, ignored| {
        note.pin(&Pin { pin, header: Some("X-OxGuard-PIN"), until: UNTIL, news, ignored })
    };
    let known = Some("493817");
    vec![
        ("note-pin", pin(known, PinNews::First, false)),
        ("note-pin-again", pin(known, PinNews::Resent, true)),
        ("note-pin-renewed", pin(known, PinNews::Renewed, false)),
        ("note-pin-none", pin(None, PinNews::First, false)),
        ("note-pin-none-again", pin(None, PinNews::Resent, false)),
        ("note-pin-none-renewed", pin(None, PinNews::Renewed, false)),
        ("note-pin-unused", note.pin_ignored()),
        ("note-pins-wrong", note.wrong_pins(3, 7, RENEW)),
        ("note-pins-wrong-one-left", note.wrong_pins(9, 1, RENEW)),
        ("note-dead", note.wrong_pins(10, 0, RENEW)),
        ("note-pin-wanted", note.no_pin()),
        ("note-unopened", note.still_unopened(&carl, WRITTEN)),
        ("note-unreachable", note.unreachable(REASON, RENEW)),
        ("note-undelivered", note.undelivered("554 5.7.1 refused by policy", false, RENEW)),
        ("note-undelivered-opened", note.undelivered("", true, RENEW)),
        ("note-undelivered-policy", note.kept(&Kept { normal: None, ..kept }, false, RENEW)),
        ("note-undelivered-alias", note.kept(&kept, false, RENEW)),
        ("note-undelivered-alias-opened", note.kept(&kept, true, RENEW)),
        ("note-late", note.late(UNTIL, "451 4.7.1 greylisted")),
        ("note-not-told", note.not_told()),
        ("note-not-repeated", note.link_not_repeated()),
    ]
}

fn notes_about_mailboxes(language: Language) -> Mails {
    let (head, jonas) = (Letterhead::FULL, address("jonas.keller@mail.example"));
    let note = Note { head: &head, recipient: &jonas, language };
    let (anna, carl) = (address("anna.roth@weber-roth.example"), address("carl@weber-roth.example"));
    let lost = |opened, messages| note.lost(&Lost { opened, messages, new: "[secure new]", renew: RENEW });
    let own = Note { recipient: &anna, ..note };
    let fingerprint = "8A3F 91C2 B4F0 7A6D 3E58  190D 2C4B 6A7F 8E9D 0C1B";
    vec![
        ("note-opened", note.opened(WRITTEN, true)),
        ("note-opened-no-pin", note.opened(WRITTEN, false)),
        ("note-lost-opened", lost(Some(WRITTEN), 12)),
        ("note-lost-unopened", lost(None, 1)),
        ("note-made-anew", note.made_anew(&carl, WRITTEN)),
        ("note-never-opened", note.never_opened(UNTIL, Time(UNTIL.0 + 7 * DAY))),
        ("note-recovery-on", own.recovery(Recovery::On, fingerprint)),
        ("note-recovery-changed", own.recovery(Recovery::Changed, fingerprint)),
        ("note-recovery-off", own.recovery(Recovery::Off, "")),
    ]
}

fn alarms(language: Language) -> Mails {
    let clock = |wrong, by| {
        let facts = ClockAlarm { host: "mail.weber-roth.example", at: WRITTEN, wrong, by };
        alarm::clock(&Letterhead::FULL, &facts, language)
    };
    let trouble = |trouble| {
        let facts = alarm::Facts { server: "mail.weber-roth.example", trouble };
        alarm::trouble(&Letterhead::FULL, &facts, language)
    };
    let (destination, host) = ("partner.example", "mx1.partner.example");
    let expected = [STORED.to_owned()];
    let mismatch = Trouble::StoredMismatch { destination, host, expected: &expected, seen: SEEN };
    vec![
        ("alarm-dane", trouble(Trouble::NotValidated { destination })),
        ("alarm-stored-mismatch", trouble(mismatch)),
        ("alarm-stored-plain", trouble(Trouble::StoredPlain { destination, host })),
        ("alarm-stored-foreign-key", trouble(Trouble::StoredForeignKey { destination, host })),
        ("alarm-rotated", trouble(Trouble::Rotated { destination, host, was: STORED, now: SEEN })),
        ("alarm-ends", trouble(Trouble::Ends { destination, fingerprint: STORED, ends: UNTIL })),
        ("alarm-clock-backward", clock(Wrong::Backward, 100 * 86_400)),
        ("alarm-clock-forward", clock(Wrong::Forward, 26 * 3_600)),
        ("alarm-clock-jump", clock(Wrong::Jump, 3_700)),
    ]
}

fn reports_to_aliases(language: Language) -> Mails {
    let jonas = address("jonas.keller@mail.example");
    let tags = ["[secure]".to_owned(), "[sicher]".to_owned()];
    let bare = Unmet { requirement: Requirement::Encrypt, reason: Reason::NoEncryption };
    let (host, reason) = (Some("mx1.mail.example"), "connection timed out");
    let late = Line { recipient: &jonas, reason, host, unmet: None, way: None };
    let report = |kind, line| {
        let (subject, alias) = ("Draft of the contract", Some("encrypt"));
        let facts = Report { kind, sent: WRITTEN, subject, lines: &[line], tags: &tags, alias };
        report::report(&Letterhead::FULL, &facts, language)
    };
    let bounced = Line { unmet: Some(&bare), ..late };
    vec![
        ("report-alias-bounce", report(Kind::Bounce { secure: true }, bounced)),
        ("report-alias-delay", report(Kind::Delay { until: Time(WRITTEN.0 + 1_800) }, late)),
    ]
}

fn reports(language: Language) -> Mails {
    let (jonas, kim) = (address("jonas.keller@mail.example"), address("kim@mail.example"));
    let tags = ["[secure]".to_owned(), "[sicher]".to_owned()];
    let line = |recipient, reason| Line {
        recipient,
        reason,
        host: Some("mx1.mail.example"),
        unmet: None,
        way: None,
    };
    let report = |kind, lines: &[Line<'_>]| {
        let facts =
            Report { kind, sent: WRITTEN, subject: "Draft of the contract", lines, tags: &tags, alias: None };
        report::report(&Letterhead::FULL, &facts, language)
    };
    let bounce = Kind::Bounce { secure: false };
    let refused = line(&jonas, REASON);
    let full = line(&kim, "552 5.2.2 mailbox full");
    let mut mails = vec![
        ("report-bounce", report(bounce, &[refused])),
        ("report-bounce-two", report(bounce, &[refused, full])),
        ("report-bounce-many", report(bounce, &[full; 60])),
        (
            "report-delay",
            report(Kind::Delay { until: Time(WRITTEN.0 + 5 * DAY) }, &[line(&kim, "451 4.7.1 greylisted")]),
        ),
    ];
    for (name, kind, requirement, reason) in [
        ("report-delay-policy", Kind::Delay { until: UNTIL }, Requirement::DaneOnly, Reason::NotValidated),
        ("report-tls-unknown", bounce, Requirement::Encrypt, Reason::TlsaUnknown("SERVFAIL".into())),
        ("report-tls-none", bounce, Requirement::Encrypt, Reason::NoEncryption),
        ("report-tls-none-dane", bounce, Requirement::Encrypt, Reason::NoEncryptionDespiteDane),
        ("report-tls-none-stored", bounce, Requirement::Verify, Reason::NoEncryptionDespiteStored),
        ("report-tls-none-sts", bounce, Requirement::Encrypt, Reason::NoEncryptionDespiteSts),
        ("report-tls-not-in-policy", bounce, Requirement::Encrypt, Reason::NotInPolicy),
        ("report-tls-sts-mismatch", bounce, Requirement::Encrypt, Reason::StsMismatch { seen: SEEN.into() }),
        ("report-tls-handshake", bounce, Requirement::Encrypt, Reason::Handshake),
        (
            "report-tls-dane-mismatch",
            bounce,
            Requirement::DaneOnly,
            Reason::DaneMismatch { seen: SEEN.into() },
        ),
        ("report-tls-foreign-key", bounce, Requirement::Verify, Reason::ForeignKey),
        ("report-tls-no-dane", bounce, Requirement::DaneOnly, Reason::NoDane("no records")),
        ("report-tls-nothing-stored", bounce, Requirement::Verify, Reason::NothingStored),
        (
            "report-tls-stored-mismatch",
            bounce,
            Requirement::Verify,
            Reason::StoredMismatch { expected: vec![STORED.into()], seen: SEEN.into() },
        ),
    ] {
        let kind = if kind == bounce { Kind::Bounce { secure: true } } else { kind };
        let unmet = Unmet { requirement, reason };
        mails.push((name, report(kind, &[Line { unmet: Some(&unmet), ..refused }])));
    }
    for (name, way, proof) in [
        ("report-success-plain", Way::Plain, "tls=none"),
        ("report-success-encrypted", Way::Encrypted, "tls=unauthenticated TLSv1.3 TLS_AES_256_GCM_SHA384"),
        ("report-success-dane", Way::Dane, "tls=dane TLSv1.3 TLS_AES_256_GCM_SHA384"),
        ("report-success-sts", Way::MtaSts, "tls=mta-sts TLSv1.3 TLS_AES_256_GCM_SHA384"),
        ("report-success-stored", Way::Stored, "tls=stored-certificate TLSv1.3 TLS_AES_256_GCM_SHA384"),
        (
            "report-success-both",
            Way::DaneAndStored,
            "tls=dane+stored-certificate TLSv1.3 TLS_AES_256_GCM_SHA384",
        ),
    ] {
        let proof = format!("mx1.mail.example [192.0.2.25] {proof}; 250 2.0.0 Ok: queued as 4bTzF26Yp");
        let line = Line { reason: &proof, way: Some(way), ..refused };
        mails.push((name, report(Kind::Relayed, &[line])));
    }
    let account = Line { reason: "", host: None, way: Some(Way::Account), ..refused };
    let temporary = Line { way: Some(Way::TemporaryMailbox), ..account };
    mails.push(("report-delivered", report(Kind::Delivered, &[account])));
    mails.push(("report-delivered-two", report(Kind::Delivered, &[account, temporary])));
    mails
}

/// Written anew by `UPDATE_GOLDEN=1`.
#[test]
fn every_mail_is_on_record() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mail");
    let write = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut names = BTreeSet::new();
    for language in Language::ALL {
        for (name, mail) in every_mail(language) {
            let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
            for (form, content) in [("txt", text), ("html", mail.html)] {
                let file = format!("{name}.{language}.{form}");
                let path = dir.join(&file);
                if write {
                    fs::write(&path, &content).unwrap();
                }
                let known = fs::read_to_string(&path).unwrap_or_default();
                assert_eq!(known, content, "{file} is another one; UPDATE_GOLDEN=1 writes it anew");
                assert!(names.insert(file), "{name} twice");
            }
        }
    }
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&file), "{file} is nobody's");
    }
}

/// Addresses, hosts, links, codes, numbers and dates: what somebody would act upon.
fn facts(words: &str) -> BTreeSet<String> {
    let ends = |c: char| c.is_whitespace() || "()“”„\",;<>".contains(c);
    let words = words.split(ends).map(|word| word.trim_end_matches(['.', ':', '?']));
    let is_fact = |word: &&str| {
        word.chars().any(|c| c.is_ascii_digit() || matches!(c, '@' | '[' | '=' | '_'))
            || word.contains("://")
            || word.trim_matches('.').contains('.')
    };
    words.filter(is_fact).map(str::to_owned).collect()
}

/// What a reader of the HTML sees.
fn shown(html: &str) -> String {
    let body = html.split_once("<body").unwrap().1;
    let mut out = String::new();
    for piece in body.split('<') {
        out.push(' ');
        out.push_str(piece.split_once('>').map_or("", |(_, words)| words));
    }
    for (escaped, plain) in [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
    {
        out = out.replace(escaped, plain);
    }
    out
}

#[test]
fn both_forms_say_the_same() {
    for language in Language::ALL {
        for (name, mail) in every_mail(language) {
            let (text, html) = (facts(&mail.text), facts(&shown(&mail.html)));
            assert_eq!(text, html, "{name} {language}");
            let targets = mail.html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            for target in targets {
                let target = target.trim_start_matches("mailto:");
                assert!(text.contains(target), "{name} {language}: {target} is a link in the HTML only");
            }
            // Beside the words around a link, every word of one form stands in the other.
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<String>>();
            let (text, html) = (words(&mail.text), words(&shown(&mail.html)));
            let apart = text.symmetric_difference(&html).count();
            let most = if name.contains("both-") { 48 } else { 24 };
            assert!(apart <= most, "{name} {language}: {:?}", text.symmetric_difference(&html));
        }
    }
}

#[test]
fn nothing_remote_nothing_left_open_nothing_too_large() {
    for language in Language::ALL {
        for (name, mail) in every_mail(language) {
            for remote in
                ["src=", "url(", "<link", "@import", "<img", "tel:", "background=", "srcset", "<script"]
            {
                assert!(!mail.html.contains(remote), "{name}: {remote}");
            }
            for target in mail.html.split("href=\"").skip(1) {
                let ours = [LINK, LOGIN, "https://weber-roth.example/", "mailto:help@weber-roth.example\""];
                assert!(ours.iter().any(|start| target.starts_with(start)), "{name}: {target}");
            }
            for form in [&mail.subject, &mail.text, &mail.html] {
                for left in ["{$", "{ $", "$", "note-", "mail-", "alarm-", "report-"] {
                    let form = form.replace("secure-mail@", "");
                    assert!(!form.contains(left), "{name} {language}: {left} in {form}");
                }
            }
            // Gmail cuts off what is longer.
            assert!(mail.html.len() < 100_000, "{name}: {} octets", mail.html.len());
            assert!(mail.text.lines().all(|line| line.len() < 998), "RFC 5322 §2.1.1");
            assert!(mail.html.lines().all(|line| line.chars().count() < 16_384));
            assert!(!mail.subject.is_empty() && !mail.subject.contains('\n'), "{name}");
        }
    }
}

/// Long answers of other servers do not make a report that a mail program cuts off.
#[test]
fn the_longest_report_is_shown_whole() {
    let long = address(&format!("{}@{}.example", "a".repeat(64), "b".repeat(60)));
    let reason = "<&>\"'".repeat(100);
    let line = Line { recipient: &long, reason: &reason, host: None, unmet: None, way: Some(Way::Dane) };
    let lines = vec![line; 1_000];
    let subject = "&".repeat(1_000);
    let facts = Report {
        kind: Kind::Bounce { secure: true },
        sent: WRITTEN,
        subject: &subject,
        lines: &lines,
        tags: &[],
        alias: None,
    };
    for language in Language::ALL {
        let mail = report::report(&Letterhead::FULL, &facts, language);
        assert!(mail.html.len() < 102_000, "{} octets", mail.html.len());
        assert!(mail.text.contains("960"), "{}", mail.text);
    }
}

/// The secrets of one mail stand in no other.
#[test]
fn secrets_stand_where_they_belong() {
    for language in Language::ALL {
        for (name, mail) in every_mail(language) {
            let all = format!("{} {} {}", mail.subject, mail.text, mail.html);
            assert_eq!(all.contains(CODE), name.contains("invitation"), "{name}");
            let with_pin = ["note-pin", "note-pin-again", "note-pin-renewed"].contains(&&*name);
            assert_eq!(all.contains("493817"), with_pin, "{name}");
            assert!(!mail.subject.contains("493817") && !mail.subject.contains("contract"), "{name}");
        }
    }
}
