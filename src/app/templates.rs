//! Reads the directories that `[[domain]] templates` names: the files of a domain, and a directory for each account that
//! has words of its own.

use crate::app::error::AppError;
use crate::base::address::Address;
use crate::base::address::BadAddress;
use crate::base::address::Domain;
use crate::config::Config;
use crate::config::complaint::Complaint;
use crate::config::complaint::Complaints;
use crate::config::complaint::Place;
use crate::policy::recipient;
use crate::policy::recipient::LocalFact;
use crate::serve::control::request::unescape;
use crate::texts::template;
use crate::texts::template::Kind;
use crate::texts::template::Template;
use crate::texts::template::Templates;
use crate::texts::template::Wordings;
use crate::texts::template::Words;
use crate::threads;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A directory with more files in it is another one than was meant.
const FILES: usize = 200;
/// Accounts of one domain with words of their own.
const ACCOUNTS: usize = 1_000;
/// Findings after which nothing more is looked for.
const FINDINGS: usize = 1_000;

/// Everything that is there; all that is wrong at once, in the files of every domain.
pub fn read(config: &Config) -> Result<Wordings, Complaints> {
    let mut wordings = Wordings::default();
    let mut list = Vec::new();
    for domain in &config.domains {
        let Some(directory) = &domain.templates else { continue };
        let reading = Reading { config, domain: &domain.name, directory, list: &mut list };
        wordings.add(domain.name.clone(), reading.words());
    }
    match list.is_empty() {
        true => Ok(wordings),
        false => Err(Complaints { file: "guard.toml".into(), list }),
    }
}

/// The same where blocking is allowed.
pub async fn read_aside(config: Arc<Config>) -> Result<Wordings, AppError> {
    let read = threads::blocking(move || read(&config)).await;
    let read = read.map_err(|broken| AppError::file("templates")(io::Error::other(broken)))?;
    Ok(read?)
}

/// The directory of one domain while it is read.
struct Reading<'a> {
    config: &'a Config,
    domain: &'a Domain,
    directory: &'a Path,
    list: &'a mut Vec<Complaint>,
}

impl Reading<'_> {
    fn words(mut self) -> Words {
        let mut words = Words { domain: Templates::in_directory(self.directory), ..Words::default() };
        let Some(names) = self.names(self.directory) else { return words };
        // A directory with the name of a template is meant to be one.
        let is_account = |name: &String| template::named(name).is_err() && self.directory.join(name).is_dir();
        let (accounts, files): (Vec<String>, Vec<String>) = names.into_iter().partition(is_account);
        if files.len() > FILES {
            self.complain(self.directory, format!("holds more than {FILES} files"));
            return words;
        }
        if accounts.len() > ACCOUNTS {
            self.complain(self.directory, format!("holds more than {ACCOUNTS} directories"));
            return words;
        }
        for name in files {
            self.take(self.directory, &name, &mut words.domain, |_| true);
        }
        for name in accounts {
            if self.list.len() >= FINDINGS {
                break;
            }
            self.take_account(&name, &mut words);
        }
        words
    }

    fn take_account(&mut self, name: &str, words: &mut Words) {
        let directory = self.directory.join(name);
        let account = match account_of(name, self.domain, self.config) {
            Ok(account) => account,
            Err(what) => return self.complain(&directory, what),
        };
        if let Some((_, other)) = words.accounts.get(&account.key()) {
            let other = other.directory().display();
            return self.complain(&directory, format!("is for the same account as {other}"));
        }
        let Some(names) = self.names(&directory) else { return };
        if names.len() > FILES {
            return self.complain(&directory, format!("holds more than {FILES} files"));
        }
        let mut templates = Templates::in_directory(&directory);
        for name in names {
            self.take(&directory, &name, &mut templates, Kind::is_caused_by_one);
        }
        words.accounts.insert(account.key(), (account, templates));
    }

    /// One file, if a mail of its kind may be worded there.
    fn take(&mut self, directory: &Path, name: &str, templates: &mut Templates, may: impl Fn(Kind) -> bool) {
        let file = directory.join(name);
        match template::named(name) {
            Ok((kind, _)) if !may(kind) => {
                let own: Vec<_> =
                    Kind::ALL.into_iter().filter(|kind| kind.is_caused_by_one()).map(Kind::name).collect();
                let what = format!(
                    "does not speak for one account: it has the words of the domain; an account may word {}",
                    own.join(", ")
                );
                self.complain(&file, what);
            }
            Ok((kind, language)) => match read_file(kind, &file) {
                Ok(template) => templates.add(kind, language, template),
                Err(wrong) => self.list.extend(wrong),
            },
            Err(what) => self.complain(&file, what),
        }
    }

    /// Sorted; what an editor leaves beside a file is no file.
    fn names(&mut self, directory: &Path) -> Option<Vec<String>> {
        match names(directory) {
            Ok(names) => Some(names),
            Err(error) => {
                self.complain(directory, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn complain(&mut self, path: &Path, what: String) {
        self.list.push(complaint(path, None, what));
    }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)?.take(10 * (FILES + ACCOUNTS)) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !name.ends_with('~') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The account that a directory is for: named by its local part, large and small letters alike. What the name of a
/// file cannot hold is written as in a web address, `/` as `%2F`; no account has a `%` in its own.
fn account_of(name: &str, domain: &Domain, config: &Config) -> Result<Address, String> {
    let not_one = |why: String| format!("neither the name of a template nor that of an account: {why}");
    let local = unescape(name).ok_or_else(|| not_one("behind % stand two digits of UTF-8".into()))?;
    let quoted = || format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""));
    let account = match Address::new(&local, domain.clone()) {
        Err(BadAddress::LocalCharacter) => Address::new(&quoted(), domain.clone()),
        account => account,
    };
    let account = account.map_err(|why| not_one(why.to_string()))?;
    match recipient::local_fact(account.local(), &config.temporary_mailbox.notice_from) {
        LocalFact::Name => Ok(account),
        LocalFact::Role | LocalFact::Notice | LocalFact::Route => {
            Err(not_one(format!("{account} is a reserved address")))
        }
    }
}

fn read_file(kind: Kind, path: &Path) -> Result<Template, Vec<Complaint>> {
    let refused = |error: io::Error| vec![complaint(path, None, format!("cannot be read: {error}"))];
    // A pipe would keep us waiting.
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(vec![complaint(path, None, "is no file".into())]);
    }
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(template::SIZE + 1).read_to_end(&mut content))
        .map_err(refused)?;
    Template::read(kind, &content)
        .map_err(|wrong| wrong.into_iter().map(|wrong| complaint(path, wrong.line, wrong.what)).collect())
}

fn complaint(path: &Path, line: Option<usize>, what: String) -> Complaint {
    Complaint::new(Place::Named(path.display().to_string(), line), "", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::language::Language;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn config(directories: &[&Path]) -> Config {
        let mut text = String::from(
            "hostname = \"mail.a.example\"\ntls = { certificate = \"/c\", key = \"/k\" }\n\
             portal = { url = \"https://mail.a.example\" }\n",
        );
        for (at, directory) in directories.iter().enumerate() {
            text +=
                &format!("[[domain]]\nname = \"a{at}.example\"\ntemplates = \"{}\"\n", directory.display());
        }
        Config::from_text(&text).unwrap_or_else(|complaints| panic!("{complaints}"))
    }

    #[test]
    fn everything_is_said_at_once() {
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("one"), home.path().join("two"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(one.join("waiting.de.txt")).unwrap();
        let good = "{intro}\n{sign_in}\n";
        for (name, content) in [
            ("auto-answer.de.txt", good),
            ("auto-answer.en.txt", "{intro}\n{sgn_in}\n"),
            ("invite.de.txt", good),
            (".auto-answer.en.txt.swp", "x"),
            ("auto-answer.de.txt~", "x"),
        ] {
            fs::write(one.join(name), content).unwrap();
        }
        fs::write(one.join("several.en.txt"), b"\xFF").unwrap();
        symlink("nowhere", one.join("warning.en.txt")).unwrap();
        let said = read(&config(&[&one, &two])).unwrap_err().to_string();
        let at = |name: &str| home.path().join(name).display().to_string();
        let wants = [
            format!(
                "{}:2: unknown placeholder {{sgn_in}}; among words there are {{brand}}",
                at("one/auto-answer.en.txt")
            ),
            format!("{}: {{sign_in}} is missing", at("one/auto-answer.en.txt")),
            format!("{}: not the name of a template", at("one/invite.de.txt")),
            format!("{}:1: not UTF-8", at("one/several.en.txt")),
            format!("{}: is no file", at("one/waiting.de.txt")),
            format!("{}: cannot be read: No such file", at("one/warning.en.txt")),
            format!("{}: cannot be read: No such file", at("two")),
        ];
        assert_eq!(said.lines().count(), wants.len(), "{said}");
        for (line, want) in said.lines().zip(&wants) {
            assert!(line.starts_with(want), "{want} in {said}");
        }
    }

    #[test]
    fn every_domain_has_its_own() {
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("one"), home.path().join("two"));
        for (directory, words) in [(&one, "One."), (&two, "Two.")] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("auto-answer.de.txt"), format!("{words}\n\n{{intro}}\n{{sign_in}}\n"))
                .unwrap();
        }
        let config = config(&[&one, &two]);
        let wordings = read(&config).unwrap();
        let [first, second] = [0, 1].map(|at| &wordings.of(&config.domains[at].name).unwrap().domain);
        assert_eq!((first.count(), second.count()), (1, 1));
        assert_ne!(first, second);
        assert!(first.of(Kind::AutoAnswer, Language::De).is_some());
        assert!(first.of(Kind::AutoAnswer, Language::En).is_none());
        for at in 0..=FILES {
            fs::write(two.join(format!("{at}")), "").unwrap();
        }
        let said = read(&config).unwrap_err().to_string();
        assert!(said.ends_with("two: holds more than 200 files"), "{said}");
    }

    const WAITING: &str = "{intro}\n{note}\n{open}\n";

    /// A directory of words for one domain, with these files in it.
    fn directory(files: &[(&str, &str)]) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        for (file, content) in files {
            let file = home.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        home
    }

    #[test]
    fn an_account_is_found_by_its_address_however_its_directory_is_written() {
        let home = directory(&[
            ("waiting.en.txt", WAITING),
            ("Anna.Roth/waiting.de.txt", WAITING),
            ("a%2Fb/waiting.de.txt", WAITING),
            ("a b/waiting.de.txt", WAITING),
            ("m\u{fc}ller/waiting.de.txt", WAITING),
            (".git/invitation.de.txt", "x"),
            ("anna.roth~/x", "x"),
        ]);
        fs::create_dir(home.path().join("nobody")).unwrap();
        let config = config(&[home.path()]);
        let wordings = read(&config).unwrap();
        let domain = &config.domains[0].name;
        let file = |account: &str, kind, language| {
            let account = Address::parse(&format!("{account}@a0.example")).unwrap();
            let file = wordings.choice(domain, Some(&account)).file_of(kind, language);
            file.map(|file| file.strip_prefix(home.path()).unwrap().display().to_string())
        };
        for (account, want) in [
            ("anna.roth", "Anna.Roth/waiting.de.txt"),
            ("ANNA.roth", "Anna.Roth/waiting.de.txt"),
            ("a/b", "a%2Fb/waiting.de.txt"),
            ("\"a b\"", "a b/waiting.de.txt"),
            ("mu\u{308}ller", "m\u{fc}ller/waiting.de.txt"),
        ] {
            assert_eq!(file(account, Kind::Waiting, Language::De).as_deref(), Some(want), "{account}");
            let shared = file(account, Kind::Waiting, Language::En);
            assert_eq!(shared.as_deref(), Some("waiting.en.txt"), "what it has not is the domain's");
        }
        assert_eq!(file("anna", Kind::Waiting, Language::De), None);
        assert_eq!(file("nobody", Kind::Waiting, Language::En).as_deref(), Some("waiting.en.txt"));
        assert_eq!(wordings.of(domain).unwrap().accounts.len(), 5);
    }

    #[test]
    fn what_is_wrong_with_accounts_is_said_with_the_rest() {
        let home = directory(&[
            ("anna/waiting.de.txt", "{intro}\n{opn}\n"),
            ("anna/several.de.txt", "{intro}\n{open}\n{check}\n"),
            ("anna/notes", "x"),
            ("Anna/waiting.de.txt", WAITING),
            ("a..b/waiting.de.txt", WAITING),
            ("a%2/waiting.de.txt", WAITING),
            ("postmaster/waiting.de.txt", WAITING),
            ("secure-mail/waiting.de.txt", WAITING),
            ("a!b/waiting.de.txt", WAITING),
            ("waiting.en.txt/x", ""),
        ]);
        fs::create_dir_all(home.path().join("anna/deeper")).unwrap();
        let said = read(&config(&[home.path()])).unwrap_err().to_string();
        let at = |name: &str| home.path().join(name).display().to_string();
        let wants = [
            format!("{}: is no file", at("waiting.en.txt")),
            format!("{}: neither the name of a template nor that of an account", at("a!b")),
            format!("{}: neither the name of a template nor that of an account", at("a%2")),
            format!("{}: is for the same account as {}", at("anna"), at("Anna")),
            format!("{}: neither the name of a template nor that of an account", at("postmaster")),
            format!("{}: neither the name of a template nor that of an account", at("secure-mail")),
        ];
        for want in &wants {
            assert!(said.lines().any(|line| line.starts_with(want)), "{want} in {said}");
        }
        assert_eq!(said.lines().count(), wants.len(), "{said}");
        fs::remove_dir_all(home.path().join("Anna")).unwrap();
        let said = read(&config(&[home.path()])).unwrap_err().to_string();
        for want in [
            format!("{}:2: unknown placeholder {{opn}}", at("anna/waiting.de.txt")),
            format!("{}: {{open}} is missing", at("anna/waiting.de.txt")),
            format!("{}: does not speak for one account", at("anna/several.de.txt")),
            format!("{}: not the name of a template", at("anna/notes")),
            format!("{}: not the name of a template", at("anna/deeper")),
        ] {
            assert!(said.lines().any(|line| line.starts_with(&want)), "{want} in {said}");
        }
    }
}
