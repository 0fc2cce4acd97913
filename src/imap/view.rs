//! What a session believes of the folder it has open: the numbering of its messages, and how it is told of
//! changes (RFC 3501 §5.2, §7.4.1).

use crate::imap::command::By;
use crate::imap::flags::Flags;
use crate::imap::sequence::Ranges;
use crate::imap::sequence::Set;

/// A folder as the store has it now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// RFC 3501 §2.3.1.1.
    pub uid_validity: u32,
    /// The next UID to be given.
    pub uid_next: u32,
    /// UIDs with flags, ascending.
    pub messages: Vec<(u32, Flags)>,
}

/// One message as the session knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Message sequence number.
    pub number: u32,
    /// UID.
    pub uid: u32,
    /// Flags as last told.
    pub flags: Flags,
}

/// The open folder, frozen between the moments at which changes may be told.
#[derive(Debug)]
pub struct View {
    /// Which.
    pub folder: u16,
    /// EXAMINE.
    pub read_only: bool,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    uid: u32,
    flags: Flags,
    /// Not in the store any more; its number stays until EXPUNGE may be said.
    gone: bool,
}

/// A message sequence number above the number of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoSuchNumber;

impl View {
    /// Opens a folder.
    pub fn open(folder: u16, read_only: bool, listing: Listing) -> Self {
        let mut entries: Vec<Entry> =
            listing.messages.into_iter().map(|(uid, flags)| Entry { uid, flags, gone: false }).collect();
        entries.sort_by_key(|entry| entry.uid);
        Self { folder, read_only, entries }
    }

    /// How many messages the client knows of.
    pub fn exists(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// The largest UID, 0 if it is empty.
    pub fn largest_uid(&self) -> u32 {
        self.entries.last().map_or(0, |entry| entry.uid)
    }

    /// The number of the first message without `\Seen`.
    pub fn first_unseen(&self) -> Option<u32> {
        self.rows().find(|row| !row.flags.seen).map(|row| row.number)
    }

    /// The messages of a set, ascending. A UID that is not there is passed over (RFC 3501 §6.4.8).
    pub fn pick(&self, set: &Set, by: By) -> Result<Vec<Row>, NoSuchNumber> {
        let ranges = self.ranges(set, by)?;
        let rows = match by {
            By::Sequence => self.rows().filter(|row| ranges.contains(row.number)).collect(),
            By::Uid => self.rows().filter(|row| ranges.contains(row.uid)).collect(),
        };
        Ok(rows)
    }

    /// The numbers or UIDs of a set, with `*` filled in.
    pub fn ranges(&self, set: &Set, by: By) -> Result<Ranges, NoSuchNumber> {
        match by {
            By::Uid => Ok(set.resolve(self.largest_uid())),
            By::Sequence if set.largest_written().is_some_and(|most| most > self.exists()) => {
                Err(NoSuchNumber)
            }
            By::Sequence => Ok(set.resolve(self.exists())),
        }
    }

    /// All messages, ascending, without those that are gone.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let present = (1_u32..).zip(&self.entries).filter(|(_, entry)| !entry.gone);
        present.map(|(number, entry)| Row { number, uid: entry.uid, flags: entry.flags.clone() })
    }

    /// Takes over flags; answers with the message's number if the client knows it.
    pub fn set_flags(&mut self, uid: u32, flags: Flags) -> Option<u32> {
        let at = self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()?;
        self.entries.get_mut(at)?.flags = flags;
        u32::try_from(at + 1).ok()
    }

    /// Removes messages and says so; highest number first, so that each number is right when it is read.
    pub fn expunge(&mut self, uids: &[u32], out: &mut Vec<u8>) {
        let gone = Ranges::of(sorted(uids));
        for (at, entry) in self.entries.iter().enumerate().rev() {
            if gone.contains(entry.uid) {
                out.extend_from_slice(format!("* {} EXPUNGE\r\n", at + 1).as_bytes());
            }
        }
        self.entries.retain(|entry| !gone.contains(entry.uid));
    }

    /// Says that the messages that are gone are gone.
    pub fn expunge_ghosts(&mut self, out: &mut Vec<u8>) {
        let gone: Vec<u32> = self.entries.iter().filter(|entry| entry.gone).map(|entry| entry.uid).collect();
        self.expunge(&gone, out);
    }

    /// Compares with the store and tells what changed. Without `may_expunge` messages that went keep their
    /// numbers until a later time. Answers with the UIDs whose flags were told.
    pub fn refresh(&mut self, listing: Listing, may_expunge: bool, out: &mut Vec<u8>) -> Vec<u32> {
        let mut told = Vec::new();
        let mut now = listing.messages;
        now.sort_by_key(|(uid, _)| *uid);
        for entry in &mut self.entries {
            entry.gone |= now.binary_search_by_key(&entry.uid, |(uid, _)| *uid).is_err();
        }
        if may_expunge {
            self.expunge_ghosts(out);
        }
        let (before, last) = (self.entries.len(), self.largest_uid());
        for (uid, flags) in now {
            if uid > last {
                self.entries.push(Entry { uid, flags, gone: false });
                continue;
            }
            let Ok(at) = self.entries.binary_search_by_key(&uid, |entry| entry.uid) else { continue };
            let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.flags != flags) else { continue };
            out.extend_from_slice(format!("* {} FETCH (UID {uid} FLAGS ({flags}))\r\n", at + 1).as_bytes());
            entry.flags = flags;
            told.push(uid);
        }
        if self.entries.len() > before {
            out.extend_from_slice(format!("* {} EXISTS\r\n", self.entries.len()).as_bytes());
        }
        told
    }
}

fn sorted(uids: &[u32]) -> Vec<u32> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    uids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::sequence::End::Largest;
    use crate::imap::sequence::End::Number;
    use proptest::prelude::*;

    fn listing(messages: &[(u32, bool)]) -> Listing {
        let flags = |seen| Flags { seen, ..Flags::default() };
        let messages = messages.iter().map(|(uid, seen)| (*uid, flags(*seen))).collect();
        Listing { uid_validity: 1, uid_next: 100, messages }
    }

    #[test]
    fn tells_what_changed_when_it_may() {
        let mut view = View::open(1, false, listing(&[(3, false), (5, true), (7, false), (9, false)]));
        assert_eq!((view.exists(), view.first_unseen()), (4, Some(1)));
        let after = || listing(&[(3, true), (9, false), (12, false)]);
        let mut out = Vec::new();
        assert_eq!(view.refresh(after(), false, &mut out), [3]);
        assert_eq!(String::from_utf8_lossy(&out), "* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n* 5 EXISTS\r\n");
        let rows: Vec<_> = view.rows().map(|row| (row.number, row.uid)).collect();
        assert_eq!(rows, [(1, 3), (4, 9), (5, 12)]);
        out.clear();
        view.refresh(after(), true, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n");
        out.clear();
        view.refresh(after(), true, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn picks_by_number_and_uid() {
        let view = View::open(1, false, listing(&[(3, false), (5, true)]));
        let set = |from, to| Set::new(vec![(from, to)]);
        let uids = |set: &Set, by| {
            view.pick(set, by).map(|rows| rows.into_iter().map(|row| row.uid).collect::<Vec<_>>())
        };
        assert_eq!(uids(&set(Number(1), Largest), By::Sequence), Ok(vec![3, 5]));
        assert_eq!(uids(&set(Number(3), Number(3)), By::Sequence), Err(NoSuchNumber));
        assert_eq!(uids(&set(Number(4), Number(9)), By::Uid), Ok(vec![5]));
        assert_eq!(uids(&set(Number(900), Largest), By::Uid), Ok(vec![5]));
        let empty = View::open(1, false, Listing::default());
        assert_eq!(empty.pick(&set(Number(1), Largest), By::Sequence), Ok(vec![]));
        assert_eq!(empty.pick(&set(Largest, Largest), By::Uid), Ok(vec![]));
    }

    proptest! {
        /// A client that follows the untagged answers ends with the store's own list.
        #[test]
        fn a_client_can_follow(
            steps in proptest::collection::vec(
                (proptest::collection::btree_set(1_u32..12, 0..8), any::<bool>()), 1..8),
        ) {
            let mut view = View::open(1, false, Listing::default());
            let mut known: Vec<u32> = Vec::new();
            let mut highest = 0;
            let mut alive: Vec<u32> = Vec::new();
            for (uids, may_expunge) in steps {
                // UIDs are never given again, nor below one that was given.
                let lives = |uid: &u32| *uid > highest || alive.contains(uid);
                let uids: Vec<u32> = uids.into_iter().filter(lives).collect();
                alive = uids.clone();
                highest = highest.max(uids.last().copied().unwrap_or(0));
                let mut out = Vec::new();
                view.refresh(listing(&uids.iter().map(|uid| (*uid, false)).collect::<Vec<_>>()), may_expunge, &mut out);
                for line in String::from_utf8(out).unwrap().lines() {
                    let words: Vec<&str> = line.split(' ').collect();
                    let number: usize = words[1].parse().unwrap();
                    match words[2] {
                        "EXPUNGE" => { known.remove(number - 1); }
                        "EXISTS" => {
                            prop_assert!(number > known.len());
                            let new: Vec<u32> = uids.iter().copied()
                                .filter(|uid| known.last().is_none_or(|last| uid > last)).collect();
                            known.extend(new);
                            prop_assert_eq!(number, known.len());
                        }
                        _ => {}
                    }
                }
                if may_expunge {
                    prop_assert_eq!(&known, &uids);
                }
                prop_assert_eq!(view.exists() as usize, known.len());
            }
        }
    }
}
