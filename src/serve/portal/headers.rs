//! The header fields that every answer carries.

use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::header;

/// What an answer may load and do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// A page of ours.
    Page,
    /// Somebody's HTML in its sandboxed frame: this replaces the page's policy.
    Frame,
}

/// Sets the whole set on an answer; `secure` adds HSTS, which means nothing over plain HTTP.
pub fn set(headers: &mut HeaderMap, policy: Policy, secure: bool) {
    for (name, value) in EVERYWHERE {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let (content, referrer) = match policy {
        Policy::Page => (PAGE, "same-origin"),
        Policy::Frame => (FRAME, "no-referrer"),
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(content));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
}

/// The same for pages and frames.
const EVERYWHERE: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), autoplay=(), bluetooth=(), camera=(), clipboard-read=(), display-capture=(), \
         encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), \
         magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
         publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), web-share=(), \
         xr-spatial-tracking=()",
    ),
    ("x-robots-tag", "noindex"),
];

/// Ours: nothing from elsewhere, nothing inline.
const PAGE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
                    form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Theirs: an origin of its own, no script, no request, pictures only as `data:`.
const FRAME: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; \
                     style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_whole() {
        for (policy, secure, count) in [(Policy::Page, true, 9), (Policy::Frame, false, 8)] {
            let mut headers = HeaderMap::new();
            set(&mut headers, policy, secure);
            assert_eq!(headers.len(), count);
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["x-content-type-options"], "nosniff");
        }
        let mut headers = HeaderMap::new();
        set(&mut headers, Policy::Frame, true);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("sandbox ") && !policy.contains("allow-scripts"));
        assert!(!policy.contains("allow-same-origin"));
    }
}
