//! Bodies of requests: read at a pace, up to a size, and urlencoded forms in them.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;
use zeroize::Zeroize;
use zeroize::Zeroizing;

/// A form without files, octets.
pub const FORM: usize = 64 << 10;

/// Why a body was not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadBody {
    /// Above its limit.
    #[error("the body is too large")]
    TooLarge,
    /// Slower than 1 KiB a second.
    #[error("the body came too slowly")]
    Slow,
    /// Of a kind that is not taken here.
    #[error("the body is of another kind")]
    Kind,
    /// Cut off, or not in its own form.
    #[error("the body is malformed")]
    Malformed,
}

/// A body that must keep a pace: after 10 s at least 1 KiB for every second, and half an hour in all.
pub struct Paced {
    body: Body,
    begun: Instant,
    got: u64,
    limit: u64,
    patience: Duration,
}

impl Paced {
    /// With at most `limit` octets.
    pub fn new(body: Body, limit: u64) -> Self {
        Self { body, begun: Instant::now(), got: 0, limit, patience: PATIENCE }
    }

    /// Octets that have arrived.
    pub fn got(&self) -> u64 {
        self.got
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BadBody> {
        loop {
            let earned = Duration::from_secs(self.got / PACE).min(LONGEST);
            let deadline = self.begun + self.patience + earned;
            let frame = tokio::time::timeout_at(deadline, self.body.frame());
            let frame = match frame.await.map_err(|_| BadBody::Slow)? {
                None => return Ok(None),
                Some(frame) => frame.map_err(|_| BadBody::Malformed)?,
            };
            let Ok(data) = frame.into_data() else { continue };
            self.got = self.got.saturating_add(data.len() as u64);
            if self.got > self.limit {
                return Err(BadBody::TooLarge);
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

/// Before the pace counts.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets a second.
const PACE: u64 = 1 << 10;
/// However large it is.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The fields of a form, wiped when dropped.
#[derive(Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form from a request's body; no body is an empty form.
    pub async fn read(headers: &HeaderMap, body: Body) -> Result<Self, BadBody> {
        Self::read_paced(headers, Paced::new(body, FORM as u64)).await
    }

    /// The same from a body that may bring more: what is above [`FORM`] is refused.
    pub async fn read_paced(headers: &HeaderMap, mut body: Paced) -> Result<Self, BadBody> {
        if declared(headers).is_some_and(|length| length > FORM as u64) {
            return Err(BadBody::TooLarge);
        }
        body.limit = body.limit.min(FORM as u64);
        let mut bytes = Zeroizing::new(Vec::with_capacity(declared(headers).map_or(0, |_| FORM)));
        while let Some(piece) = body.next().await? {
            bytes.extend_from_slice(&piece);
        }
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if !is_urlencoded(headers) {
            return Err(BadBody::Kind);
        }
        Ok(Self::parse(&bytes))
    }

    /// Parses `a=b&c=d` (WHATWG URL, application/x-www-form-urlencoded).
    pub fn parse(bytes: &[u8]) -> Self {
        let fields = bytes.split(|byte| *byte == b'&').filter(|field| !field.is_empty()).take(100);
        Self(
            fields
                .map(|field| {
                    let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
                    let (name, value) = field.split_at(at);
                    (decode(name), decode(value.get(1..).unwrap_or_default()))
                })
                .collect(),
        )
    }

    /// The first field of this name, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A field was sent, with any value but none.
    pub fn is_set(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Takes a field in, as multipart forms bring them.
    pub fn put(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

/// What the peer says the body will be.
pub fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_urlencoded(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn decode(text: &[u8]) -> String {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digit = |offset: usize| text.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_fields() {
        let form = Form::parse(b"a=1&b=x%20y+z&b=2&c&=d&%C3%A4=%C3%9F&bad=%zz%4&");
        for (name, want) in
            [("a", "1"), ("b", "x y z"), ("c", ""), ("", "d"), ("ä", "ß"), ("bad", "%zz%4"), ("none", "")]
        {
            assert_eq!(form.text(name), want, "{name}");
        }
    }

    #[tokio::test]
    async fn refuses_other_kinds_and_too_much() {
        let headers = |kind: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        let urlencoded = headers("application/x-www-form-urlencoded; charset=utf-8");
        let form = Form::read(&urlencoded, Body::from("a=b")).await.unwrap();
        assert_eq!(form.text("a"), "b");
        for (headers, body, want) in [
            (headers("text/plain"), "a=b".to_owned(), BadBody::Kind),
            (headers("application/json"), "{}".to_owned(), BadBody::Kind),
            (HeaderMap::new(), "a=b".to_owned(), BadBody::Kind),
            (urlencoded, "a".repeat(FORM + 1), BadBody::TooLarge),
        ] {
            assert_eq!(Form::read(&headers, Body::from(body)).await.err(), Some(want));
        }
        assert!(Form::read(&HeaderMap::new(), Body::empty()).await.is_ok());
    }

    #[tokio::test]
    async fn a_trickle_is_cut_off() {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let mut body = Paced::new(Body::from_stream(drops), 1 << 20);
        body.patience = Duration::from_millis(100);
        let end = loop {
            match body.next().await {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert_eq!(end, Err(BadBody::Slow));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let form = Form::parse(&bytes);
            prop_assert!(form.0.len() <= 100);
        }
    }
}
