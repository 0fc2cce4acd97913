//! The command line: every command with its arguments.

use crate::base::alias::AliasLevel;
use crate::base::language::Language;
use crate::texts::template::Kind;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use std::path::PathBuf;

/// A mail server appliance that keeps confidential mail confidential.
#[derive(Debug, Parser)]
#[command(name = "guardpost", version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration; else $GUARDPOST_CONFIG, ./guard.toml, /etc/guardpost/guard.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub yes: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything at work on this machine; needs no configuration, no root and no network
    Demo(Demo),
    /// Run the appliance
    Serve,
    /// Check configuration, keys, certificate, store, DNSSEC, disk and clock
    Check,
    /// People of the organisation
    #[command(subcommand)]
    Account(Account),
    /// Temporary mailboxes of people outside
    #[command(subcommand)]
    Mailbox(Mailbox),
    /// Mail that waits to be sent
    #[command(subcommand)]
    Queue(Queue),
    /// OpenPGP certificates of people outside
    #[command(subcommand)]
    Key(Key),
    /// The clock by which mailboxes close
    #[command(subcommand)]
    Clock(Clock),
    /// TLS certificates of destinations, for the TLS policy "verify"
    #[command(subcommand)]
    Certificate(Certificate),
    /// Show what would happen to a message: encryption, hosts, TLS; nothing is sent
    Recipient {
        /// For whom
        address: String,
        /// By whom; without it, by anybody of the first domain
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
    },
    /// The key that opens the keyring
    #[command(subcommand)]
    MasterKey(MasterKey),
    /// Print the records to publish, as zone lines
    Dns,
    /// Mails to people outside, in a domain's own words
    #[command(subcommand)]
    Template(Template),
}

/// `guardpost demo`.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// Use ports from here on; else free ones are found
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1024..=65_500))]
    pub port_base: Option<u16>,
    /// Put the data here and leave it there
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Leave the temporary data directory there
    #[arg(long)]
    pub keep: bool,
}

/// `guardpost account …`.
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Add an account; asks for its password
    Add {
        /// Its address
        address: String,
        /// Where passwords come from.
        #[command(flatten)]
        passwords: Passwords,
    },
    /// List the accounts
    List,
    /// Show an account
    Show {
        /// Its address
        address: String,
    },
    /// Change a password; asks for the old and the new one, loses nothing and ends every session
    Password {
        /// Its address
        address: String,
        /// App passwords stay; without it they go. Not shown as long as nothing makes one.
        #[arg(long, hide = true, conflicts_with_all = ["new_key", "way"])]
        keep_app_passwords: bool,
        /// Make a new key too; old mail stays readable
        #[arg(long, conflicts_with = "way")]
        new_key: bool,
        /// Another way in than the old password.
        #[command(flatten)]
        way: Way,
        /// Where passwords come from.
        #[command(flatten)]
        passwords: Passwords,
    },
    /// Print the message from which the recovery certificate's owner decrypts the recovery code
    Recovery {
        /// Its address
        address: String,
    },
    /// Remove an account with all its mail
    Remove {
        /// Its address
        address: String,
    },
    /// Switch an account's secure alias on or off: the address that takes and sends mail over TLS only
    #[command(subcommand)]
    Alias(Alias),
    /// Say what an account's secure alias asks of other servers
    Policy {
        /// "encrypt", "dane-only" or "verify"; the last two only for who knows what they mean
        #[arg(value_parser = level)]
        level: AliasLevel,
        /// Its address
        address: String,
    },
    /// An account's OpenPGP key
    #[command(subcommand)]
    Key(AccountKey),
}

/// A level by its name; nothing else is one.
fn level(text: &str) -> Result<AliasLevel, String> {
    let known = AliasLevel::ALL.map(AliasLevel::as_str).join(", ");
    AliasLevel::parse(text).map_err(|_| format!("the levels are {known}"))
}

/// `guardpost account alias …`.
#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Mail to and from it is taken from now on
    On {
        /// The account's address
        address: String,
    },
    /// It is unknown from now on; what is in the queue already goes as it was sent
    Off {
        /// The account's address
        address: String,
    },
}

/// Another way in than the old password.
#[derive(Args, Clone, Copy, Debug)]
#[group(id = "way", multiple = false)]
pub struct Way {
    /// The old password is lost: make a new key; what was before stays shut and goes after 30 days
    #[arg(long)]
    pub reset: bool,
    /// Bring back what a reset shut; asks for the password from before it and the present one
    #[arg(long)]
    pub reopen: bool,
    /// By the recovery certificate; asks for the decrypted code and a new password, loses nothing
    #[arg(long)]
    pub recover: bool,
}

/// `guardpost account key …`.
#[derive(Debug, Subcommand)]
pub enum AccountKey {
    /// Write the certificate; with --secret the secret key, under a passphrase of its own
    Export {
        /// Whose
        address: String,
        /// The secret key; asks for the account's password
        #[arg(long)]
        secret: bool,
        /// Where passwords come from.
        #[command(flatten)]
        passwords: Passwords,
    },
    /// Encrypt what arrives to this certificate from now on: only the owner of its secret key can read it then
    Import {
        /// Whose
        address: String,
        /// The certificate, binary or armored; - is standard input
        file: PathBuf,
    },
}

/// Where passwords come from; never from an argument.
#[derive(Args, Clone, Copy, Debug)]
pub struct Passwords {
    /// Read passwords from lines of standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// `guardpost mailbox …`.
#[derive(Debug, Subcommand)]
pub enum Mailbox {
    /// List the temporary mailboxes
    List,
    /// Show one
    Show {
        /// Its recipient
        address: String,
    },
    /// Delete one with all its mail: the current one, else the former one, else the one closed last
    Delete {
        /// Its recipient
        address: String,
    },
    /// Open the one that was closed last again; possible for 7 days
    Reopen {
        /// Its recipient
        address: String,
    },
}

/// `guardpost clock …`.
#[derive(Debug, Subcommand)]
pub enum Clock {
    /// Say that the clock is right after it was not believed: warnings, closing and deletion go on
    Accept,
}

/// `guardpost queue …`.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// List the messages that wait
    List,
    /// Show one, with the state and last reason of each recipient
    Show {
        /// Its id
        id: String,
    },
    /// Try one, or all, now
    Retry {
        /// Its id
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every message
        #[arg(long)]
        all: bool,
    },
    /// Take one out; nobody is told
    Cancel {
        /// Its id
        id: String,
    },
}

/// `guardpost key …`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Import a certificate for every address that it names
    Import {
        /// The certificate, binary or armored; - is standard input
        file: PathBuf,
    },
    /// List them
    List,
    /// Show one
    Show {
        /// Whose
        address: String,
    },
    /// Forget one
    Remove {
        /// Whose
        address: String,
    },
}

/// `guardpost certificate …`.
#[derive(Debug, Subcommand)]
pub enum Certificate {
    /// Store a certificate, an authority's certificate or a public key for a destination; two at most
    ///
    /// What an authority vouches for must bear the name of the domain. The name of a host counts only where DNSSEC
    /// signs the MX record that names it, or where it is the smarthost.
    Add {
        /// The recipient domain, or the smarthost
        domain: String,
        /// PEM; the first certificate in it counts; - is standard input
        file: PathBuf,
    },
    /// Look what a destination presents now, and store it after asking
    Fetch {
        /// The recipient domain, or the smarthost
        domain: String,
    },
    /// List what is stored
    List,
    /// Forget what is stored for a destination: mail that must be verified bounces then
    Remove {
        /// The recipient domain, or the smarthost
        domain: String,
    },
}

/// `guardpost template …`.
#[derive(Debug, Subcommand)]
pub enum Template {
    /// Show mails to people outside as they would go out, with made-up facts; with --to send them
    Test(TemplateTest),
}

/// `guardpost template test`.
#[derive(Args, Clone, Debug)]
pub struct TemplateTest {
    /// This mail alone: invitation, waiting, new-message, several, warning or auto-answer
    #[arg(value_parser = mail)]
    pub mail: Option<Kind>,
    /// Of this domain alone
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// As messages of this account cause them, in its own words where it has some
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// In this language alone; else in each, or in both where the domain writes in two
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub language: Option<Language>,
    /// In every shape that a mail has, not the usual one alone
    #[arg(long)]
    pub all: bool,
    /// Print the HTML instead of the text
    #[arg(long, conflicts_with = "to")]
    pub html: bool,
    /// Send them there as real mail, at most 60, marked as samples in the subject; links and codes open nothing
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
}

/// A mail by its name; nothing else is one.
fn mail(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| format!("the mails are {}", Kind::ALL.map(Kind::name).join(", ")))
}

/// A language by its tag; nothing else is one.
fn language(text: &str) -> Result<Language, String> {
    let known = || Language::ALL.map(Language::tag).join(", ");
    Language::ALL
        .into_iter()
        .find(|language| language.tag() == text)
        .ok_or_else(|| format!("the languages are {}", known()))
}

/// `guardpost master-key …`.
#[derive(Debug, Subcommand)]
pub enum MasterKey {
    /// Make a master key in master_key_file; never replaces one
    Create,
    /// Put another master key in its place; the server must not run
    Rotate,
    /// Say that a copy of it lies in a safe place, or prove it; `check` warns until then
    ConfirmBackup {
        /// The copy: it must open the keyring
        file: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_switches_go_anywhere() {
        for line in [
            "guardpost --json --yes account remove a@x",
            "guardpost account --json remove a@x --yes",
            "guardpost account remove --yes a@x --json --config /c",
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert!(arguments.json && arguments.yes, "{line}");
        }
        for line in [
            "guardpost account password a@x --reset --reopen",
            "guardpost account password a@x --reset --new-key",
            "guardpost account password a@x --keep-app-passwords --new-key",
            "guardpost account password a@x --recover --keep-app-passwords",
            "guardpost",
            "guardpost queue retry",
            "guardpost queue retry x --all",
            "guardpost account add",
            "guardpost account alias a@x",
            "guardpost account alias maybe a@x",
            "guardpost account policy a@x",
            "guardpost account policy encrypted a@x",
            "guardpost account policy opportunistic a@x",
            "guardpost account policy DANE-only a@x",
            "guardpost template",
            "guardpost template test invite",
            "guardpost template test --language fr",
            "guardpost template test --to",
            "guardpost template test --to a@x --html",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    /// What nothing makes yet is not offered.
    #[test]
    fn help_says_nothing_of_app_passwords() {
        let help = Arguments::try_parse_from(["guardpost", "account", "password", "--help"]).unwrap_err();
        let help = help.to_string();
        assert!(help.contains("--new-key") && !help.to_lowercase().contains("app password"), "{help}");
        assert!(!help.contains("keep-app"), "{help}");
    }

    /// No argument takes a secret: it would stand in the list of processes.
    #[test]
    fn no_argument_takes_a_secret() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let takes_value = argument.get_action().takes_values();
                let id = argument.get_id().as_str();
                assert!(!(takes_value && (id.contains("password") || id.contains("pin"))), "{id}");
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Arguments::command());
    }
}
