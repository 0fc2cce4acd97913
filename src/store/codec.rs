//! How values are written: a format number, then CBOR (RFC 8949 §3) with numbered fields.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::alias::AliasLevel;
use crate::base::envelope::Notify;
use crate::base::envelope::Ret;
use crate::base::id::Id;
use crate::base::id::MailboxId;
use crate::base::language::Language;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::store::body::Body;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record::SigningAlgorithm;
use crate::store::record::SigningKey;
use crate::store::record::SlotKind;
use crate::store::record_stored::StsRecord;
use minicbor::Decode;
use minicbor::Decoder;
use minicbor::Encode;
use minicbor::Encoder;
use minicbor::decode;
use minicbor::encode;
use minicbor::encode::Write;

/// The format of every value that this version writes; it reads all from 1 on.
pub(crate) const FORMAT: u8 = 1;

/// A value as it is sealed.
pub(crate) fn write<T: Encode<()>>(value: &T) -> Result<Vec<u8>, StoreError> {
    write_about(0, value)
}

/// The same where so many octets of it are known beforehand: the buffer does not grow with them.
pub(crate) fn write_about<T: Encode<()>>(octets: usize, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(octets + 256);
    bytes.push(FORMAT);
    minicbor::encode(value, &mut bytes).map_err(|_| StoreError::Misused { what: "a value encodes" })?;
    Ok(bytes)
}

/// Reads what [`write`] wrote, to its last byte.
pub(crate) fn read<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "a record does not decode" };
    let (format, bytes) = bytes.split_first().ok_or(DAMAGED)?;
    if *format > FORMAT {
        return Err(StoreError::Format { found: u32::from(*format), known: u32::from(FORMAT) });
    }
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode().map_err(|_| DAMAGED)?;
    if decoder.position() == bytes.len() { Ok(value) } else { Err(DAMAGED) }
}

impl<C, Kind> Encode<C> for Id<Kind> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self.bytes())?.ok()
    }
}

impl<'b, C, Kind> Decode<'b, C> for Id<Kind> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?.try_into().map_err(|_| decode::Error::message("an id of another length"))?;
        Ok(Self::new(bytes))
    }
}

impl<C> Encode<C> for Time {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.i64(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Time {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self(d.i64()?))
    }
}

impl<C> Encode<C> for Address {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Address {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::parse(d.str()?).map_err(|_| decode::Error::message("not an address"))
    }
}

impl<C> Encode<C> for Domain {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Domain {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::parse(d.str()?).map_err(|_| decode::Error::message("not a domain"))
    }
}

impl<C> Encode<C> for Language {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(self.tag())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Language {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::parse(d.str()?).ok_or_else(|| decode::Error::message("not a language"))
    }
}

impl<C> Encode<C> for AliasLevel {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(self.as_str())?.ok()
    }
}

/// A level that this version does not know is no level: nothing goes out under a weaker one.
impl<'b, C> Decode<'b, C> for AliasLevel {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::parse(d.str()?).map_err(|_| decode::Error::message("not a level"))
    }
}

/// NOTIFY= as bits: success 1, failure 2, delay 4.
impl<C> Encode<C> for Notify {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u8(u8::from(self.success) | u8::from(self.failure) << 1 | u8::from(self.delay) << 2)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Notify {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        match d.u8()? {
            bits @ 0..=7 => Ok(Self { success: bits & 1 != 0, failure: bits & 2 != 0, delay: bits & 4 != 0 }),
            _ => Err(decode::Error::message("not a NOTIFY")),
        }
    }
}

impl<C> Encode<C> for Ret {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        let number = match self {
            Self::Full => 0,
            Self::Headers => 1,
        };
        e.u8(number)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Ret {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        match d.u8()? {
            0 => Ok(Self::Full),
            1 => Ok(Self::Headers),
            _ => Err(decode::Error::message("not a RET")),
        }
    }
}

/// As its place in `SLOT_KINDS`.
impl<C> Encode<C> for SlotKind {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        let number = match self {
            Self::Password => 0,
            Self::AppPassword => 1,
            Self::Invitation => 2,
            Self::Recovery => 3,
        };
        e.u8(number)?.ok()
    }
}

const SLOT_KINDS: [SlotKind; 4] =
    [SlotKind::Password, SlotKind::AppPassword, SlotKind::Invitation, SlotKind::Recovery];

impl<'b, C> Decode<'b, C> for SlotKind {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let number = usize::from(d.u8()?);
        SLOT_KINDS.get(number).copied().ok_or_else(|| decode::Error::message("not a kind of slot"))
    }
}

/// A mailbox's key as a row: what is large lies in a file.
#[derive(Debug, Decode, Encode)]
pub(crate) struct KeyRow {
    #[n(0)]
    pub(crate) fingerprint: Fingerprint,
    #[n(1)]
    pub(crate) certificate: Body,
    #[n(2)]
    pub(crate) wrapped_secret: Option<Body>,
    #[n(3)]
    pub(crate) created: Time,
}

/// An outside certificate as a row.
#[derive(Debug, Decode, Encode)]
pub(crate) struct CertificateRow {
    #[n(0)]
    pub(crate) address: Address,
    #[n(1)]
    pub(crate) fingerprint: Fingerprint,
    #[n(2)]
    pub(crate) certificate: Body,
    #[n(3)]
    pub(crate) imported: Time,
    #[n(4)]
    pub(crate) chosen_by: Option<MailboxId>,
}

/// What a domain said by MTA-STS as a row: the policy stands in it, or in a file where it is long.
#[derive(Debug, Decode, Encode)]
pub(crate) struct StsRow {
    #[n(0)]
    pub(crate) domain: Domain,
    #[n(1)]
    pub(crate) id: String,
    #[n(2)]
    pub(crate) policy: String,
    #[n(3)]
    pub(crate) fetched: Time,
    #[n(4)]
    pub(crate) until: Time,
    #[n(5)]
    pub(crate) used: Time,
    #[n(6)]
    pub(crate) long: Option<Body>,
}

impl StsRow {
    /// All of it but the text of a long policy.
    pub(crate) fn outline(self) -> StsRecord {
        let Self { domain, id, policy, fetched, until, used, long: _ } = self;
        StsRecord { domain, id, policy, fetched, until, used }
    }
}

/// A signing key as a row.
#[derive(Decode, Encode)]
pub(crate) struct SigningRow {
    #[n(0)]
    domain: Domain,
    #[n(1)]
    selector: String,
    #[n(2)]
    algorithm: SigningAlgorithm,
    #[cbor(n(3), with = "minicbor::bytes")]
    private: Vec<u8>,
    #[cbor(n(4), with = "minicbor::bytes")]
    public: Vec<u8>,
    #[n(5)]
    created: Time,
}

impl From<&SigningKey> for SigningRow {
    fn from(key: &SigningKey) -> Self {
        Self {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            algorithm: key.algorithm,
            private: key.private.expose().clone(),
            public: key.public.clone(),
            created: key.created,
        }
    }
}

impl From<SigningRow> for SigningKey {
    fn from(row: SigningRow) -> Self {
        Self {
            domain: row.domain,
            selector: row.selector,
            algorithm: row.algorithm,
            private: Secret::new(row.private),
            public: row.public,
            created: row.created,
        }
    }
}

/// What the store says about itself: its first row.
#[derive(Debug, Decode, Encode)]
pub(crate) struct Header {
    /// The layout of keys and files.
    #[n(0)]
    pub(crate) layout: u32,
}

/// A commit that dropped the names of more shred keys than a batch usually does.
#[derive(Debug, Decode, Encode)]
pub(crate) struct Dropped {
    /// Its number.
    #[n(0)]
    pub(crate) commit: u64,
    /// So many.
    #[n(1)]
    pub(crate) keys: u64,
}

/// A row that says all by its key.
#[derive(Debug, Decode, Encode)]
pub(crate) struct Mark {}

/// A row that is one number.
#[derive(Debug, Decode, Encode)]
#[cbor(transparent)]
pub(crate) struct Number(#[n(0)] pub(crate) u64);

/// A row that is octets sealed elsewhere.
#[derive(Debug, Decode, Encode)]
#[cbor(transparent)]
pub(crate) struct Octets(#[cbor(n(0), with = "minicbor::bytes")] pub(crate) Vec<u8>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::command::Command;
    use crate::store::command_part::NewQueued;
    use crate::store::record::Flags;
    use crate::store::record::FolderRecord;
    use crate::store::record::InvitationRecord;
    use crate::store::record::KnownNetwork;
    use crate::store::record::MailboxRecord;
    use crate::store::record::MailboxState;
    use crate::store::record::MessageRecord;
    use crate::store::record_account::RefusedAttempt;
    use crate::store::record_account::RefusedRecord;
    use crate::store::record_account::ShutGeneration;
    use crate::store::record_life::Asked;
    use crate::store::record_life::ClockTrouble;
    use crate::store::record_life::LifeClock;
    use crate::store::record_life::Moment;
    use crate::store::record_life::NoticeRecord;
    use crate::store::record_life::Suspension;
    use crate::store::record_life::Warning;
    use crate::store::record_queue::Purpose;
    use crate::store::record_queue::QueueRecord;
    use crate::store::record_queue::QueuedRecipient;
    use crate::store::sample;
    use proptest::prelude::any;
    use proptest::proptest;

    #[test]
    fn a_number_is_never_given_to_another_field() {
        let flags = Flags { seen: true, draft: true, keywords: vec!["a".into()], ..Flags::default() };
        let hex = |bytes: Vec<u8>| data_encoding::HEXLOWER.encode(&bytes);
        assert_eq!(hex(write(&flags).unwrap()), "0186f5f4f4f4f5816161");
        assert_eq!(hex(write(&Header { layout: 1 }).unwrap()), "018101");
        assert_eq!(hex(write(&Number(300)).unwrap()), "0119012c");
        assert_eq!(hex(write(&Time(-1)).unwrap()), "0120");
        assert_eq!(hex(write(&Body::Inline(vec![7])).unwrap()), "018200814107");
        let file = hex(write(&sample::nowhere(1)).unwrap());
        let (id, digest) = ("01".repeat(16), "01".repeat(32));
        assert_eq!(file, format!("0182018350{id}0a5820{digest}"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let NewQueued { record, recipients, .. } =
            sample::queued(1, sample::nowhere(1), Purpose::Invitation(sample::mailbox(2)), &[-5]);
        assert_eq!(read::<QueueRecord>(&write(&record).unwrap()).unwrap(), record);
        assert_eq!(read::<QueuedRecipient>(&write(&recipients[0]).unwrap()).unwrap(), recipients[0]);
        let message = sample::delivery(1, 2).record;
        assert_eq!(read::<MessageRecord>(&write(&message).unwrap()).unwrap(), message);
    }

    #[test]
    fn the_life_of_a_mailbox_reads_back() {
        let moment = Moment { at: Time(-3), ran: u64::MAX };
        let whole = MailboxRecord {
            state: MailboxState::Closed,
            closed: Some(moment),
            superseded: Some(Time(1)),
            supersedes: Some(Time(2)),
            unreachable: Some(moment),
            warnings: vec![Warning { days: 14, queue: sample::queue(3), settled: Some(9) }],
            asked_new: vec![Asked { account: sample::mailbox(4), at: Time(5) }],
            notices: Some(sample::notice(6)),
            networks: Some(vec![KnownNetwork { tag: [7; 16], last: Time(11) }]),
            ..mailbox()
        };
        assert_eq!(read::<MailboxRecord>(&write(&whole).unwrap()).unwrap(), whole);
        let suspended = Some(Suspension { at: Time(7), why: ClockTrouble::Jump, by: 8 });
        let clock = LifeClock { wall: Time(9), ran: 10, suspended, told: true };
        assert_eq!(read::<LifeClock>(&write(&clock).unwrap()).unwrap(), clock);
        let warning = sample::queued(1, sample::nowhere(1), Purpose::Warning(sample::mailbox(2), 14), &[1]);
        assert_eq!(read::<QueueRecord>(&write(&warning.record).unwrap()).unwrap(), warning.record);
    }

    #[test]
    fn a_mailbox_that_was_written_before_it_had_a_later_life_reads() {
        let bytes = write(&mailbox()).unwrap();
        let fields = Decoder::new(&bytes[1..]).array().unwrap().unwrap();
        assert!((15..24).contains(&fields), "{fields}: its number is one octet");
        let mut decoder = Decoder::new(&bytes[2..]);
        (0..15).for_each(|_| decoder.skip().unwrap());
        let before = [&[FORMAT, 0x8f][..], &bytes[2..2 + decoder.position()]].concat();
        assert!(before.len() < bytes.len());
        assert_eq!(read::<MailboxRecord>(&before).unwrap(), mailbox());
    }

    /// A temporary mailbox as it begins.
    fn mailbox() -> MailboxRecord {
        match sample::temporary(2, 1) {
            Command::CreateMailbox(new) => new.record(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_recipient_that_was_queued_before_a_pass_was_noted_reads() {
        let NewQueued { mut recipients, .. } = sample::queued(2, sample::nowhere(1), Purpose::Mail, &[1]);
        let before = recipients.remove(0);
        let bytes = write(&before).unwrap();
        assert_eq!(bytes[1], 0x8b, "eleven fields, as there were");
        assert_eq!(read::<QueuedRecipient>(&bytes).unwrap(), before);
        let passed = QueuedRecipient { passed: Some(true), ..before };
        assert_eq!(read::<QueuedRecipient>(&write(&passed).unwrap()).unwrap(), passed);
    }

    #[test]
    fn what_was_shut_before_its_running_time_was_noted_goes_by_the_date() {
        let noted = ShutGeneration {
            since: Time(1),
            until: Time(5),
            keys: vec![sample::print(1)],
            slots: Vec::new(),
            former_keys: vec![sample::former_key(2, 3)],
            ran: Some(7),
        };
        assert_eq!(read::<ShutGeneration>(&write(&noted).unwrap()).unwrap(), noted);
        let before = ShutGeneration { ran: None, ..noted.clone() };
        let bytes = write(&before).unwrap();
        assert_eq!(bytes[1], 0x85, "five fields, as there were");
        assert_eq!(read::<ShutGeneration>(&bytes).unwrap(), before);
        let moment = Moment { at: Time(6), ran: 0 };
        assert!(before.is_before(moment) && !noted.is_before(moment));
    }

    #[test]
    fn the_largest_record_of_a_mailbox_fits_into_a_value() {
        let full = MailboxRecord {
            correspondents: (0..100).map(sample::mailbox).collect(),
            asked_new: (0..100).map(|n| Asked { account: sample::mailbox(n), at: Time(i64::MAX) }).collect(),
            warnings: vec![Warning { days: 365, queue: sample::queue(3), settled: Some(u64::MAX) }; 2],
            notices: Some(NoticeRecord {
                senders: (0..100).map(sample::mailbox).collect(),
                ..sample::notice(6)
            }),
            networks: Some(vec![KnownNetwork { tag: [0xff; 16], last: Time(i64::MAX) }; KnownNetwork::MOST]),
            ..mailbox()
        };
        assert!(write(&full).unwrap().len() < 12 << 10);
    }

    #[test]
    fn the_largest_record_of_refused_attempts_fits_into_a_value() {
        let attempt = RefusedAttempt {
            sender: "s".repeat(200),
            host: "h".repeat(200),
            first: Time(i64::MAX),
            last: Time(i64::MAX),
            count: u64::MAX,
        };
        let full = RefusedRecord {
            told: Some(Time(i64::MAX)),
            since: Some(Time(i64::MAX)),
            attempts: vec![attempt; RefusedRecord::MOST],
            more: u64::MAX,
        };
        let bytes = write(&full).unwrap();
        assert!(bytes.len() < 12 << 10, "{}", bytes.len());
        assert_eq!(read::<RefusedRecord>(&bytes).unwrap(), full);
    }

    #[test]
    fn newer_formats_and_rests_are_refused() {
        let mut bytes = write(&Number(5)).unwrap();
        bytes.push(0);
        assert!(matches!(read::<Number>(&bytes), Err(StoreError::Damaged { .. })));
        assert!(matches!(read::<Number>(&[]), Err(StoreError::Damaged { .. })));
        assert!(matches!(read::<Number>(&[2, 5]), Err(StoreError::Format { found: 2, known: 1 })));
    }

    proptest! {
        #[test]
        fn junk_never_panics(mut junk in proptest::collection::vec(any::<u8>(), 1..200)) {
            junk[0] = FORMAT;
            let _ = read::<MailboxRecord>(&junk);
            let _ = read::<MessageRecord>(&junk);
            let _ = read::<InvitationRecord>(&junk);
            let _ = read::<FolderRecord>(&junk);
            let _ = read::<QueueRecord>(&junk);
            let _ = read::<QueuedRecipient>(&junk);
            let _ = read::<SigningRow>(&junk);
            let _ = read::<KeyRow>(&junk);
            let _ = read::<LifeClock>(&junk);
            let _ = read::<Dropped>(&junk);
            let _ = read::<RefusedRecord>(&junk);
        }
    }
}
