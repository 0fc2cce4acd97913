//! SEARCH while it goes: records first, then summaries, then the messages themselves, for a bounded time.

use crate::base::time::Time;
use crate::flow::reading::Listed;
use crate::flow::reading::ReadError;
use crate::imap::ask::Answer;
use crate::imap::ask::Trouble;
use crate::imap::overview;
use crate::imap::search::Facts;
use crate::imap::search::Query;
use crate::imap::search::Verdict;
use crate::imap::view::Row;
use crate::serve::imap::connection::Connection;
use crate::serve::imap::connection::Ended;
use crate::serve::imap::fetch;
use crate::serve::imap::mailbox::Mailbox;
use crate::store::record::Folder;
use crate::store::record::Uid;
use crate::threads;
use tokio::task::yield_now;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Messages of one page.
const PAGE: usize = 200;

impl Connection {
    /// Carries out a SEARCH. Stops when its time is over, and says so.
    pub(super) async fn search(&mut self, folder: u16, query: &Query, rows: &[Row]) -> Result<Answer, Ended> {
        let until = Instant::now() + self.imap.limits.search;
        let mut uids = Vec::new();
        for page in rows.chunks(PAGE) {
            self.still_open().await?;
            let Some(mailbox) = self.mailbox() else { return Err(Ended::Gone) };
            match search_page(mailbox, Folder(folder), query, page, until, &mut uids).await {
                Ok(true) => {}
                Ok(false) => return Ok(Answer::Found { uids, complete: false }),
                Err(answer) => return Ok(answer),
            }
        }
        Ok(Answer::Found { uids, complete: true })
    }
}

/// Answers with false when the time is over. Other connections have a turn before the page, and before each message
/// of it that flags and numbers do not settle.
pub(super) async fn search_page(
    mailbox: &mut Mailbox,
    folder: Folder,
    query: &Query,
    page: &[Row],
    until: Instant,
    found: &mut Vec<u32>,
) -> Result<bool, Answer> {
    let mut listed = Vec::new();
    yield_now().await;
    if page.iter().any(|row| query.judge(&facts(row)) > Verdict::No) {
        listed = fetch::list(mailbox, folder, page, false).await.map_err(Answer::Trouble)?;
        let by_record = |row: &Row| query.judge(&Facts { record: record(&listed, row.uid), ..facts(row) });
        if page.iter().any(|row| by_record(row) > Verdict::No) {
            listed = fetch::list(mailbox, folder, page, true).await.map_err(Answer::Trouble)?;
        }
    }
    for row in page {
        if Instant::now() >= until {
            return Ok(false);
        }
        let mut verdict = query.judge(&facts(row));
        if verdict > Verdict::No {
            yield_now().await;
            let Some(facts_of) = find(&listed, row.uid) else { continue };
            let record = record(&listed, row.uid);
            let header = facts_of.summary.as_deref().map(overview::summarised);
            verdict = query.judge(&Facts { record, header: header.as_ref(), ..facts(row) });
            if verdict > Verdict::No {
                verdict = in_message(mailbox, folder, query, row, record).await?;
            }
        }
        if verdict == Verdict::Yes {
            found.push(row.uid);
        }
    }
    Ok(true)
}

fn find(listed: &[Listed], uid: u32) -> Option<&Listed> {
    listed.binary_search_by_key(&uid, |listed| listed.uid.0).ok().and_then(|at| listed.get(at))
}

/// Arrival time and size.
fn record(listed: &[Listed], uid: u32) -> Option<(Time, u64)> {
    find(listed, uid).map(|listed| (listed.record.arrived, listed.record.size))
}

/// What is known without asking anybody.
fn facts(row: &Row) -> Facts<'_> {
    Facts { number: row.number, uid: row.uid, flags: &row.flags, record: None, header: None, body: None }
}

/// Judges by the message itself. One that cannot be read is not found.
async fn in_message(
    mailbox: &mut Mailbox,
    folder: Folder,
    query: &Query,
    row: &Row,
    record: Option<(Time, u64)>,
) -> Result<Verdict, Answer> {
    let plain = match mailbox.read(folder, Uid(row.uid)).await {
        Ok(plain) => plain,
        Err(ReadError::Gone | ReadError::Damaged) => return Ok(Verdict::No),
        Err(ReadError::Busy | ReadError::Unreadable(_) | ReadError::Store(_)) => {
            return Err(Answer::Trouble(Trouble::Broken));
        }
    };
    let (query, row) = (query.clone(), row.clone());
    let judged = threads::blocking(move || {
        let mut source = plain.spool.reader();
        let header = overview::header(&mut source, &plain.structure).ok()?;
        let body = Zeroizing::new(overview::texts(&mut source, &plain.structure).ok()?);
        Some(query.judge(&Facts { record, header: Some(&header), body: Some(&body), ..facts(&row) }))
    });
    Ok(judged.await.ok().flatten().unwrap_or(Verdict::No))
}
