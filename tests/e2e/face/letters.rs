//! What Anna writes: the messages that the walk reads, in both languages.

use guardpost::base::language::Language;

/// One message: its subject, and its body with the header fields of its own.
pub struct Letter {
    /// Decoded.
    pub subject: &'static str,
    /// From `Content-Type` on.
    pub body: String,
}

/// Formatted, with two files, a picture in it, and one on another server that stays away.
pub fn formatted(language: Language) -> Letter {
    let (subject, html, file) = match language {
        Language::En => (
            "Purchase contract, Lindenstrasse 12",
            "<p>Dear Max,</p><p>thank you for your visit. Please find the <b>contract</b> and the floor plan enclosed. \
             These are the figures we agreed on:</p><table border=\"1\"><caption>Figures</caption>\
             <tr><th scope=\"col\">What</th><th scope=\"col\">Amount</th></tr>\
             <tr><td>Price</td><td>412,000 EUR</td></tr><tr><td>Notary</td><td>6,180 EUR</td></tr></table>\
             <p>If anything is unclear, answer here: your answer is encrypted, too. The register is at \
             <a href=\"https://register.example/lindenstrasse\">the public register</a>.</p>\
             <p>Kind regards<br>Anna Weber</p>",
            "Contract Lindenstrasse 12.pdf",
        ),
        Language::De => (
            "Kaufvertrag, Lindenstraße 12",
            "<p>Guten Tag Herr Berger,</p><p>vielen Dank für Ihren Besuch. Anbei finden Sie den <b>Vertrag</b> und den \
             Grundriss. Diese Zahlen haben wir vereinbart:</p><table border=\"1\"><caption>Zahlen\
             </caption><tr><th scope=\"col\">Was</th><th scope=\"col\">Betrag</th></tr>\
             <tr><td>Kaufpreis</td><td>412.000 EUR</td></tr><tr><td>Notar</td><td>6.180 EUR</td></tr></table>\
             <p>Wenn etwas unklar ist, antworten Sie hier: auch Ihre Antwort wird verschlüsselt. Das Grundbuch steht im \
             <a href=\"https://register.example/lindenstrasse\">öffentlichen Register</a>.</p>\
             <p>Mit freundlichen Grüßen<br>Anna Weber</p>",
            "Kaufvertrag Lindenstraße 12.pdf",
        ),
    };
    let lang = language.tag();
    let name = percent(file);
    let body = format!(
        "Content-Type: multipart/mixed; boundary=\"mix\"\r\n\r\n--mix\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n<!doctype html><html lang=\"{lang}\"><body>{html}\
         <img src=\"https://counter.example/seen.gif\" alt=\"\"></body></html>\r\n\
         --mix\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename*=utf-8''{name}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n\
         --mix\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"plan.png\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{PIXEL}\r\n--mix--\r\n",
        wrapped(&data_encoding::BASE64.encode(&vec![b'%'; 48_000]))
    );
    Letter { subject, body }
}

/// Plain text, with an address of the web in it.
pub fn plain(language: Language) -> Letter {
    let (subject, text) = match language {
        Language::En => (
            "Appointment at the notary",
            "Dear Max,\r\n\r\nthe notary has time for us on 3 December at 10:15. The address:\r\n\r\n  Notary Dr. Hahn\r\n  \
             Marktplatz 4\r\n\r\nHow to get there: https://notary-hahn.example/way?from=station&by=tram\r\n\r\n\
             Please bring your identity card.\r\n\r\nAnna Weber",
        ),
        Language::De => (
            "Termin beim Notar",
            "Guten Tag Herr Berger,\r\n\r\nder Notar hat am 3. Dezember um 10:15 Uhr für uns Zeit. Die Adresse:\r\n\r\n  Notar \
             Dr. Hahn\r\n  Marktplatz 4\r\n\r\nSo kommen Sie hin: https://notar-hahn.example/weg?von=bahnhof&mit=tram\r\n\r\n\
             Bitte bringen Sie Ihren Ausweis mit.\r\n\r\nAnna Weber",
        ),
    };
    Letter { subject, body: text_body(text) }
}

/// A text as a body.
pub fn text_body(text: &str) -> String {
    format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n")
}

/// HTML as a body.
pub fn html_body(html: &str) -> String {
    let html = data_encoding::BASE64.encode(html.as_bytes());
    format!(
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        wrapped(&html)
    )
}

/// Text in base64, so that no line is too long.
pub fn long_text_body(text: &str) -> String {
    let text = data_encoding::BASE64.encode(text.as_bytes());
    format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        wrapped(&text)
    )
}

/// RFC 2045 §6.8: lines of 76.
fn wrapped(base64: &str) -> String {
    let lines = base64.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
    lines.collect::<Vec<_>>().join("\r\n")
}

fn percent(text: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || byte == b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
