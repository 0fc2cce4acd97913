//! The three cookies: the session, the device that is known, the language that was chosen.

use crate::base::language::Language;
use crate::base::secret::Secret;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::header;
use cookie::Cookie;
use std::time::Duration;

/// What a browser brought.
#[derive(Debug, Default)]
pub struct Cookies {
    /// Its session.
    pub session: Option<Secret<String>>,
    /// The device.
    pub device: Option<Secret<String>>,
    /// The language.
    pub language: Option<Language>,
}

impl Cookies {
    /// Reads them (RFC 6265 §5.4); of two with one name the first counts.
    pub fn read(headers: &HeaderMap, secure: bool) -> Self {
        let mut cookies = Self::default();
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in values.flat_map(Cookie::split_parse).filter_map(Result::ok).take(32) {
            let secret = || Some(Secret::new(cookie.value().to_owned()));
            if cookie.name() == name(SESSION, secure) && cookies.session.is_none() {
                cookies.session = secret();
            } else if cookie.name() == name(DEVICE, secure) && cookies.device.is_none() {
                cookies.device = secret();
            } else if cookie.name() == name(LANGUAGE, secure) && cookies.language.is_none() {
                cookies.language = Language::parse(cookie.value());
            }
        }
        cookies
    }
}

/// A session that begins; it goes with the browser.
pub fn session(value: &str, secure: bool) -> Option<HeaderValue> {
    line(SESSION, value, None, secure)
}

/// A session that has ended.
pub fn no_session(secure: bool) -> Option<HeaderValue> {
    line(SESSION, "", Some(Duration::ZERO), secure)
}

/// A device that has signed in.
pub fn device(value: &str, secure: bool) -> Option<HeaderValue> {
    line(DEVICE, value, Some(YEAR), secure)
}

/// A language that was chosen.
pub fn language(language: Language, secure: bool) -> Option<HeaderValue> {
    line(LANGUAGE, language.tag(), Some(YEAR), secure)
}

/// RFC 6265 §4.1, `__Host-` of draft-ietf-httpbis-rfc6265bis §4.1.3.2 where the connection is secure.
fn line(short: &str, value: &str, age: Option<Duration>, secure: bool) -> Option<HeaderValue> {
    let name = name(short, secure);
    let age = age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
    let flag = if secure { "; Secure" } else { "" };
    let mut line =
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{flag}{age}")).ok()?;
    line.set_sensitive(true);
    Some(line)
}

fn name(short: &str, secure: bool) -> String {
    if secure { format!("__Host-{short}") } else { short.to_owned() }
}

const SESSION: &str = "gp";
const DEVICE: &str = "gd";
const LANGUAGE: &str = "gl";
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_for_this_host_over_tls_and_not_for_scripts() {
        assert_eq!(session("abc", true).unwrap(), "__Host-gp=abc; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(session("abc", false).unwrap(), "gp=abc; Path=/; HttpOnly; SameSite=Lax");
        assert!(no_session(true).unwrap().to_str().unwrap().ends_with("; Max-Age=0"));
        assert!(session("a\r\nb", true).is_none());
    }

    #[test]
    fn reads_only_its_own() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=b; __Host-gp=one; gp=plain; __Host-gl=de".parse().unwrap());
        headers.append("cookie", "__Host-gp=two; __Host-gd=dev".parse().unwrap());
        let cookies = Cookies::read(&headers, true);
        assert_eq!(cookies.session.unwrap().expose(), "one");
        assert_eq!(cookies.device.unwrap().expose(), "dev");
        assert_eq!(cookies.language, Some(Language::De));
        assert_eq!(Cookies::read(&headers, false).session.unwrap().expose(), "plain");
    }
}
