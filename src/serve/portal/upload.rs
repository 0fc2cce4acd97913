//! An answer as a form brings it: fields, and files that go straight into spools.

use crate::flow::reply::Attachment;
use crate::mime::display;
use crate::serve::portal::form::BadBody;
use crate::serve::portal::form::Form;
use crate::serve::portal::form::Paced;
use crate::serve::portal::trouble::Trouble;
use crate::store::spool::Spool;
use crate::store::spool::SpoolDir;
use crate::threads;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::extract::FromRequest;
use axum::extract::Multipart;
use axum::extract::multipart::Field;
use axum::http::Request;
use axum::http::header;
use axum::http::request::Parts;
use bytes::Bytes;
use futures_util::stream;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// What was sent.
#[derive(Default)]
pub struct Upload {
    /// Its fields.
    pub fields: Form,
    /// Its files.
    pub files: Vec<Attachment>,
    /// The first file with which all became too large: its name. No file was kept then.
    pub too_large: Option<String>,
}

/// Files of one answer.
const FILES: usize = 100;
/// An answer that is too large is still read to its end up to this many octets, so that its reason can be said.
pub const DRAINED: u64 = 128 << 20;
/// Octets of all fields of one form that are not files.
const FIELDS: usize = 128 << 10;
/// A form with what was typed and no files, octets.
pub const TYPED: u64 = 144 << 10;

/// Reads a form with files of at most `limit` octets together; `got` is told how many octets have arrived.
pub async fn read(
    head: Parts,
    body: Body,
    spools: &SpoolDir,
    limit: u64,
    got: impl FnMut(u64) + Send + 'static,
) -> Result<Upload, Trouble> {
    parse(head, Paced::new(body, DRAINED), spools, limit, got).await
}

/// Reads a form without files; as it is not escaped, its text takes no more room than it has.
pub async fn typed(head: Parts, body: Body, spools: &SpoolDir) -> Result<Form, Trouble> {
    Ok(parse(head, Paced::new(body, TYPED), spools, 0, |_| {}).await?.fields)
}

async fn parse(
    head: Parts,
    body: Paced,
    spools: &SpoolDir,
    limit: u64,
    got: impl FnMut(u64) + Send + 'static,
) -> Result<Upload, Trouble> {
    let kind =
        head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let fields = Form::read_paced(&head.headers, body).await?;
        return Ok(Upload { fields, ..Upload::default() });
    }
    let why = Arc::new(Mutex::new(None));
    let mut request = Request::from_parts(head, paced(body, Arc::clone(&why), got));
    DefaultBodyLimit::disable().apply(&mut request);
    let multipart = Multipart::from_request(request, &()).await.map_err(|_| BadBody::Malformed)?;
    let upload = fields(multipart, spools, limit).await;
    let cause = why.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (upload, cause) {
        (Err(_), Some(cause)) => Err(Trouble::Body(cause)),
        (upload, _) => upload,
    }
}

/// The body at its pace, its own reason kept aside: the multipart reader would hide it.
fn paced(body: Paced, why: Arc<Mutex<Option<BadBody>>>, got: impl FnMut(u64) + Send + 'static) -> Body {
    Body::from_stream(stream::unfold(Some((body, why, got)), |state| async {
        let (mut paced, why, mut got) = state?;
        match paced.next().await {
            Ok(Some(piece)) => {
                got(paced.got());
                Some((Ok(piece), Some((paced, why, got))))
            }
            Ok(None) => None,
            Err(bad) => {
                *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(bad);
                Some((Err(bad), None))
            }
        }
    }))
}

async fn fields(mut multipart: Multipart, spools: &SpoolDir, limit: u64) -> Result<Upload, Trouble> {
    let mut upload = Upload::default();
    let mut typed = 0;
    let mut left = limit;
    while let Some(field) = multipart.next_field().await.map_err(|_| BadBody::Malformed)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "attachment" && field.file_name().is_none() {
            let value = text(field, FIELDS.saturating_sub(typed)).await?;
            typed += value.len();
            upload.fields.put(name, value);
            continue;
        }
        let given = field.file_name().unwrap_or_default().to_owned();
        if given.is_empty() && upload.too_large.is_none() {
            // The empty file field of a browser.
            drain(field).await?;
            continue;
        }
        let named = display::file_name(&given);
        if upload.too_large.is_some() || upload.files.len() >= FILES {
            drain(field).await?;
            upload.too_large.get_or_insert(named);
            continue;
        }
        let media_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        match file(field, spools.begin(), left).await? {
            Some(spool) => {
                left = left.saturating_sub(spool.length());
                let content = spool.finish().map_err(|_| SPOOL)?;
                upload.files.push(Attachment { name: named, media_type, content });
            }
            None => upload.too_large = Some(named),
        }
    }
    if upload.too_large.is_some() {
        upload.files.clear();
    }
    Ok(upload)
}

const SPOOL: Trouble = Trouble::Internal("the spool did not take a file");

/// A field's text, at most `most` octets.
async fn text(mut field: Field<'_>, most: usize) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    while let Some(piece) = next(&mut field).await? {
        if bytes.len() + piece.len() > most {
            return Err(BadBody::TooLarge.into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file in a spool, or nothing if it is larger than `left`; then it was read to its end all the same.
async fn file(mut field: Field<'_>, mut spool: Spool, left: u64) -> Result<Option<Spool>, Trouble> {
    let mut waiting: Vec<Bytes> = Vec::new();
    let (mut size, mut held) = (0_u64, 0_usize);
    while let Some(piece) = next(&mut field).await? {
        size = size.saturating_add(piece.len() as u64);
        if size > left {
            drain(field).await?;
            return Ok(None);
        }
        held += piece.len();
        waiting.push(piece);
        if held >= AT_ONCE {
            held = 0;
            spool = write(spool, std::mem::take(&mut waiting)).await?;
        }
    }
    write(spool, waiting).await.map(Some)
}

/// Written to the spool at once, octets: beyond its memory it seals and writes to a file.
const AT_ONCE: usize = 256 << 10;

async fn write(mut spool: Spool, pieces: Vec<Bytes>) -> Result<Spool, Trouble> {
    let written = threads::blocking(move || {
        for piece in pieces {
            spool.write_all(&piece)?;
        }
        Ok::<_, std::io::Error>(spool)
    });
    written.await.map_err(|_| SPOOL)?.map_err(|_| SPOOL)
}

async fn drain(mut field: Field<'_>) -> Result<(), Trouble> {
    while next(&mut field).await?.is_some() {}
    Ok(())
}

async fn next(field: &mut Field<'_>) -> Result<Option<Bytes>, Trouble> {
    field.chunk().await.map_err(|_| BadBody::Malformed.into())
}
