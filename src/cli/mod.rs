//! The commands of the binary.

pub mod arguments;
mod check;
mod mailbox;
mod put;
mod table;
mod template;
mod terminal;

use crate::app;
use crate::app::clock::SystemClock;
use crate::app::demo::Options;
use crate::app::error::AppError;
use crate::app::key_backup;
use crate::app::keys;
use crate::app::rotation;
use crate::app::rotation::Rotated;
use crate::app::settings::Settings;
use crate::base::alias::AliasLevel;
use crate::base::time::Clock as _;
use crate::cli::arguments::Account;
use crate::cli::arguments::AccountKey;
use crate::cli::arguments::Alias;
use crate::cli::arguments::Arguments;
use crate::cli::arguments::Certificate;
use crate::cli::arguments::Clock;
use crate::cli::arguments::Command;
use crate::cli::arguments::Key;
use crate::cli::arguments::Mailbox;
use crate::cli::arguments::MasterKey;
use crate::cli::arguments::Queue;
use crate::cli::arguments::Template;
use crate::cli::arguments::TemplateTest;
use crate::cli::put::Inquire;
use crate::cli::put::put;
use crate::cli::terminal::Asking;
use crate::cli::terminal::can_ask;
use crate::cli::terminal::confirm;
use crate::cli::terminal::confirm_address;
use crate::config::Config;
use crate::serve::control::Trouble;
use crate::serve::control::answer::MasterKeyConfirmed;
use crate::serve::control::answer::MasterKeyCreated;
use crate::serve::control::answer::MasterKeyRotated;
use crate::serve::control::answer::Presented;
use crate::serve::control::request::Password;
use crate::serve::control::request::Request;
use crate::vault::OsRandom;
use clap::Parser;
use data_encoding::BASE64;
use serde_json::Value;
use serde_json::json;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use thiserror::Error;

/// The largest certificate file that is sent to the server, octets.
const FILE: u64 = crate::base::limits::CERTIFICATE as u64 + 1;

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Help and version are not errors; a closed terminal is nobody's trouble.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match carry_out(&arguments) {
        Ok(code) => code,
        Err(end) => end.tell(arguments.json),
    }
}

/// How a command ends that was not done.
#[derive(Debug, Error)]
enum End {
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error("{0}")]
    Output(#[from] io::Error),
}

impl End {
    fn exit(&self) -> u8 {
        match self {
            Self::App(error) => error.exit(),
            Self::Trouble(trouble) => trouble.kind.exit(),
            Self::Output(_) => 1,
        }
    }

    /// On standard error, so that standard output holds answers only.
    fn tell(&self, json: bool) -> ExitCode {
        let code = self.exit();
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            // Some say their cause themselves.
            let reason = error.to_string();
            if !words.contains(&reason) {
                words = format!("{words}: {reason}");
            }
            cause = error.source();
        }
        let mut out = io::stderr().lock();
        let _ = if json {
            writeln!(out, "{}", json!({ "error": words, "exit": code }))
        } else {
            writeln!(out, "guardpost: {words}")
        };
        ExitCode::from(code)
    }
}

/// How an answer is shown to people; `--json` shows all of it, always the same.
enum Show {
    /// As a table, or as lines of name and value.
    Table,
    /// A word before the address or id that it is about.
    Done(&'static str),
    /// The same of one of several mailboxes, with the state that it had or has, and what else the address has.
    Mailbox(&'static str),
    /// The clock is believed again.
    Accepted,
    /// One field as it is.
    Field(&'static str),
    /// A list of lines as they are.
    Lines(&'static str),
    /// The key on standard output, its passphrase on standard error.
    SecretKey,
}

fn carry_out(arguments: &Arguments) -> Result<ExitCode, End> {
    let settings = || Settings::find(arguments.config.as_deref());
    match &arguments.command {
        Command::Demo(demo) => Ok(app::demo::run(Options {
            port_base: demo.port_base,
            data_dir: demo.data_dir.clone(),
            keep: demo.keep,
        })?),
        Command::Serve => Ok(app::serve::run(&settings()?)?),
        Command::Check => {
            let findings = check::check(settings())?;
            let bad = findings.iter().any(|finding| finding.level == "error");
            print_answer(&json!(findings), arguments.json, &Show::Table)?;
            Ok(ExitCode::from(u8::from(bad)))
        }
        Command::Template(Template::Test(wish @ TemplateTest { to: Some(to), .. })) => {
            let config = settings()?.load()?;
            let (sent, ()) = put(&config, |_| Ok((template::send(wish, to), ())))?;
            print_answer(&sent, arguments.json, &Show::Table)?;
            if let Some(hint) = template::differs(&config, wish, &sent) {
                writeln!(io::stderr(), "{hint}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Template(Template::Test(wish)) => {
            let tested = template::test(&settings()?.load()?, wish)?;
            if arguments.json {
                print_answer(&json!(tested), true, &Show::Table)?;
            } else {
                io::stdout().lock().write_all(template::show(&tested, wish.html).as_bytes())?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::MasterKey(MasterKey::Create) => {
            let config = settings()?.load()?;
            app::ground::make_for_service(&config.data_dir)?;
            keys::create_master_key(&config.master_key_file, &config.data_dir, &OsRandom)?;
            let made = MasterKeyCreated { file: config.master_key_file.display().to_string() };
            if !arguments.json {
                let mut out = io::stderr().lock();
                writeln!(
                    out,
                    "Copy it to a safe place, apart from every backup of {}:",
                    config.data_dir.display()
                )?;
                writeln!(out, "without it nobody can open what is there.")?;
            }
            print_answer(&json!(made), arguments.json, &Show::Table)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::MasterKey(MasterKey::Rotate) => {
            let rotated = rotate(&settings()?.load()?, arguments.json)?;
            print_answer(&json!(rotated), arguments.json, &Show::Table)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::MasterKey(MasterKey::ConfirmBackup { file }) => {
            let confirmed = confirm_backup(&settings()?.load()?, file.as_deref(), arguments.yes)?;
            print_answer(&json!(confirmed), arguments.json, &Show::Table)?;
            Ok(ExitCode::SUCCESS)
        }
        command => {
            let config = settings()?.load()?;
            let (answer, show) = put(&config, |inquire| request(command, arguments.yes, inquire))?;
            print_answer(&answer, arguments.json, &show)?;
            if matches!(command, Command::Mailbox(Mailbox::List))
                && let Some(why) = standing_still(&config)?
            {
                writeln!(io::stderr(), "{why}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Rotates the master key, and says what is left to do.
fn rotate(config: &Config, json: bool) -> Result<MasterKeyRotated, End> {
    let (file, state, words) = match rotation::rotate(config, &OsRandom)? {
        Rotated::InPlace { file, begun_before } => {
            let words =
                if begun_before { "A rotation that was interrupted is brought to its end. " } else { "" };
            let words = format!(
                "{words}The new key is in its place; start the service with it. Copy it to a safe place and run \
                 \"guardpost master-key confirm-backup\". Backups from before open with the former key only: keep \
                 its copy as long as you keep them."
            );
            (file, "in-place", words)
        }
        Rotated::Waits { file } => {
            let words = format!(
                "The master key is a credential of the service, which only you can change. The new one waits in {0}; \
                 both open the keyring until the service has started with it. Put it where the old one came from, \
                 for example\n  systemd-creds encrypt --name=master.key {0} /etc/credstore.encrypted/master.key\n\
                 then restart the service, copy the key to a safe place, run \"guardpost master-key confirm-backup \
                 COPY\" and remove {0}. Backups from before open with the former key only.",
                file.display()
            );
            (file, "waits-for-the-credential", words)
        }
    };
    if !json {
        writeln!(io::stderr().lock(), "{words}")?;
    }
    Ok(MasterKeyRotated { file: file.display().to_string(), state: state.into() })
}

/// Reads a copy, or asks for the word of whoever is there.
fn confirm_backup(config: &Config, file: Option<&Path>, yes: bool) -> Result<MasterKeyConfirmed, End> {
    let now = SystemClock.now();
    match file {
        Some(copy) => key_backup::prove(config, copy, now)?,
        None => {
            let place = keys::master_key_place(config);
            let question = format!(
                "Is there a copy of {}, apart from the backups of {}?",
                place.display(),
                config.data_dir.display()
            );
            confirm(yes, &question)?;
            key_backup::believe(config, now)?;
        }
    }
    Ok(MasterKeyConfirmed { confirmed: now.to_string(), proven: file.is_some() })
}

/// What to ask the server for a command, after asking the person what it needs to know.
fn request(command: &Command, yes: bool, inquire: Inquire<'_>) -> Result<(Request, Show), End> {
    match command {
        Command::Account(account) => account_request(account, yes, inquire),
        Command::Mailbox(Mailbox::List) => Ok((Request::MailboxList {}, Show::Table)),
        Command::Mailbox(Mailbox::Show { address }) => {
            Ok((Request::MailboxShow { address: address.clone() }, Show::Table))
        }
        Command::Mailbox(Mailbox::Delete { address }) => {
            Ok((mailbox::deletion(address, yes, inquire)?, Show::Mailbox("deleted")))
        }
        Command::Mailbox(Mailbox::Reopen { address }) => {
            Ok((Request::MailboxReopen { address: address.clone() }, Show::Mailbox("reopened")))
        }
        Command::Clock(Clock::Accept) => {
            show_clocks(inquire)?;
            confirm(yes, "Is the clock right now? Warnings, closing and deletion of mailboxes then go on.")?;
            Ok((Request::ClockAccept {}, Show::Accepted))
        }
        Command::Queue(Queue::List) => Ok((Request::QueueList {}, Show::Table)),
        Command::Queue(Queue::Show { id }) => Ok((Request::QueueShow { id: id.clone() }, Show::Table)),
        Command::Queue(Queue::Retry { id, .. }) => Ok((Request::QueueRetry { id: id.clone() }, Show::Table)),
        Command::Queue(Queue::Cancel { id }) => {
            confirm(yes, &format!("Take {id} out of the queue? Nobody is told."))?;
            Ok((Request::QueueCancel { id: id.clone() }, Show::Done("cancelled")))
        }
        Command::Key(Key::Import { file }) => {
            Ok((Request::KeyImport { file: read_file(file)? }, Show::Table))
        }
        Command::Key(Key::List) => Ok((Request::KeyList {}, Show::Table)),
        Command::Key(Key::Show { address }) => {
            Ok((Request::KeyShow { address: address.clone() }, Show::Table))
        }
        Command::Key(Key::Remove { address }) => {
            confirm(yes, &format!("Forget the certificate of {address}?"))?;
            Ok((Request::KeyRemove { address: address.clone() }, Show::Done("removed")))
        }
        Command::Certificate(certificate) => certificate_request(certificate, yes, inquire),
        Command::Recipient { address, from } => {
            Ok((Request::Recipient { address: address.clone(), from: from.clone() }, Show::Table))
        }
        Command::Dns => Ok((Request::Dns {}, Show::Lines("lines"))),
        Command::Demo(_) | Command::Serve | Command::Check | Command::Template(_) | Command::MasterKey(_) => {
            Err(Trouble::usage("not a question for the server").into())
        }
    }
}

fn certificate_request(
    certificate: &Certificate,
    yes: bool,
    inquire: Inquire<'_>,
) -> Result<(Request, Show), End> {
    Ok(match certificate {
        Certificate::Add { domain, file } => {
            (Request::CertificateAdd { domain: domain.clone(), file: read_file(file)? }, Show::Table)
        }
        Certificate::Fetch { domain } => {
            let file = fetched(domain, yes, inquire)?;
            (Request::CertificateAdd { domain: domain.clone(), file }, Show::Table)
        }
        Certificate::List => (Request::CertificateList {}, Show::Table),
        Certificate::Remove { domain } => {
            let question =
                format!("Forget what is stored for {domain}? Mail that must be verified there bounces then.");
            confirm(yes, &question)?;
            (Request::CertificateRemove { domain: domain.clone() }, Show::Table)
        }
    })
}

/// The certificate that a destination presents, base64, after whoever is there has compared it.
fn fetched(domain: &str, yes: bool, inquire: Inquire<'_>) -> Result<String, End> {
    let odd = |_| Trouble::unavailable("the server says nothing about certificates");
    let answer = inquire(Request::CertificateFetch { domain: domain.to_owned() })?;
    let presented: Vec<Presented> = serde_json::from_value(answer).map_err(odd)?;
    let mut out = io::stderr().lock();
    for one in &presented {
        writeln!(out, "{}", one.host)?;
        writeln!(out, "  SHA-256  {}", one.fingerprint)?;
        writeln!(out, "  subject  {}", one.subject)?;
        writeln!(out, "  expires  {}", one.expires.as_deref().unwrap_or("never"))?;
    }
    drop(out);
    let Some(first) = presented.first() else {
        return Err(Trouble::refused(format!("no host of {domain} presents a certificate")).into());
    };
    if presented.iter().any(|one| one.fingerprint != first.fingerprint) {
        let words =
            "the hosts present different certificates: store those that count with \"certificate add\"";
        return Err(Trouble::refused(words).into());
    }
    confirm(
        yes,
        "Store it? It proves nothing by itself: compare the fingerprint with its owner, not by mail.",
    )?;
    Ok(BASE64.encode(first.certificate.as_bytes()))
}

fn account_request(account: &Account, yes: bool, inquire: Inquire<'_>) -> Result<(Request, Show), End> {
    Ok(match account {
        Account::Add { address, passwords } => {
            let asking = Asking::from_switch(passwords.password_stdin);
            let password = Password(asking.new_password(&format!("New password for {address}"))?);
            (Request::AccountAdd { address: address.clone(), password }, Show::Done("added"))
        }
        Account::List => (Request::AccountList {}, Show::Table),
        Account::Show { address } => (Request::AccountShow { address: address.clone() }, Show::Table),
        Account::Password { address, keep_app_passwords, new_key, way, passwords } => {
            let asking = Asking::from_switch(passwords.password_stdin);
            let address = address.clone();
            if way.reset {
                warn_of_reset(&address, yes, inquire)?;
                let new = Password(asking.new_password("New password")?);
                (Request::AccountReset { address, new }, Show::Table)
            } else if way.reopen {
                let old = Password(asking.password(&format!("Password of {address} from before the reset"))?);
                let new = Password(asking.password("Present password")?);
                (Request::AccountReopen { address, old, new }, Show::Done("reopened"))
            } else if way.recover {
                let code = Password(asking.password("Recovery code, as decrypted")?);
                let new = Password(asking.new_password("New password")?);
                (Request::AccountRecover { address, code, new }, Show::Done("changed"))
            } else {
                let old = Password(asking.password(&format!("Old password of {address}"))?);
                let new = Password(asking.new_password("New password")?);
                let (keep_app_passwords, new_key) = (*keep_app_passwords, *new_key);
                let change = Request::AccountPassword { address, old, new, keep_app_passwords, new_key };
                (change, Show::Done("changed"))
            }
        }
        Account::Recovery { address } => {
            (Request::AccountRecovery { address: address.clone() }, Show::Field("message"))
        }
        Account::Remove { address } => {
            if !yes {
                can_ask(yes, &format!("The account {address} goes with all its mail, for good."))?;
                let lost = lost_invitations(address, inquire)?;
                let question = format!("The account {address} goes with all its mail, for good.{lost}");
                confirm_address(yes, &question, address)?;
            }
            (Request::AccountRemove { address: address.clone() }, Show::Done("removed"))
        }
        Account::Alias(Alias::On { address }) => {
            (Request::AccountAlias { address: address.clone(), active: true }, Show::Table)
        }
        Account::Alias(Alias::Off { address }) => {
            (Request::AccountAlias { address: address.clone(), active: false }, Show::Table)
        }
        Account::Policy { level, address } => {
            if let Some(question) = much_is_lost(*level, address) {
                confirm(yes, &question)?;
            }
            (Request::AccountPolicy { address: address.clone(), level: level.to_string() }, Show::Table)
        }
        Account::Key(AccountKey::Export { address, secret: false, .. }) => {
            (Request::AccountKeyExport { address: address.clone() }, Show::Field("certificate"))
        }
        Account::Key(AccountKey::Export { address, secret: true, passwords }) => {
            let asking = Asking::from_switch(passwords.password_stdin);
            let password = Password(asking.password(&format!("Password of {address}"))?);
            (Request::AccountKeyExportSecret { address: address.clone(), password }, Show::SecretKey)
        }
        Account::Key(AccountKey::Import { address, file }) => {
            let file = read_file(file)?;
            let question = format!(
                "What arrives for {address} from now on can be read only with the secret key of this certificate. Go on?"
            );
            confirm(yes, &question)?;
            (Request::AccountKeyImport { address: address.clone(), file }, Show::Done("changed"))
        }
    })
}

/// What a level above the default means for mail.
fn much_is_lost(level: AliasLevel, address: &str) -> Option<String> {
    let only = match level {
        AliasLevel::Encrypt => return None,
        AliasLevel::DaneOnly => "to servers with a DANE record that matches, and most have none",
        AliasLevel::Verify => "to destinations whose certificate was stored here before",
    };
    Some(format!(
        "For experts: what {address} sends from its secure alias then goes only {only}. Much mail will not go out, and \
         comes back. Go on?"
    ))
}

/// Says what a reset makes unreadable, and asks for the address.
fn warn_of_reset(address: &str, yes: bool, inquire: Inquire<'_>) -> Result<(), End> {
    if yes {
        return Ok(());
    }
    can_ask(yes, &format!("{address} gets a new key, and the mail it has cannot be read any more."))?;
    let shown = inquire(Request::AccountShow { address: address.to_owned() })?;
    let messages = shown.get("messages").and_then(Value::as_u64).unwrap_or_default();
    let lost = lost_invitations(address, inquire)?;
    let question = format!(
        "{address} gets a new password and a new key. Its {messages} messages cannot be read from then on, and its \
         sessions end. For 30 days --reopen brings everything back with the old password; after that it is lost \
         for good.{lost}"
    );
    Ok(confirm_address(yes, &question, address)?)
}

/// The open invitations that lose whoever could renew them, as lines.
fn lost_invitations(address: &str, inquire: Inquire<'_>) -> Result<String, End> {
    let open = inquire(Request::AccountInvitations { address: address.to_owned() })?;
    if open.as_array().is_none_or(Vec::is_empty) {
        return Ok(String::new());
    }
    let table = table::render(&open);
    Ok(format!(
        "\nNobody can renew these invitations then; their links and PINs stay as they are:\n{}",
        table.trim_end()
    ))
}

fn print_answer(answer: &Value, json: bool, show: &Show) -> io::Result<()> {
    let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default();
    let mut out = io::stdout().lock();
    match show {
        _ if json => writeln!(out, "{answer}")?,
        Show::Table => out.write_all(table::render(answer).as_bytes())?,
        Show::Done(word) => {
            let about = if answer.get("id").is_some() { text("id") } else { text("address") };
            writeln!(out, "{about} {word}")?;
        }
        Show::Mailbox(word) => {
            writeln!(out, "{} {word} ({})", text("address"), text("state"))?;
            let others = answer.get("others").and_then(Value::as_array).into_iter().flatten();
            let others: Vec<&str> = others.filter_map(Value::as_str).collect();
            if !others.is_empty() {
                writeln!(out, "{} still has: {}", text("address"), others.join(", "))?;
            }
        }
        Show::Accepted => writeln!(out, "{} accepted", text("now"))?,
        Show::Field(field) => out.write_all(text(field).as_bytes())?,
        Show::Lines(field) => {
            for line in answer.get(field).and_then(Value::as_array).into_iter().flatten() {
                writeln!(out, "{}", line.as_str().unwrap_or_default())?;
            }
        }
        Show::SecretKey => {
            out.write_all(text("secret_key").as_bytes())?;
            out.flush()?;
            let mut aside = io::stderr().lock();
            writeln!(
                aside,
                "The file is locked with this passphrase, which is shown once and kept nowhere:"
            )?;
            writeln!(aside, "{}", text("passphrase"))?;
        }
    }
    out.flush()
}

/// Before an admin says that the clock is right: what both clocks say, and what was wrong.
fn show_clocks(inquire: Inquire<'_>) -> Result<(), End> {
    let clocks = inquire(Request::ClockShow {})?;
    if clocks.get("suspended").is_none_or(Value::is_null) {
        return Err(Trouble::refused("the clock is believed: there is nothing to accept").into());
    }
    io::stderr().lock().write_all(table::render(&clocks).as_bytes())?;
    Ok(())
}

/// Why no mailbox is warned, closed or deleted now.
fn standing_still(config: &Config) -> Result<Option<String>, End> {
    let (clocks, ()) = put(config, |_| Ok((Request::ClockShow {}, ())))?;
    let since = clocks.pointer("/suspended/since").and_then(Value::as_str);
    Ok(since.map(|since| {
        format!(
            "The clock is not believed since {since}: nothing is warned, closed or deleted until \
             \"guardpost clock accept\"."
        )
    }))
}

/// A certificate file in base64; `-` is standard input.
fn read_file(path: &Path) -> Result<String, Trouble> {
    let trouble = |error: io::Error| Trouble::refused(format!("{}: {error}", path.display()));
    let mut content = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(FILE).read_to_end(&mut content).map_err(trouble)?;
    } else {
        File::open(path).map_err(trouble)?.take(FILE).read_to_end(&mut content).map_err(trouble)?;
    }
    if content.len() as u64 == FILE {
        return Err(Trouble::refused(format!("{}: larger than a certificate may be", path.display())));
    }
    Ok(BASE64.encode(&content))
}
