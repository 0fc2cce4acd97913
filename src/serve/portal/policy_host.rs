//! Our own MTA-STS policy, on the policy hosts of our domains (RFC 8461 §3.3): a text for other mail servers, beside
//! the portal and without anything of it.

use crate::config::Config;
use crate::flow::mta_sts::PATH;
use crate::flow::zone;
use crate::serve::portal::headers;
use crate::serve::portal::headers::Policy;
use crate::serve::portal::page::content;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::Request;
use axum::http::Response;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header;
use axum::http::uri::Authority;

/// The answer, if the request is for a policy host of ours; over TLS, as RFC 8461 §3.3 wants it.
pub fn answer(config: &Config, request: &Request<Body>) -> Option<Response<Body>> {
    zone::policy_host(config, &host(request.uri(), request.headers())?)?;
    let policy = zone::own_policy(config)?;
    let says = |status, text: String| content(status, "text/plain; charset=utf-8", text);
    let mut answer = match (request.uri().path(), request.method()) {
        (PATH, &Method::GET | &Method::HEAD) => says(StatusCode::OK, policy.to_string()),
        (PATH, _) => {
            let mut answer = says(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n".into());
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        _ => says(StatusCode::NOT_FOUND, format!("only {PATH} is here\n")),
    };
    headers::set(answer.headers_mut(), Policy::Page, true);
    Some(answer)
}

/// The one host that a request is for, in lower case, whatever the port; nothing where it says two.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut fields = headers.get_all(header::HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (_, Some(_)) => return None,
        (Some(field), None) => Some(Authority::try_from(field.as_bytes()).ok()?),
        (None, None) => None,
    };
    let name = |authority: &Authority| authority.host().trim_end_matches('.').to_ascii_lowercase();
    match (field.as_ref().map(name), uri.authority().map(name)) {
        (Some(field), Some(target)) => (field == target).then_some(field),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_on_policy_hosts_only() {
        let config = Config::from_text(
            "hostname = \"mail.a.example\"\n[[domain]]\nname = \"a.example\"\n[portal]\nurl = \
             \"https://mail.a.example\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n",
        )
        .unwrap();
        let status = |method: &str, uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().method(method).uri(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            answer(&config, &request.body(Body::empty()).unwrap()).map(|answer| answer.status().as_u16())
        };
        let (host, path) = ("mta-sts.a.example", PATH);
        for (method, uri, hosts, want) in [
            ("GET", path, &[host][..], Some(200)),
            ("HEAD", path, &[host], Some(200)),
            ("GET", path, &["MTA-STS.A.example:443"], Some(200)),
            ("GET", "https://mta-sts.a.example/.well-known/mta-sts.txt", &[], Some(200)),
            ("GET", "https://mta-sts.a.example/.well-known/mta-sts.txt", &["mail.a.example"], None),
            ("GET", path, &[host, host], None),
            ("GET", path, &[], None),
            ("GET", path, &["mail.a.example"], None),
            ("GET", path, &["mta-sts.b.example"], None),
            ("GET", path, &["a b"], None),
            ("POST", path, &[host], Some(405)),
            ("GET", "/", &[host], Some(404)),
            ("GET", "/login", &[host], Some(404)),
            ("GET", "/.well-known/mta-sts.txt/", &[host], Some(404)),
        ] {
            assert_eq!(status(method, uri, hosts), want, "{method} {uri} {hosts:?}");
        }
    }
}
