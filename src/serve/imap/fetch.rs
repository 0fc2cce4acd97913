//! FETCH while it goes: page by page, piece by piece, no faster than the client reads.

use crate::flow::reading::Listed;
use crate::flow::reading::Plain;
use crate::flow::reading::ReadError;
use crate::imap::ask::Answer;
use crate::imap::ask::Plan;
use crate::imap::ask::Trouble;
use crate::imap::fetch;
use crate::imap::fetch::Known;
use crate::imap::fetch::Needs;
use crate::imap::fetch::Overview;
use crate::imap::fetch::Piece;
use crate::imap::flags::Change;
use crate::imap::flags::Flags;
use crate::imap::overview;
use crate::imap::view::Row;
use crate::serve::imap::connection::Connection;
use crate::serve::imap::connection::Ended;
use crate::serve::imap::mailbox::Mailbox;
use crate::store::record::Folder;
use crate::store::record::Message;
use crate::store::record::Uid;
use crate::store::spool::SpoolReader;
use crate::threads;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Messages of one page, at most.
const PAGE: usize = 200;
/// Numbers that a page may span: what lies between is read from the store and passed over.
const SPAN: u32 = 400;
/// Octets of a message handed on at once.
const CHUNK: u64 = 64 << 10;

/// What became of a FETCH so far.
#[derive(Default)]
struct Progress {
    /// Messages told without `\Seen`, each with the octets that were said up to its end.
    unseen: Vec<(u32, u64)>,
    /// Flags that changed with it.
    marked: Vec<(u32, Flags)>,
    gone: bool,
    unreadable: bool,
    /// Some cannot be read now.
    later: bool,
}

impl Connection {
    /// Carries out a FETCH. What cannot be read is passed over, and said at the end.
    pub(super) async fn fetch(&mut self, plan: Plan) -> Result<Answer, Ended> {
        let needs = fetch::needs(&plan.items);
        let mut progress = Progress::default();
        let mut rest = plan.rows.as_slice();
        while !rest.is_empty() {
            let (page, later) = rest.split_at(page_length(rest));
            rest = later;
            let told = self.fetch_page(&plan, page, needs, &mut progress).await;
            let flushed = self.mark_written(Folder(plan.folder), &mut progress, &told).await;
            // Behind what was cut off nothing more may be said.
            flushed?;
            if let Err(trouble) = told? {
                return Ok(Answer::Trouble(trouble));
            }
        }
        let Progress { marked, gone, unreadable, later, .. } = progress;
        Ok(Answer::Fetched { marked, gone, unreadable, later })
    }

    async fn fetch_page(
        &mut self,
        plan: &Plan,
        page: &[Row],
        needs: Needs,
        progress: &mut Progress,
    ) -> Result<Result<(), Trouble>, Ended> {
        let folder = Folder(plan.folder);
        let Some(mailbox) = self.mailbox() else { return Err(Ended::Gone) };
        let listed = if needs.record || needs.summary {
            match list(mailbox, folder, page, needs.summary).await {
                Ok(listed) => Some(listed),
                Err(trouble) => return Ok(Err(trouble)),
            }
        } else {
            None
        };
        for row in page {
            self.still_open().await?;
            let facts = match &listed {
                None => None,
                Some(listed) => match listed.binary_search_by_key(&row.uid, |facts| facts.uid.0) {
                    Ok(at) => listed.get(at),
                    Err(_) => {
                        progress.gone = true;
                        continue;
                    }
                },
            };
            match self.fetch_one(plan, row, facts, needs).await? {
                Ok(()) if plan.marks && !row.flags.seen => progress.unseen.push((row.uid, self.said().0)),
                Ok(()) => {}
                Err(ReadError::Gone) => progress.gone = true,
                Err(ReadError::Damaged) => progress.unreadable = true,
                Err(ReadError::Unreadable(why)) => {
                    tracing::error!(%why, uid = row.uid, "a message cannot be read");
                    progress.later = true;
                }
                Err(ReadError::Busy | ReadError::Store(_)) => return Ok(Err(Trouble::Broken)),
            }
        }
        Ok(Ok(()))
    }

    /// `\Seen` for what went out whole, also when the connection ended behind it. Where nothing can be stored now the
    /// mail was shown all the same.
    async fn mark_written<T>(
        &mut self,
        folder: Folder,
        progress: &mut Progress,
        told: &Result<T, Ended>,
    ) -> Result<(), Ended> {
        if progress.unseen.is_empty() {
            return Ok(());
        }
        let flushed = if matches!(told, Err(Ended::Gone)) { Ok(()) } else { self.flush().await };
        let (_, written) = self.said();
        let whole = progress.unseen.drain(..).filter(|(_, end)| *end <= written);
        let uids: Vec<u32> = whole.map(|(uid, _)| uid).collect();
        let seen = Flags { seen: true, ..Flags::default() };
        if let (false, Some(mailbox)) = (uids.is_empty(), self.mailbox()) {
            let marked = mailbox.mark(folder, &uids, Change::Add, &seen).await;
            progress.marked.extend(marked.unwrap_or_default());
        }
        flushed
    }

    async fn fetch_one(
        &mut self,
        plan: &Plan,
        row: &Row,
        facts: Option<&Listed>,
        needs: Needs,
    ) -> Result<Result<(), ReadError>, Ended> {
        let folder = Folder(plan.folder);
        let Some(mailbox) = self.mailbox() else { return Err(Ended::Gone) };
        let summary = facts.and_then(|facts| facts.summary.as_deref()).filter(|_| needs.summary);
        let mut overview: Option<Overview> = summary.and_then(overview::write);
        let plain = if needs.message || (needs.summary && overview.is_none()) {
            match mailbox.read(folder, Uid(row.uid)).await {
                Ok(plain) => Some(plain),
                Err(why) => return Ok(Err(why)),
            }
        } else {
            None
        };
        if let (None, true, Some(plain)) = (&overview, needs.summary, &plain) {
            let plain = plain.clone();
            let read = move || overview::read(&mut plain.spool.reader(), &plain.structure).ok();
            overview = threads::blocking(read).await.ok().flatten();
        }
        let known = Known {
            record: facts.map(|facts| (facts.record.arrived, facts.record.size)),
            overview: overview.as_ref(),
            structure: plain.as_ref().map(|plain| &plain.structure),
        };
        for piece in fetch::tell(row, &plan.items, &known) {
            match (piece, &plain) {
                (Piece::Text(text), _) => self.say(&text).await?,
                (Piece::Overview(form), _) => {
                    self.say(overview.as_ref().map_or(&b"NIL"[..], |overview| overview.form(form))).await?;
                }
                (Piece::Octets(range), Some(plain)) => self.say_octets(plain, range).await?,
                (Piece::Fields { header, names, not, partial }, Some(plain)) => {
                    let header = octets(plain, header).await.ok_or(Ended::Gone)?;
                    self.say(&fetch::fields(&header, &names, not, partial)).await?;
                }
                // A literal was announced and cannot be filled: only the end of the connection is honest.
                (_, None) => return Err(Ended::Gone),
            }
        }
        Ok(Ok(()))
    }

    async fn say_octets(&mut self, plain: &Plain, range: Range<u64>) -> Result<(), Ended> {
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let mut reader = plain.spool.reader();
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + CHUNK);
            // Within a literal there is no place for last words.
            self.still_open().await.map_err(|_| Ended::Gone)?;
            if let Some(memory) = plain.spool.in_memory() {
                self.say(memory.get(within(at)..within(end)).ok_or(Ended::Gone)?).await?;
            } else {
                let (back, bytes) = read_at(reader, at..end).await.ok_or(Ended::Gone)?;
                reader = back;
                self.say(&bytes).await?;
            }
            at = end;
        }
        Ok(())
    }
}

/// How many of the rows make the next page.
fn page_length(rows: &[Row]) -> usize {
    let Some(first) = rows.first() else { return 0 };
    let near = |row: &&Row| row.number.saturating_sub(first.number) < SPAN;
    rows.iter().take(PAGE).take_while(near).count().max(1)
}

/// Records of a page, ascending, with summaries if `summaries`: those may have to be decrypted, each.
pub(super) async fn list(
    mailbox: &Mailbox,
    folder: Folder,
    page: &[Row],
    summaries: bool,
) -> Result<Vec<Listed>, Trouble> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(Vec::new()) };
    let limit = usize::try_from(last.number - first.number).unwrap_or(usize::MAX).saturating_add(1);
    let (flow, after) = (&mailbox.imap.flow, Uid(first.uid.saturating_sub(1)));
    let listed = if summaries {
        flow.list(&mailbox.who, folder, after, limit).await
    } else {
        let messages = flow.store.messages(mailbox.who.mailbox, folder, after, limit).await;
        let bare = |message: Message| Listed {
            uid: message.uid,
            record: message.record,
            flags: message.flags,
            summary: None,
        };
        messages.map(|messages| messages.into_iter().map(bare).collect()).map_err(ReadError::from)
    };
    listed.map_err(|why| {
        tracing::warn!(%why, "a folder could not be listed");
        Trouble::Broken
    })
}

/// Octets of a message at once; only for headers.
pub(super) async fn octets(plain: &Arc<Plain>, range: Range<u64>) -> Option<Zeroizing<Vec<u8>>> {
    read_at(plain.spool.reader(), range).await.map(|(_, bytes)| bytes)
}

async fn read_at(mut reader: SpoolReader, range: Range<u64>) -> Option<(SpoolReader, Zeroizing<Vec<u8>>)> {
    let read = threads::blocking(move || {
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let mut bytes = Zeroizing::new(vec![0; length]);
        reader.seek(SeekFrom::Start(range.start)).ok()?;
        reader.read_exact(&mut bytes).ok()?;
        Some((reader, bytes))
    });
    read.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded_in_length_and_span() {
        let rows = |numbers: &[u32]| -> Vec<Row> {
            numbers.iter().map(|&number| Row { number, uid: number, flags: Flags::default() }).collect()
        };
        assert_eq!(page_length(&rows(&[])), 0);
        assert_eq!(page_length(&rows(&[5, 9_000])), 1);
        assert_eq!(page_length(&rows(&[5, 6, 404, 405])), 3);
        assert_eq!(page_length(&rows(&(1..=1_000).collect::<Vec<_>>())), PAGE);
    }
}
