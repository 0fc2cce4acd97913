//! Reads the directories that `[[domain]] templates` names.

use crate::base::language::Language;
use crate::config::Config;
use crate::config::complaint::Complaint;
use crate::config::complaint::Complaints;
use crate::config::complaint::Place;
use crate::texts::template;
use crate::texts::template::Kind;
use crate::texts::template::Template;
use crate::texts::template::Templates;
use crate::texts::template::Wordings;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;

/// A directory with more in it is another one than was meant.
const FILES: usize = 200;

/// Everything that is there; all that is wrong at once, in the files of every domain.
pub fn read(config: &Config) -> Result<Wordings, Complaints> {
    let mut wordings = Wordings::default();
    let mut list = Vec::new();
    for domain in &config.domains {
        let Some(directory) = &domain.templates else { continue };
        wordings.add(domain.name.clone(), read_directory(directory, &mut list));
    }
    match list.is_empty() {
        true => Ok(wordings),
        false => Err(Complaints { file: "guard.toml".into(), list }),
    }
}

fn read_directory(directory: &Path, list: &mut Vec<Complaint>) -> Templates {
    let mut templates = Templates::default();
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) => {
            list.push(complaint(directory, None, format!("cannot be read: {error}")));
            return templates;
        }
    };
    if names.len() > FILES {
        list.push(complaint(directory, None, format!("holds more than {FILES} files")));
        return templates;
    }
    for name in names {
        let file = directory.join(&name);
        match template::named(&name) {
            Ok((kind, language)) => {
                match read_file(kind, &file) {
                    Ok(template) => templates.add(kind, language, template),
                    Err(wrong) => list.extend(wrong),
                };
            }
            Err(what) => list.push(complaint(&file, None, what)),
        }
    }
    templates
}

/// Sorted; what an editor leaves beside a file is no file.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)?.take(10 * FILES) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !name.ends_with('~') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
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

/// The file that words this mail, where `domain` has one.
pub fn file_of(directory: &Path, kind: Kind, language: Language) -> String {
    directory.join(format!("{kind}.{language}.txt")).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

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
        let [first, second] = [0, 1].map(|at| wordings.of(&config.domains[at].name).unwrap());
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
}
