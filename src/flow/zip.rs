//! A zip file as it is written from its beginning to its end (PKWARE APPNOTE 6.3.10): stored, never compressed.
//!
//! Name, size and CRC-32 of a file are known before its first octet is written. So there are no data descriptors,
//! which some programs refuse, and how long the whole will be is known before it begins. Zip64 where something is
//! too large for the fields of 1989, and nowhere else.

use crate::base::time::Time;

/// What was written so far: where it is, and what the directory at the end must say.
#[derive(Debug, Default)]
pub struct Zip {
    at: u64,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: String,
    size: u64,
    crc: u32,
    modified: (u16, u16),
    offset: u64,
}

impl Zip {
    /// Begins a file: the octets to be written in front of its `size` octets.
    pub fn begin(&mut self, name: &str, size: u64, crc: u32, modified: Time) -> Vec<u8> {
        let (time, date) = dos(modified);
        let large = size >= TOO_LARGE;
        let mut out = Vec::with_capacity(30 + name.len() + 20);
        put32(&mut out, 0x0403_4b50);
        put16(&mut out, if large { ZIP64 } else { PLAIN });
        put16(&mut out, UTF8);
        put16(&mut out, STORED);
        put16(&mut out, time);
        put16(&mut out, date);
        put32(&mut out, crc);
        put32(&mut out, short(size));
        put32(&mut out, short(size));
        put16(&mut out, length16(name.len()));
        put16(&mut out, if large { 20 } else { 0 });
        out.extend_from_slice(name.as_bytes());
        if large {
            put16(&mut out, 1);
            put16(&mut out, 16);
            put64(&mut out, size);
            put64(&mut out, size);
        }
        self.files.push(File { name: name.to_owned(), size, crc, modified: (time, date), offset: self.at });
        self.at += out.len() as u64 + size;
        out
    }

    /// The directory, which ends the whole.
    pub fn finish(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for file in &self.files {
            file.write(&mut out);
        }
        let (size, count) = (out.len() as u64, self.files.len() as u64);
        if size >= TOO_LARGE || self.at >= TOO_LARGE || count >= TOO_MANY {
            let end = self.at + size;
            put32(&mut out, 0x0606_4b50);
            put64(&mut out, 44);
            put16(&mut out, UNIX | ZIP64);
            put16(&mut out, ZIP64);
            put64(&mut out, 0);
            put64(&mut out, count);
            put64(&mut out, count);
            put64(&mut out, size);
            put64(&mut out, self.at);
            put32(&mut out, 0x0706_4b50);
            put32(&mut out, 0);
            put64(&mut out, end);
            put32(&mut out, 1);
        }
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        put32(&mut out, 0x0605_4b50);
        put32(&mut out, 0);
        put16(&mut out, count);
        put16(&mut out, count);
        put32(&mut out, short(size));
        put32(&mut out, short(self.at));
        put16(&mut out, 0);
        out
    }

    /// Where the next octet goes.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// How long the whole is when one more file of this name and size comes and nothing behind it.
    pub fn length_with(&mut self, name: &str, size: u64) -> u64 {
        let at = self.at;
        self.begin(name, size, 0, Time(0));
        let length = self.at + self.finish().len() as u64;
        self.at = at;
        self.files.pop();
        length
    }

    /// The size of a last file of this name with which the whole is exactly `length` long, if there is one.
    pub fn size_for(&mut self, name: &str, length: u64) -> Option<u64> {
        let most = length.checked_sub(self.length_with(name, 0))?;
        // With its size the file's own fields may become long ones, and the end of the directory.
        let sizes = [0, LONG_END, LONG_FIELDS, LONG_END + LONG_FIELDS].map(|longer| most.checked_sub(longer));
        sizes.into_iter().flatten().find(|size| self.length_with(name, *size) == length)
    }
}

impl File {
    fn write(&self, out: &mut Vec<u8>) {
        let (large, far) = (self.size >= TOO_LARGE, self.offset >= TOO_LARGE);
        let more: u16 = if large { 16 } else { 0 } + if far { 8 } else { 0 };
        put32(out, 0x0201_4b50);
        put16(out, UNIX | if more > 0 { ZIP64 } else { PLAIN });
        put16(out, if more > 0 { ZIP64 } else { PLAIN });
        put16(out, UTF8);
        put16(out, STORED);
        put16(out, self.modified.0);
        put16(out, self.modified.1);
        put32(out, self.crc);
        put32(out, short(self.size));
        put32(out, short(self.size));
        put16(out, length16(self.name.len()));
        put16(out, if more > 0 { more + 4 } else { 0 });
        put16(out, 0);
        put16(out, 0);
        put16(out, 0);
        put32(out, OWNER_ONLY);
        put32(out, short(self.offset));
        out.extend_from_slice(self.name.as_bytes());
        if more > 0 {
            put16(out, 1);
            put16(out, more);
        }
        if large {
            put64(out, self.size);
            put64(out, self.size);
        }
        if far {
            put64(out, self.offset);
        }
    }
}

/// What Zip64 adds to a large file, and to the end of the directory, octets.
const LONG_FIELDS: u64 = 20 + 20;
const LONG_END: u64 = 56 + 20;
/// APPNOTE 4.4.3.2: version 2.0, and 4.5 for Zip64.
const PLAIN: u16 = 20;
const ZIP64: u16 = 45;
/// APPNOTE 4.4.2.2: made on a Unix, whose modes stand in the attributes.
const UNIX: u16 = 3 << 8;
/// An ordinary file of its owner's.
const OWNER_ONLY: u32 = 0o100_600 << 16;
/// APPNOTE 4.4.4, bit 11: names are UTF-8.
const UTF8: u16 = 1 << 11;
/// APPNOTE 4.4.5.
const STORED: u16 = 0;
/// APPNOTE 4.4.8: from here on the true value stands in a Zip64 field.
const TOO_LARGE: u64 = 0xffff_ffff;
const TOO_MANY: u64 = 0xffff;

fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn length16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// APPNOTE 4.4.6: time and date as MS-DOS has them, in UTC, every two seconds, 1980 to 2107.
fn dos(time: Time) -> (u16, u16) {
    let moment = time.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    let two = |value: i8| u16::try_from(value).unwrap_or(0);
    match u16::try_from(moment.year() - 1980) {
        Ok(year @ 0..=127) => (
            two(moment.hour()) << 11 | two(moment.minute()) << 5 | (two(moment.second()) / 2),
            year << 9 | two(moment.month()) << 5 | two(moment.day()),
        ),
        _ => (0, 1 << 5 | 1),
    }
}

/// CRC-32 of ISO 3309, as zip wants it.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32 {
    /// Takes more octets in.
    pub fn update(&mut self, octets: &[u8]) {
        for octet in octets {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = self.0 >> 8 ^ TABLE[usize::from(low ^ octet)];
        }
    }

    /// Of everything so far.
    pub const fn value(self) -> u32 {
        !self.0
    }
}

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File as DiskFile;
    use std::io::Seek;
    use std::io::SeekFrom;
    use std::io::Write;
    use std::path::Path;
    use std::process::Command;

    const WHEN: Time = Time(1_795_338_720);

    fn crc(octets: &[u8]) -> u32 {
        let mut crc = Crc32::default();
        crc.update(octets);
        crc.value()
    }

    /// Both judges: Info-ZIP tests it, Python reads it; what Python prints.
    fn judged(path: &Path, program: &str) -> String {
        let tested = Command::new("unzip").arg("-tq").arg(path).output().expect("unzip is installed");
        let said = String::from_utf8_lossy(&[tested.stdout, tested.stderr].concat()).into_owned();
        assert!(tested.status.success() && !said.contains("warning"), "{said}");
        let python =
            Command::new("python3").arg("-c").arg(program).arg(path).output().expect("python3 is installed");
        assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
        String::from_utf8(python.stdout).unwrap()
    }

    #[test]
    fn the_check_sum_is_the_usual_one() {
        assert_eq!(crc(b""), 0);
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        let mut parts = Crc32::default();
        parts.update(b"1234");
        parts.update(b"56789");
        assert_eq!(parts.value(), 0xcbf4_3926);
    }

    #[test]
    fn names_times_and_contents_come_out_as_they_went_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.zip");
        let mut zip = Zip::default();
        let mut out = Vec::new();
        for (name, content) in [("INBOX/Grüße.eml", "One\r\n"), ("Sent/empty.eml", ""), ("x.txt", "three")]
        {
            out.extend(zip.begin(name, content.len() as u64, crc(content.as_bytes()), WHEN));
            out.extend(content.bytes());
        }
        out.extend(zip.finish());
        std::fs::write(&path, &out).unwrap();
        let said = judged(
            &path,
            "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
             for i in z.infolist(): print(i.filename,i.date_time,i.compress_type,z.read(i))",
        );
        assert_eq!(
            said,
            "INBOX/Grüße.eml (2026, 11, 22, 9, 12, 0) 0 b'One\\r\\n'\n\
             Sent/empty.eml (2026, 11, 22, 9, 12, 0) 0 b''\nx.txt (2026, 11, 22, 9, 12, 0) 0 b'three'\n"
        );
    }

    #[test]
    fn more_files_than_two_octets_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("many.zip");
        let mut zip = Zip::default();
        let mut out = Vec::new();
        for number in 0..70_000 {
            out.extend(zip.begin(&format!("{number}"), 1, crc(b"x"), WHEN));
            out.push(b'x');
        }
        out.extend(zip.finish());
        std::fs::write(&path, &out).unwrap();
        let said =
            judged(&path, "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint(len(z.infolist()))");
        assert_eq!(said, "70000\n");
    }

    #[test]
    fn files_and_places_beyond_four_gigabytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large.zip");
        let mut file = DiskFile::create(&path).unwrap();
        let mut zip = Zip::default();
        // 5 GiB of zeros that take no room; their check sum is a known one.
        let (large, zeros) = (5 << 30, 0x1938_38c3);
        file.write_all(&zip.begin("large", large, zeros, WHEN)).unwrap();
        file.seek(SeekFrom::Current(large as i64)).unwrap();
        assert_eq!(file.stream_position().unwrap(), zip.at());
        file.write_all(&zip.begin("behind it", 5, crc(b"words"), WHEN)).unwrap();
        file.write_all(b"words").unwrap();
        let expected = zip.at() + zip.finish().len() as u64;
        file.write_all(&zip.finish()).unwrap();
        assert_eq!(file.stream_position().unwrap(), expected);
        let python = Command::new("python3")
            .args(["-c", "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint(z.getinfo('large').file_size, z.read('behind it'))"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&python.stdout), format!("{large} b'words'\n"), "{python:?}");
        let listed = Command::new("unzip").arg("-tq").arg(&path).arg("behind it").output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stdout));
    }

    #[test]
    fn the_last_file_fills_it_up() {
        let small = || {
            let mut zip = Zip::default();
            zip.begin("one", 10, 0, WHEN);
            zip
        };
        for size in [0, 1, 1_000, TOO_LARGE - 1, TOO_LARGE, TOO_LARGE + 1, 1 << 40] {
            let length = small().length_with("last", size);
            assert_eq!(small().size_for("last", length), Some(size), "{size}");
        }
        assert_eq!(small().size_for("last", 20), None, "too short for what is there");
        let mut zip = small();
        let length = zip.length_with("last", 77);
        zip.begin("last", 77, 0, WHEN);
        assert_eq!(zip.at() + zip.finish().len() as u64, length);
    }

    #[test]
    fn odd_times_are_times() {
        for time in [Time(i64::MIN), Time(0), Time(-1), Time(i64::MAX), Time(4_354_819_199)] {
            let (_, date) = dos(time);
            assert!(date & 31 >= 1 && date >> 5 & 15 >= 1, "{time:?}");
        }
        assert_eq!(dos(Time(0)), (0, 33));
    }
}
