//! Every answer, field by field, on record.

use super::*;
use serde_json::Value;
use serde_json::json;
use std::path::Path;

fn text() -> String {
    "x".into()
}

fn some() -> Option<String> {
    Some(text())
}

/// Every field of an answer, one a line: `recipients[].address`.
fn fields(value: &Value, path: &str, out: &mut String) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| fields(value, &format!("{path}[]"), out)),
        Value::Object(map) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                fields(value, &path, out);
            }
        }
        Value::String(_) => *out += &format!("{path}\ttext\n"),
        Value::Number(_) => *out += &format!("{path}\tnumber\n"),
        Value::Bool(_) => *out += &format!("{path}\ttrue or false\n"),
        Value::Null => panic!("{path} is not said"),
    }
}

fn alias() -> AliasShown {
    AliasShown { secure_alias: some(), active: true, policy: text() }
}

fn mailbox_listed() -> MailboxListed {
    MailboxListed {
        address: text(),
        state: text(),
        created: text(),
        opened: some(),
        last_activity: text(),
        inactive_until: some(),
        kept_until: some(),
        messages: 1,
        bytes: 1,
    }
}

fn mailbox_changed() -> Value {
    json!(MailboxChanged { address: text(), state: text(), others: vec![text()] })
}

fn recipient() -> Recipient {
    Recipient {
        address: text(),
        from: text(),
        marked: text(),
        unmarked: text(),
        reason: some(),
        transport: some(),
        tls_policy: some(),
        smarthost: true,
        mta_sts: some(),
        complete: true,
        hosts: vec![HostThere {
            host: text(),
            dnssec: text(),
            tlsa: text(),
            mta_sts: text(),
            starttls: text(),
            version: some(),
            expires: some(),
            fingerprint: some(),
            reason: some(),
        }],
        levels: vec![LevelThere {
            level: text(),
            verdict: text(),
            proof: some(),
            host: some(),
            status: some(),
            reason: some(),
        }],
    }
}

fn clock() -> Clock {
    let suspended = ClockSuspended { since: text(), why: text(), by_seconds: 1 };
    Clock { now: text(), noted: some(), up_seconds: 1, ran_seconds: 1, suspended: Some(suspended) }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn samples() -> Vec<(&'static str, Value)> {
    let changed = || json!(Changed { address: text() });
    let certificate = || json!(Certificate { address: text(), fingerprint: text(), certificate: text() });
    vec![
        ("account_add", changed()),
        ("account_password", changed()),
        ("account_password_recover", changed()),
        ("account_password_reopen", changed()),
        (
            "account_password_reset",
            json!(AccountReset {
                address: text(),
                fingerprint: text(),
                unreadable_messages: 1,
                invitations: vec![OpenInvitation { recipient: text(), created: text(), state: text() }],
                reopen_until: text(),
            }),
        ),
        (
            "account_remove",
            json!(AccountRemoved {
                address: text(),
                invitations: vec![OpenInvitation { recipient: text(), created: text(), state: text() }],
            }),
        ),
        (
            "account_recovery",
            json!(AccountRecovery { address: text(), fingerprint: text(), made: text(), message: text() }),
        ),
        (
            "account_list",
            json!([AccountListed {
                address: text(),
                created: text(),
                last_activity: text(),
                messages: 1,
                bytes: 1,
                secure_alias: some(),
                policy: some(),
                own_certificate: some(),
                own_certificate_expires: some(),
            }]),
        ),
        (
            "account_show",
            json!(AccountShown {
                address: text(),
                created: text(),
                last_activity: text(),
                language: text(),
                fingerprint: text(),
                former_fingerprints: vec![text()],
                has_secret_key: true,
                recovery: Some(RecoveryShown { fingerprint: text(), made: text() }),
                alias: Some(alias()),
                shut: vec![ShutShown { since: text(), reset: text(), reopen_until: text() }],
                folders: vec![FolderShown { name: text(), messages: 1, unseen: 1, bytes: 1 }],
                messages: 1,
                bytes: 1,
            }),
        ),
        ("account_alias", json!(alias())),
        ("account_policy", json!(alias())),
        ("account_key_export", certificate()),
        ("account_key_import", certificate()),
        (
            "account_key_export_secret",
            json!(SecretKey { address: text(), fingerprint: text(), secret_key: text(), passphrase: text() }),
        ),
        ("mailbox_delete", mailbox_changed()),
        ("mailbox_reopen", mailbox_changed()),
        ("clock_accept", json!(clock())),
        ("mailbox_list", json!([mailbox_listed()])),
        (
            "mailbox_show",
            json!(MailboxShown {
                address: text(),
                state: text(),
                created: text(),
                opened: some(),
                last_activity: text(),
                inactive_until: some(),
                closed: some(),
                unreachable: some(),
                kept_until: some(),
                superseded: some(),
                supersedes: some(),
                warnings: vec![WarningShown { days: 1, settled: true }],
                language: text(),
                invited_by: some(),
                correspondents: vec![text()],
                invitation: Some(InvitationShown { state: text(), created: text(), has_pin: true, tries: 1 }),
                fingerprint: text(),
                messages: 1,
                bytes: 1,
                others: vec![mailbox_listed()],
            }),
        ),
        (
            "queue_list",
            json!([QueueListed {
                id: text(),
                purpose: text(),
                sender: text(),
                created: text(),
                bytes: 1,
                waiting: 1,
                recipients: 1,
                next_attempt: some(),
            }]),
        ),
        (
            "queue_show",
            json!(QueueShown {
                id: text(),
                purpose: text(),
                sender: text(),
                created: text(),
                bytes: 1,
                tls_policy: text(),
                recipients: vec![RecipientShown {
                    address: text(),
                    state: text(),
                    attempts: 1,
                    next_attempt: some(),
                    reason: text(),
                }],
            }),
        ),
        ("queue_retry", json!(Retried { recipients: 1 })),
        ("queue_cancel", json!(Cancelled { id: text() })),
        ("key_import", json!([KeyImported { address: text(), fingerprint: text() }])),
        (
            "certificate_add",
            json!(StoredListed {
                domain: text(),
                kind: text(),
                fingerprint: text(),
                subject: text(),
                expires: some(),
                added: text(),
                last_seen: some(),
                last_seen_host: some(),
                last_seen_fingerprint: some(),
                last_seen_stored: Some(true),
            }),
        ),
        (
            "certificate_fetch",
            json!([Presented {
                host: text(),
                fingerprint: text(),
                subject: text(),
                expires: some(),
                certificate: text(),
            }]),
        ),
        (
            "certificate_list",
            json!([StoredListed {
                domain: text(),
                kind: text(),
                fingerprint: text(),
                subject: text(),
                expires: some(),
                added: text(),
                last_seen: some(),
                last_seen_host: some(),
                last_seen_fingerprint: some(),
                last_seen_stored: Some(true),
            }]),
        ),
        ("certificate_remove", json!(StoredRemoved { domain: text(), removed: 1 })),
        (
            "key_list",
            json!([KeyListed {
                address: text(),
                fingerprint: text(),
                imported: text(),
                expires: some(),
                usable: true,
            }]),
        ),
        (
            "key_show",
            json!(KeyShown {
                address: text(),
                fingerprint: text(),
                imported: text(),
                expires: some(),
                usable: true,
                reason: some(),
                certificate: text(),
            }),
        ),
        ("key_remove", changed()),
        ("recipient", json!(recipient())),
        ("dns", json!(DnsRecords { lines: vec![text()] })),
        ("check", json!([Finding { level: text(), about: text(), finding: text() }])),
        (
            "template_test",
            json!([TemplateTested {
                domain: text(),
                mail: text(),
                shape: text(),
                languages: vec![text()],
                templates: vec![text()],
                subject: text(),
                text: text(),
                html: text(),
            }]),
        ),
        (
            "template_test_to",
            json!([TemplateSent {
                id: some(),
                to: text(),
                domain: text(),
                mail: text(),
                shape: text(),
                languages: vec![text()],
                subject: text(),
                templates: vec![text()],
            }]),
        ),
        ("master_key_rotate", json!(MasterKeyRotated { file: text(), state: text() })),
        ("master_key_confirm_backup", json!(MasterKeyConfirmed { confirmed: text(), proven: true })),
        ("master_key_create", json!(MasterKeyCreated { file: text() })),
    ]
}

/// What scripts rely on is on record; a change is made with `UPDATE_GOLDEN=1`, and on purpose.
#[test]
fn the_fields_are_on_record() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/json");
    for (name, sample) in samples() {
        let mut now = String::new();
        fields(&sample, "", &mut now);
        let file = dir.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&file, &now).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), now, "{name}");
    }
}
