//! Files out of a message, and the message itself as a file: always saved, never shown.

use crate::flow::reading::Plain;
use crate::mime::display;
use crate::mime::part::Content;
use crate::mime::structure::Shape;
use crate::serve::portal::Portal;
use crate::serve::portal::Signed;
use crate::serve::portal::Visit;
use crate::serve::portal::page::Answer;
use crate::serve::portal::page::content;
use crate::serve::portal::trouble::Trouble;
use crate::serve::portal::view;
use crate::threads;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::header;
use bytes::Bytes;
use futures_util::stream;
use std::io::Read;

/// `GET /mailbox/<folder>/<uid>/attachment/<n>`.
pub async fn show(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let number = visit.parts.get(2).and_then(|text| text.parse::<usize>().ok()).ok_or(Trouble::NotFound)?;
    let (_, message) = view::open(portal, &mut visit, &signed).await?;
    let part = message.structure.part(number).filter(|part| part.shape != Shape::Multipart);
    let part = part.ok_or(Trouble::NotFound)?.clone();
    let name = view::file(&message, number, &part).name;
    let reader = Content::open(message.spool.reader(), &part).map_err(|_| UNREADABLE)?;
    saved(&name, None, reader)
}

/// `GET /mailbox/<folder>/<uid>/raw`: the whole message, byte for byte.
pub async fn raw(portal: &Portal, mut visit: Visit, signed: Signed) -> Answer {
    let (_, message) = view::open(portal, &mut visit, &signed).await?;
    let (message, name) = view::blocking(message, |message| Ok(name(message))).await?;
    saved(&name, Some(message.spool.length()), message.spool.reader())
}

fn name(message: &Plain) -> String {
    let view = view::view(message, view::Need::Outline).unwrap_or_default();
    let subject = if view.subject.is_empty() { "message".to_owned() } else { view.subject };
    let parts = |c| display::is_separator(c) || ":.".contains(c);
    let stem: String = subject.chars().map(|c| if parts(c) { '-' } else { c }).take(60).collect();
    display::file_name(&format!("{}.eml", stem.trim()))
}

const UNREADABLE: Trouble = Trouble::Internal("a file could not be read from its spool");

/// A download that is read as fast as it is taken.
fn saved(name: &str, length: Option<u64>, reader: impl Read + Send + 'static) -> Answer {
    let mut answer: Response<Body> = content(StatusCode::OK, "application/octet-stream", streamed(reader));
    call(&mut answer, name)?;
    if let Some(length) = length {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(answer)
}

/// Makes an answer a file to be saved under a name.
pub fn call(answer: &mut Response<Body>, name: &str) -> Result<(), Trouble> {
    let disposition = HeaderValue::from_str(&disposition(name)).map_err(|_| UNREADABLE)?;
    answer.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    Ok(())
}

/// Read piece by piece, as fast as it is taken: whoever takes nothing holds no thread.
pub fn streamed(reader: impl Read + Send + 'static) -> Body {
    Body::from_stream(stream::unfold(Some(reader), |reader| async {
        match threads::piece(reader?, PIECE).await {
            Ok((piece, _)) if piece.is_empty() => None,
            Ok((piece, reader)) => Some((Ok(Bytes::from(piece)), Some(reader))),
            Err(why) => Some((Err(why), None)),
        }
    }))
}

/// Read at once, octets.
const PIECE: usize = 64 << 10;

/// The value of `Content-Disposition` for a download (RFC 6266 §4.1, RFC 8187 §3.2).
fn disposition(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || " .-_()".contains(c) { c } else { '_' })
        .collect();
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use proptest::prelude::*;
    use std::io;

    #[test]
    fn dispositions_are_one_safe_line() {
        assert_eq!(
            disposition("Müll \"x\".pdf"),
            "attachment; filename=\"M_ll _x_.pdf\"; filename*=UTF-8''M%C3%BCll%20%22x%22.pdf"
        );
    }

    #[test]
    fn a_download_that_nobody_takes_holds_no_thread() {
        let threads = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        threads.block_on(async {
            let mut waiting = streamed(io::repeat(7).take(9 << 20)).into_data_stream();
            assert_eq!(waiting.next().await.unwrap().unwrap().len(), PIECE);
            let mut other = streamed(io::repeat(8).take(1)).into_data_stream();
            assert_eq!(other.next().await.unwrap().unwrap(), [8].as_slice());
            assert!(other.next().await.is_none());
            let mut rest = 0;
            while let Some(piece) = waiting.next().await {
                rest += piece.unwrap().len();
            }
            assert_eq!(rest, (9 << 20) - PIECE);
        });
    }

    proptest! {
        #[test]
        fn whatever_the_name(name in any::<String>()) {
            let line = disposition(&display::file_name(&name));
            prop_assert!(HeaderValue::from_str(&line).is_ok());
            prop_assert_eq!(line.matches('"').count(), 2);
        }
    }
}
