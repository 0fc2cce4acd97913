//! Words in all messages: summaries first, then the messages themselves, in memory, for a bounded time.
//!
//! A message is found when it has every word, each somewhere: subject, people, names of files, text. Nothing of a
//! search is kept or logged; what was not looked at is said.

use crate::flow::Flow;
use crate::flow::reading::Listed;
use crate::flow::reading::Plain;
use crate::flow::reading::ReadError;
use crate::flow::sealing::Interrupted;
use crate::flow::sealing::blocking;
use crate::flow::sign_in::Unlocked;
use crate::mime::address_list::AddressList;
use crate::mime::html_text;
use crate::mime::part;
use crate::mime::problem::Problem;
use crate::mime::structure::Shape;
use crate::mime::summary::Summary;
use crate::store::PAGE;
use crate::store::record::Folder;
use crate::store::record::Uid;
use std::sync::Arc;
use std::time::Duration;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroizing;

/// What is looked for: words as [`fold`] leaves them. Wiped when dropped.
pub struct Words(Vec<Zeroizing<String>>);

/// What came of a search.
#[derive(Debug, Default)]
pub struct Found {
    /// The messages that have all the words, newest first.
    pub hits: Vec<(Folder, Listed)>,
    /// Messages that there are.
    pub all: usize,
    /// Of these, looked at: found by their summary, or read to the end.
    pub searched: usize,
    /// Of these, read only in part: too long.
    pub cut: usize,
    /// Could not be opened.
    pub unreadable: usize,
}

impl Found {
    /// Every message was looked at, as far as it can be read.
    pub const fn is_complete(&self) -> bool {
        self.searched + self.unreadable >= self.all && self.cut == 0
    }
}

/// Words of one search.
const MOST_WORDS: usize = 16;
/// Octets of one text that are searched.
const TEXT: usize = 1 << 20;
/// Texts of one message that are searched, octets together.
const TEXTS: usize = 8 << 20;

impl Words {
    /// From what somebody typed; `None` when there is no word in it.
    pub fn parse(typed: &str) -> Option<Self> {
        let folded = Zeroizing::new(fold(typed));
        let words: Vec<_> =
            folded.split_whitespace().take(MOST_WORDS).map(|word| Zeroizing::new(word.to_owned())).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// Whether every word is somewhere in `texts`, which are folded.
    fn are_in(&self, texts: &[Zeroizing<String>]) -> bool {
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

/// As texts are compared: without regard to case (full folding, near enough: `ß` is `ss`), to accents, and to the
/// many ways to write the same letter (Unicode NFKD).
pub fn fold(text: &str) -> String {
    let plain =
        text.nfkd().filter(|c| !is_combining_mark(*c) && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}'));
    let mut out = String::with_capacity(text.len());
    for c in plain {
        match c {
            'ß' | 'ẞ' => out.push_str("ss"),
            'ς' => out.push('σ'),
            c if c.is_control() => out.push(' '),
            c => out.extend(c.to_lowercase().filter(|c| !is_combining_mark(*c))),
        }
    }
    out
}

impl Flow {
    /// Searches every folder in `folders`, for at most `time` by the boot clock.
    pub async fn search(
        &self,
        who: &Arc<Unlocked>,
        folders: &[Folder],
        words: Words,
        time: Duration,
    ) -> Result<Found, ReadError> {
        let until = self.clock.running() + time;
        let words = Arc::new(words);
        let mut found = Found::default();
        let mut open = Vec::new();
        for folder in folders {
            self.search_summaries(who, *folder, &words, until, &mut found, &mut open).await?;
        }
        open.sort_by_key(|(_, listed): &(Folder, Listed)| {
            std::cmp::Reverse((listed.record.arrived, listed.uid))
        });
        for (folder, listed) in open {
            if self.clock.running() >= until {
                break;
            }
            match self.search_message(who, folder, &listed, &words).await {
                Ok(Some(Looked { hit, cut })) => {
                    found.searched += 1;
                    found.cut += usize::from(cut && !hit);
                    if hit {
                        found.hits.push((folder, listed));
                    }
                }
                Ok(None) => found.all = found.all.saturating_sub(1),
                Err(ReadError::Damaged | ReadError::Unreadable(_)) => found.unreadable += 1,
                // No room in memory now: it was not searched, and that is said.
                Err(ReadError::Busy | ReadError::Gone) => {}
                Err(error @ ReadError::Store(_)) => return Err(error),
            }
        }
        found.hits.sort_by_key(|(_, listed)| std::cmp::Reverse((listed.record.arrived, listed.uid)));
        Ok(found)
    }

    /// Takes what the summaries of a folder decide; what they leave open goes to `open`.
    async fn search_summaries(
        &self,
        who: &Arc<Unlocked>,
        folder: Folder,
        words: &Words,
        until: Duration,
        found: &mut Found,
        open: &mut Vec<(Folder, Listed)>,
    ) -> Result<(), ReadError> {
        let count = self.store.folders(who.mailbox).await?;
        let count = count.iter().find(|record| record.folder == folder).map_or(0, |record| record.messages);
        found.all += usize::try_from(count).unwrap_or(usize::MAX);
        let mut after = Uid(0);
        while self.clock.running() < until {
            let page = self.list(who, folder, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.uid;
            for listed in page {
                if listed.summary.as_deref().is_some_and(|summary| words.are_in(&summarised(summary))) {
                    found.searched += 1;
                    found.hits.push((folder, listed));
                } else {
                    open.push((folder, listed));
                }
            }
        }
        Ok(())
    }

    /// Looks into a message; `None` when it is gone.
    async fn search_message(
        &self,
        who: &Arc<Unlocked>,
        folder: Folder,
        listed: &Listed,
        words: &Arc<Words>,
    ) -> Result<Option<Looked>, ReadError> {
        let plain = match self.read(who, folder, listed.uid).await {
            Err(ReadError::Gone) => return Ok(None),
            plain => plain?,
        };
        let words = words.clone();
        blocking(move || look(&plain, &words).map(Some).map_err(|_| Unlooked))
            .await
            .map_err(|_| ReadError::Damaged)
    }
}

/// What looking into a message showed.
struct Looked {
    hit: bool,
    cut: bool,
}

struct Unlooked;

impl From<Interrupted> for Unlooked {
    fn from(_: Interrupted) -> Self {
        Self
    }
}

/// What a summary has to be searched, folded.
fn summarised(summary: &Summary) -> Vec<Zeroizing<String>> {
    let mut texts = vec![summary.subject.clone(), summary.sender.clone()];
    texts.extend(summary.preview.clone());
    if let Some(envelope) = &summary.envelope {
        texts.extend([&envelope.from, &envelope.to, &envelope.cc].map(people));
    }
    texts.extend(summary.attachments.iter().flatten().map(|attachment| attachment.name.clone()));
    texts.into_iter().map(|text| Zeroizing::new(fold(&text))).collect()
}

fn people(list: &AddressList) -> String {
    let person = list.mailboxes().map(|mailbox| {
        let name = mailbox.display_name().unwrap_or_default();
        format!("{name} {}@{}", mailbox.local, mailbox.host)
    });
    person.collect::<Vec<_>>().join(" ")
}

/// The whole message: its summary anew, for what the stored one left out, and every text of it.
fn look(plain: &Plain, words: &Words) -> Result<Looked, Problem> {
    let mut source = plain.spool.reader();
    let mut texts = summarised(&Summary::gather(&mut source, &plain.structure)?);
    let (mut left, mut cut) = (TEXTS, false);
    for part in plain.structure.parts.iter().filter(|part| part.shape == Shape::Leaf && part.kind == "text") {
        if left == 0 {
            cut = true;
            break;
        }
        let read = part::read_text(&mut source, part, left.min(TEXT))?;
        cut |= read.cut;
        left = left.saturating_sub(read.text.len());
        let text = Zeroizing::new(read.text);
        let text = if part.subtype == "html" { Zeroizing::new(html_text::text(&text)) } else { text };
        texts.push(Zeroizing::new(fold(&text)));
    }
    Ok(Looked { hit: words.are_in(&texts), cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::reading::sample::plain;
    use proptest::prelude::*;

    #[test]
    fn the_same_word_however_it_is_written() {
        for (one, other) in [
            ("STRASSE", "Straße"),
            ("müller", "MU\u{308}LLER"),
            ("resume", "Résumé"),
            ("ΟΔΟΣ", "οδός"),
            ("file", "ﬁle"),
            ("istanbul", "İstanbul"),
            ("Zürich", "zurich"),
            ("sil\u{ad}ben", "silben"),
            ("ＡＢＣ", "abc"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("Haus"), fold("Maus"));
    }

    #[test]
    fn every_word_somewhere() {
        let texts = ["offer from anna", "the roof"].map(|text| Zeroizing::new(text.to_owned()));
        for (typed, want) in [
            ("offer", true),
            ("ROOF Offer", true),
            ("  anna\troof ", true),
            ("offer cellar", false),
            ("from the", true),
        ] {
            assert_eq!(Words::parse(typed).unwrap().are_in(&texts), want, "{typed}");
        }
        for nothing in ["", "  \t\r\n ", "\u{301}"] {
            assert!(Words::parse(nothing).is_none(), "{nothing:?}");
        }
        assert_eq!(Words::parse(&"x ".repeat(1_000)).unwrap().0.len(), MOST_WORDS);
    }

    #[test]
    fn words_of_html_are_found_wherever_they_stand() {
        let filler = "long ".repeat(2_000);
        let message = format!(
            "Subject: s\r\nContent-Type: text/html\r\n\r\n<p>{filler}</p><!----><p>behind</p><div>one</div><div>two</div>\
             <style type=\"text/css\">p {{ color: crimson }}</style>"
        );
        let plain = plain(message.as_bytes());
        for (typed, want) in [("behind", true), ("one two", true), ("onetwo", false), ("crimson", false)] {
            let looked = look(&plain, &Words::parse(typed).unwrap()).unwrap_or_else(|_| panic!("{typed}"));
            assert_eq!((looked.hit, looked.cut), (want, false), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_done_once_for_all(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
