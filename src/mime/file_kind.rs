//! What a file is, by its name and what its sender calls it: in a word, and whether opening it can do harm.

/// What people would call it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A PDF.
    Pdf,
    /// Words on pages.
    Document,
    /// A table that calculates.
    Spreadsheet,
    /// Slides.
    Presentation,
    /// Bare text.
    Text,
    /// A picture.
    Picture,
    /// A sound.
    Sound,
    /// A film.
    Video,
    /// Files in a file.
    Archive,
    /// Dates for a calendar.
    Calendar,
    /// An address card.
    Contact,
    /// A mail.
    Message,
    /// A key or certificate.
    Key,
    /// A signature of another file or of the message.
    Signature,
    /// Something that a browser shows and runs.
    WebPage,
    /// An office document that can hold programs.
    Macros,
    /// A disk in a file: what lies on it passes by the marks of the system.
    DiskImage,
    /// Something that runs when it is opened.
    Program,
    /// None of them.
    Other,
}

impl FileKind {
    /// By the last ending of `name`; without a known one by `kind/subtype`. Danger goes by the name alone, as it does when
    /// the file is opened.
    pub fn of(name: &str, kind: &str, subtype: &str) -> Self {
        let ending = ending(name).to_ascii_lowercase();
        let known = ENDINGS.iter().find(|(_, endings)| endings.contains(&ending.as_str()));
        known.map_or_else(|| Self::of_type(kind, subtype), |(kind, _)| *kind)
    }

    fn of_type(kind: &str, subtype: &str) -> Self {
        match (kind, subtype) {
            ("application", "pdf") => Self::Pdf,
            ("application", "pgp-keys") => Self::Key,
            ("application", "pgp-signature" | "pkcs7-signature" | "x-pkcs7-signature") => Self::Signature,
            ("application", "zip") => Self::Archive,
            ("text", "html") => Self::WebPage,
            ("text", "calendar") => Self::Calendar,
            ("text", "vcard" | "x-vcard") => Self::Contact,
            ("text", _) => Self::Text,
            ("image", _) => Self::Picture,
            ("audio", _) => Self::Sound,
            ("video", _) => Self::Video,
            ("message", "rfc822" | "global") => Self::Message,
            _ => Self::Other,
        }
    }

    /// What to say of opening it, as the id of a text; `None` where nothing speaks against it.
    pub const fn danger(self) -> Option<&'static str> {
        match self {
            Self::Program => Some("file-danger-program"),
            Self::Macros => Some("file-danger-macros"),
            Self::DiskImage => Some("file-danger-disk"),
            Self::WebPage => Some("file-danger-page"),
            Self::Pdf
            | Self::Document
            | Self::Spreadsheet
            | Self::Presentation
            | Self::Text
            | Self::Picture
            | Self::Sound
            | Self::Video
            | Self::Archive
            | Self::Calendar
            | Self::Contact
            | Self::Message
            | Self::Key
            | Self::Signature
            | Self::Other => None,
        }
    }

    /// Its word, as the id of a text.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pdf => "file-pdf",
            Self::Document => "file-document",
            Self::Spreadsheet => "file-spreadsheet",
            Self::Presentation => "file-presentation",
            Self::Text => "file-text",
            Self::Picture => "file-picture",
            Self::Sound => "file-sound",
            Self::Video => "file-video",
            Self::Archive => "file-archive",
            Self::Calendar => "file-calendar",
            Self::Contact => "file-contact",
            Self::Message => "file-message",
            Self::Key => "file-key",
            Self::Signature => "file-signature",
            Self::WebPage => "file-page",
            Self::Macros => "file-macros",
            Self::DiskImage => "file-disk",
            Self::Program => "file-program",
            Self::Other => "file-other",
        }
    }
}

/// What stands behind the last dot of a name; empty without one, or where it is no ending (`v1.2 final`).
pub fn ending(name: &str) -> &str {
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or("", |(_, ending)| ending);
    let fits = ending.len() <= 12 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { ending } else { "" }
}

/// Whether a dangerous file passes for another by an ending in front of its own: `invoice.pdf.exe`.
pub fn is_disguised(name: &str) -> bool {
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    let inner = FileKind::of(stem.trim_end(), "", "");
    FileKind::of(name, "", "").danger().is_some() && inner != FileKind::Other && inner.danger().is_none()
}

const ENDINGS: &[(FileKind, &[&str])] = &[
    (FileKind::Pdf, &["pdf"]),
    (FileKind::Document, &["doc", "docx", "odt", "rtf", "pages", "epub", "wpd", "dotx", "xps"]),
    (FileKind::Spreadsheet, &["xls", "xlsx", "ods", "csv", "tsv", "numbers"]),
    (FileKind::Presentation, &["ppt", "pptx", "odp", "pps", "ppsx", "key"]),
    (FileKind::Text, &["txt", "md", "log", "json", "xml", "yaml", "toml", "ini"]),
    (
        FileKind::Picture,
        &[
            "png", "jpg", "jpeg", "gif", "webp", "avif", "heic", "heif", "bmp", "tif", "tiff", "ico", "psd",
            "odg",
        ],
    ),
    (FileKind::Sound, &["mp3", "m4a", "wav", "ogg", "oga", "opus", "flac", "aac", "wma", "mid"]),
    (FileKind::Video, &["mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg", "wmv", "ogv"]),
    (FileKind::Archive, &["zip", "7z", "rar", "tar", "gz", "tgz", "bz2", "xz", "zst", "cab", "arj", "lzh"]),
    (FileKind::Calendar, &["ics", "ical", "vcs"]),
    (FileKind::Contact, &["vcf", "vcard"]),
    (FileKind::Message, &["eml", "msg", "mbox"]),
    (FileKind::Key, &["asc", "gpg", "pgp", "pem", "crt", "cer", "der", "p12", "pfx", "pub"]),
    (FileKind::Signature, &["sig", "p7s", "p7m"]),
    (FileKind::WebPage, &["html", "htm", "xhtml", "xht", "shtml", "mht", "mhtml", "svg", "svgz", "swf"]),
    (
        FileKind::Macros,
        &[
            "docm", "dotm", "xlsm", "xltm", "xlsb", "xlam", "xll", "pptm", "potm", "ppam", "ppsm", "sldm",
            "one", "iqy", "slk",
        ],
    ),
    (FileKind::DiskImage, &["iso", "img", "vhd", "vhdx", "dmg", "udf", "toast"]),
    (
        FileKind::Program,
        &[
            "exe",
            "com",
            "scr",
            "pif",
            "bat",
            "cmd",
            "msi",
            "msp",
            "mst",
            "msix",
            "appx",
            "appinstaller",
            "cpl",
            "dll",
            "sys",
            "drv",
            "ocx",
            "js",
            "jse",
            "mjs",
            "vbs",
            "vbe",
            "vb",
            "wsf",
            "wsh",
            "wsc",
            "ws",
            "sct",
            "hta",
            "ps1",
            "ps1xml",
            "psm1",
            "psd1",
            "lnk",
            "url",
            "website",
            "library",
            "scf",
            "inf",
            "reg",
            "chm",
            "hlp",
            "msc",
            "job",
            "gadget",
            "settingcontent",
            "application",
            "jar",
            "jnlp",
            "class",
            "sh",
            "bash",
            "zsh",
            "csh",
            "run",
            "bin",
            "elf",
            "appimage",
            "desktop",
            "deb",
            "rpm",
            "flatpak",
            "snap",
            "py",
            "pyc",
            "pyw",
            "pl",
            "rb",
            "php",
            "app",
            "command",
            "workflow",
            "scpt",
            "applescript",
            "action",
            "pkg",
            "mpkg",
            "terminal",
            "apk",
            "aab",
            "ipa",
            "mobileconfig",
            "ade",
            "adp",
            "mdb",
            "accdb",
            "mde",
            "accde",
            "mad",
            "maf",
            "rdp",
            "theme",
            "themepack",
            "search",
            "diagcab",
            "xbap",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds() {
        for (name, kind, want) in [
            ("Contract.PDF", "application/octet-stream", FileKind::Pdf),
            ("a.odt", "", FileKind::Document),
            ("picture", "image/png", FileKind::Picture),
            ("picture.exe", "image/png", FileKind::Program),
            ("invoice.pdf.exe", "application/pdf", FileKind::Program),
            ("page.svg", "image/svg+xml", FileKind::WebPage),
            ("x.docm", "", FileKind::Macros),
            ("x.iso", "", FileKind::DiskImage),
            ("message-3.eml", "message/rfc822", FileKind::Message),
            ("notes", "text/plain", FileKind::Text),
            ("v1.2 final", "", FileKind::Other),
            (".bashrc", "", FileKind::Other),
            ("", "", FileKind::Other),
        ] {
            let (kind, subtype) = kind.split_once('/').unwrap_or_default();
            assert_eq!(FileKind::of(name, kind, subtype), want, "{name}");
        }
    }

    #[test]
    fn disguises() {
        for (name, want) in [
            ("invoice.pdf.exe", true),
            ("invoice.pdf .exe", true),
            ("photo.JPG.scr", true),
            ("setup.exe", false),
            ("archive.tar.gz", false),
            ("page.html", false),
            ("report.2026.js", false),
            ("plain", false),
        ] {
            assert_eq!(is_disguised(name), want, "{name}");
        }
    }

    #[test]
    fn an_ending_stands_once() {
        let mut all: Vec<_> = ENDINGS.iter().flat_map(|(_, endings)| *endings).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    proptest! {
        #[test]
        fn any_name(name in any::<String>()) {
            prop_assert!(ending(&name).len() <= 12);
            let _ = (FileKind::of(&name, "", ""), is_disguised(&name));
        }
    }
}
