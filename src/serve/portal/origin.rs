//! Where a request claims to come from, and to whom it claims to speak.

use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::header;

/// The one address under which the portal answers: `https://post.example`, without path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Site {
    origin: String,
    authority: String,
    secure: bool,
}

impl Site {
    /// From the configured URL: scheme and authority, nothing behind them but an optional `/`.
    pub fn parse(url: &str) -> Option<Self> {
        let url = url.trim_end_matches('/').to_ascii_lowercase();
        let (scheme, authority) = url.split_once("://")?;
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return None;
        }
        let standard = if secure { ":443" } else { ":80" };
        let authority = authority.strip_suffix(standard).unwrap_or(authority).to_owned();
        Some(Self { origin: format!("{scheme}://{authority}"), authority, secure })
    }

    /// What a browser sends as `Origin` (RFC 6454 §6.2).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and, unless it is the usual one, port: what the address bar shows.
    pub fn host(&self) -> &str {
        &self.authority
    }

    /// Over HTTPS.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Whether the request is for this site (RFC 9110 §7.2 and §7.4: anything else is 421).
    pub fn is_addressed(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (_, Some(_)) => return false,
            (Some(host), None) => host.to_str().ok(),
            (None, None) => None,
        };
        let authority = uri.authority().map(axum::http::uri::Authority::as_str);
        let fits = |given: &str| {
            let given = given.to_ascii_lowercase();
            let standard = if self.secure { ":443" } else { ":80" };
            !given.is_empty() && given.strip_suffix(standard).unwrap_or(&given) == self.authority
        };
        match (host, authority) {
            (None, None) => false,
            (host, authority) => host.is_none_or(fits) && authority.is_none_or(fits),
        }
    }

    /// Whether a request that changes something comes from a page of ours.
    ///
    /// `Sec-Fetch-Site` decides where a browser sends it; else `Origin` must be ours. Neither is a refusal.
    pub fn is_own_form(&self, headers: &HeaderMap) -> bool {
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Ok(None),
                (Some(value), None) => value.to_str().map(Some).map_err(drop),
                (Some(_), Some(_)) => Err(()),
            }
        };
        match (one("sec-fetch-site"), one("origin")) {
            (Ok(Some(site)), Ok(_)) => site == "same-origin",
            (Ok(None), Ok(Some(origin))) => origin.eq_ignore_ascii_case(&self.origin),
            (Ok(None), Ok(None)) | (Err(()), _) | (_, Err(())) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn reads_urls() {
        for (url, origin) in [
            ("https://post.example", "https://post.example"),
            ("https://POST.example:443/", "https://post.example"),
            ("https://post.example:8443", "https://post.example:8443"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            assert_eq!(Site::parse(url).unwrap().origin(), origin);
        }
        for url in ["post.example", "ftp://x", "https://", "https://a/b", "https://a?b", "https://u@a"] {
            assert_eq!(Site::parse(url), None, "{url}");
        }
    }

    #[test]
    fn the_origin_matrix() {
        let site = Site::parse("https://post.example").unwrap();
        let ours = "https://post.example";
        for (list, want) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", ours)][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", ours)], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", ours)], false),
            (&[("sec-fetch-site", "none"), ("origin", ours)], false),
            (&[("sec-fetch-site", ""), ("origin", ours)], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", ours)], true),
            (&[("origin", "https://POST.example")], true),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", "http://post.example")], false),
            (&[("origin", "https://post.example:8443")], false),
            (&[("origin", "https://post.example.evil")], false),
            (&[("origin", "https://evil.post.example")], false),
            (&[("origin", ours), ("origin", "https://evil")], false),
            (&[("referer", "https://post.example/login")], false),
            (&[], false),
        ] {
            assert_eq!(site.is_own_form(&headers(list)), want, "{list:?}");
        }
    }

    #[test]
    fn the_host_matrix() {
        let site = Site::parse("https://post.example").unwrap();
        for (uri, list, want) in [
            ("/", &[("host", "post.example")][..], true),
            ("/", &[("host", "POST.EXAMPLE:443")], true),
            ("https://post.example/", &[], true),
            ("https://post.example/", &[("host", "post.example")], true),
            ("https://post.example/", &[("host", "evil.example")], false),
            ("https://evil.example/", &[("host", "post.example")], false),
            ("/", &[("host", "post.example"), ("host", "post.example")], false),
            ("/", &[("host", "post.example:80")], false),
            ("/", &[("host", "post.example:8443")], false),
            ("/", &[("host", "127.0.0.1")], false),
            ("/", &[("host", "mta-sts.example")], false),
            ("/", &[], false),
        ] {
            assert_eq!(site.is_addressed(&uri.parse().unwrap(), &headers(list)), want, "{uri} {list:?}");
        }
    }
}
