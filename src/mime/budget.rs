//! What the envelopes of one message may hold together. A header names an address in two octets, a message has
//! hundreds of headers, and each address takes fifty times as much once it is read.

use crate::base::limits;
use crate::mime::address_list::AddressList;
use crate::mime::address_list::Entry;

/// Room that is left, for one message with all messages in it.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    entries: usize,
    octets: usize,
    spent: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { entries: limits::ENVELOPE_ENTRIES, octets: limits::ENVELOPE_OCTETS, spent: false }
    }
}

impl Budget {
    /// Something did not fit; nothing more will.
    pub const fn is_spent(&self) -> bool {
        self.spent
    }

    /// The text, if there is room for it.
    pub fn text(&mut self, text: Option<String>) -> Option<String> {
        text.filter(|text| self.takes(0, text.len()))
    }

    /// As much of the list as there is room for.
    pub fn list(&mut self, mut list: AddressList) -> AddressList {
        let fits = list.0.iter().take_while(|entry| self.takes(1, octets(entry))).count();
        list.truncate(fits);
        list
    }

    fn takes(&mut self, entries: usize, octets: usize) -> bool {
        match (self.entries.checked_sub(entries), self.octets.checked_sub(octets)) {
            (Some(entries), Some(octets)) if !self.spent => (self.entries, self.octets) = (entries, octets),
            _ => self.spent = true,
        }
        !self.spent
    }
}

fn octets(entry: &Entry) -> usize {
    match entry {
        Entry::Mailbox(mailbox) => {
            mailbox.name.as_ref().map_or(0, String::len) + mailbox.local.len() + mailbox.host.len()
        }
        Entry::GroupStart(group) => group.len(),
        Entry::GroupEnd => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_does_not_fit_is_cut_and_its_group_closed() {
        let mut budget = Budget { entries: 4, octets: 100, spent: false };
        assert_eq!(budget.list(AddressList::parse(b"a@x")).0.len(), 1);
        assert!(!budget.is_spent());
        let cut = budget.list(AddressList::parse(b"team: a@x, b@x, c@x;"));
        assert!(matches!(
            cut.0.as_slice(),
            [Entry::GroupStart(_), Entry::Mailbox(_), Entry::Mailbox(_), Entry::GroupEnd]
        ));
        assert!(budget.is_spent());
        assert_eq!(budget.text(Some("x".into())), None, "nothing smaller passes either");
    }

    #[test]
    fn octets_are_counted() {
        let mut budget = Budget { entries: 9, octets: 10, spent: false };
        assert_eq!(budget.text(Some("subject".into())).as_deref(), Some("subject"));
        assert_eq!(budget.list(AddressList::parse(b"ab@x, c@y")).0.len(), 1);
        assert!(budget.is_spent());
    }
}
