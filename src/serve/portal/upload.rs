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
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

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
/// What a field costs besides its name and value, octets.
const FIELD: usize = 64;
/// A form with what was typed and no files, octets.
pub const TYPED: u64 = 144 << 10;
/// Octets that may arrive without the reader of the form making anything of them: a boundary and a field's header.
const UNREAD: usize = 64 << 10;
/// The reader of a form comes up to three times before it looks at what it got.
const VAIN: u32 = 4;

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
    let claims = Claims::default();
    let mut request = Request::from_parts(head, paced(body, Arc::clone(&why), claims.clone(), got));
    DefaultBodyLimit::disable().apply(&mut request);
    let multipart = Multipart::from_request(request, &()).await.map_err(|_| BadBody::Malformed)?;
    let upload = fields(Fields { multipart, claims }, spools, limit).await;
    let cause = why.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (upload, cause) {
        (Err(_), Some(cause)) => Err(Trouble::Body(cause)),
        (upload, _) => upload,
    }
}

/// How often the reader of a form gave something out.
#[derive(Clone, Default)]
struct Claims(Arc<AtomicU64>);

impl Claims {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Comes back when the reader has made all it can of what it was given.
    ///
    /// It takes whatever there is whenever it is asked for something, and keeps it all: so there is nothing until it
    /// has come several times without giving anything out in between.
    async fn exhausted(&self) -> u64 {
        let mut seen = self.0.load(Ordering::Relaxed);
        let mut vain = 0;
        while vain < VAIN {
            tokio::task::yield_now().await;
            let now = self.0.load(Ordering::Relaxed);
            vain = if now == seen { vain + 1 } else { 0 };
            seen = now;
        }
        seen
    }
}

/// A body on its way into the reader of a form.
struct Fed<F> {
    body: Paced,
    why: Arc<Mutex<Option<BadBody>>>,
    claims: Claims,
    got: F,
    /// Octets since it last gave something out, and how often it had by then.
    unread: usize,
    claimed: u64,
}

impl<F: FnMut(u64)> Fed<F> {
    async fn next(&mut self) -> Result<Option<Bytes>, BadBody> {
        let claimed = self.claims.exhausted().await;
        if claimed != self.claimed {
            (self.claimed, self.unread) = (claimed, 0);
        }
        if self.unread > UNREAD {
            return Err(BadBody::TooLarge);
        }
        let piece = self.body.next().await?;
        if let Some(piece) = &piece {
            self.unread += piece.len();
            (self.got)(self.body.got());
        }
        Ok(piece)
    }
}

/// The body at its pace, its own reason kept aside: the multipart reader would hide it.
fn paced(
    body: Paced,
    why: Arc<Mutex<Option<BadBody>>>,
    claims: Claims,
    got: impl FnMut(u64) + Send + 'static,
) -> Body {
    let fed = Fed { body, why, claims, got, unread: 0, claimed: 0 };
    Body::from_stream(stream::unfold(Some(fed), |fed| async {
        let mut fed = fed?;
        match fed.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece), Some(fed))),
            Err(bad) => {
                *fed.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(bad);
                Some((Err(bad), None))
            }
        }
    }))
}

/// The reader of a form, and the count of what it gave out.
struct Fields {
    multipart: Multipart,
    claims: Claims,
}

impl Fields {
    async fn next(&mut self) -> Result<Option<Part<'_>>, Trouble> {
        let field = self.multipart.next_field().await.map_err(|_| BadBody::Malformed)?;
        self.claims.note();
        Ok(field.map(|field| Part { field, claims: &self.claims }))
    }
}

/// A field, on its way.
struct Part<'a> {
    field: Field<'a>,
    claims: &'a Claims,
}

impl Part<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        let piece = self.field.chunk().await.map_err(|_| BadBody::Malformed)?;
        self.claims.note();
        Ok(piece)
    }

    async fn drain(mut self) -> Result<(), Trouble> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

async fn fields(mut fields: Fields, spools: &SpoolDir, limit: u64) -> Result<Upload, Trouble> {
    let mut upload = Upload::default();
    let mut typed = 0;
    let mut left = limit;
    while let Some(part) = fields.next().await? {
        let name = part.field.name().unwrap_or_default().to_owned();
        typed += FIELD + name.len();
        if typed > FIELDS {
            return Err(BadBody::TooLarge.into());
        }
        if name != "attachment" && part.field.file_name().is_none() {
            let value = text(part, FIELDS - typed).await?;
            typed += value.len();
            upload.fields.put(name, value);
            continue;
        }
        let given = part.field.file_name().unwrap_or_default().to_owned();
        if given.is_empty() && upload.too_large.is_none() {
            // The empty file field of a browser.
            part.drain().await?;
            continue;
        }
        let named = display::file_name(&given);
        if upload.too_large.is_some() || upload.files.len() >= FILES {
            part.drain().await?;
            upload.too_large.get_or_insert(named);
            continue;
        }
        let media_type = part.field.content_type().unwrap_or("application/octet-stream").to_owned();
        match file(part, spools.begin(), left).await? {
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
async fn text(mut part: Part<'_>, most: usize) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.next().await? {
        if bytes.len() + piece.len() > most {
            return Err(BadBody::TooLarge.into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file in a spool, or nothing if it is larger than `left`; then it was read to its end all the same.
async fn file(mut part: Part<'_>, mut spool: Spool, left: u64) -> Result<Option<Spool>, Trouble> {
    let mut waiting: Vec<Bytes> = Vec::new();
    let (mut size, mut held) = (0_u64, 0_usize);
    while let Some(piece) = part.next().await? {
        size = size.saturating_add(piece.len() as u64);
        if size > left {
            part.drain().await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    const HEAD: &str = "--XX\r\nContent-Disposition: form-data; name=";

    /// Reads such a form, in pieces of that size; and how many octets of it were asked for.
    async fn read_form(body: String, piece: usize) -> (Result<Upload, Trouble>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let spools = SpoolDir::open(dir.path()).unwrap();
        let request = Request::post("/").header("content-type", "multipart/form-data; boundary=XX");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let pieces: Vec<Bytes> = body.as_bytes().chunks(piece).map(Bytes::copy_from_slice).collect();
        let body = stream::iter(pieces.into_iter().map(move |piece| {
            counted.fetch_add(piece.len(), Ordering::SeqCst);
            Ok::<_, std::io::Error>(piece)
        }));
        let upload = read(head, Body::from_stream(body), &spools, 1 << 20, |_| {}).await;
        (upload, asked.load(Ordering::SeqCst))
    }

    fn is_too_large(upload: &Result<Upload, Trouble>) -> bool {
        matches!(upload, Err(Trouble::Body(BadBody::TooLarge)))
    }

    #[tokio::test]
    async fn what_is_no_form_is_not_gathered() {
        let piece = 16 << 10;
        let endless_head = format!("--XX\r\nX: {}", "x".repeat(4 << 20));
        for body in ["x".repeat(4 << 20), "--X".repeat(1 << 20), endless_head] {
            let (upload, asked) = read_form(body, piece).await;
            assert!(is_too_large(&upload), "{:?}", upload.map(drop));
            assert!(asked <= UNREAD + 2 * piece, "{asked}");
        }
    }

    #[tokio::test]
    async fn fields_are_counted_with_their_names() {
        let name = "n".repeat(1_000);
        for field in
            [format!("{HEAD}\"{name}\"\r\n\r\n\r\n"), format!("{HEAD}\"a\"; filename=\"\"\r\n\r\n\r\n")]
        {
            for piece in [1 << 10, 400 << 10] {
                let (upload, asked) = read_form(field.repeat(20_000), piece).await;
                assert!(is_too_large(&upload), "{:?}", upload.map(drop));
                assert!(asked < (1 << 20), "{asked}");
            }
        }
    }

    #[tokio::test]
    async fn a_form_is_read_however_it_is_cut() {
        let fields: String =
            (0..60).map(|number| format!("{HEAD}\"f{number}\"\r\n\r\n{number}\r\n")).collect();
        let content = "0123456789".repeat(50_000);
        let file = |name: &str| format!("{HEAD}\"attachment\"; filename=\"{name}\"\r\n\r\n{content}\r\n");
        let body =
            format!("{fields}{}{}{HEAD}\"last\"\r\n\r\nend\r\n--XX--\r\n", file("a.bin"), file("b.bin"));
        for piece in [17, 1 << 10, 64 << 10, 4 << 20] {
            let (upload, _) = read_form(body.clone(), piece).await;
            let upload = upload.unwrap_or_else(|why| panic!("in pieces of {piece}: {why:?}"));
            assert_eq!((upload.fields.text("f59"), upload.fields.text("last")), ("59", "end"));
            let sizes: Vec<u64> = upload.files.iter().map(|file| file.content.length()).collect();
            assert_eq!(sizes, [500_000, 500_000]);
        }
    }
}
