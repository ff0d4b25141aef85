//! What a collector of traces sees of calls to radosgw; nothing is made where nobody listens to this target.

use reqwest::Method;
use tracing::Span;
use tracing::field::Empty;

const TARGET: &str = "otel";

/// A signed request of our own. Of its address only host and API are shown: the rest may hold secrets and names.
pub(super) fn signed_request(method: &Method, url: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "RGW",
        otel.name = name(method, url),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        http.response.status_code = Empty,
        server.address = host(url),
        error.type = Empty,
    )
}

/// A request of the S3 SDK.
pub(super) fn s3(operation: &'static str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "S3",
        otel.name = format!("S3 {operation}"),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = "aws-api",
        rpc.service = "S3",
        rpc.method = operation,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// Notes the answer's status.
pub(super) fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        failed(span, "5xx");
    }
}

/// Notes that there is no answer, or a bad one.
pub(super) fn failed(span: &Span, error_type: &'static str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}

/// The address's host and port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// `GET /admin/user`; a bucket's name is no part of a span's.
fn name(method: &Method, url: &str) -> String {
    let path = url.split('?').next().and_then(|address| address.find("/admin/").map(|at| &address[at..]));
    path.map_or_else(|| method.to_string(), |path| format!("{method} {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_shows_no_query_and_no_name() {
        let url = "https://rgw.example:7480/admin/user?key&secret-key=hidden";
        assert_eq!((name(&Method::PUT, url).as_str(), host(url)), ("PUT /admin/user", "rgw.example:7480"));
        let url = "http://127.0.0.1:7480/customers-bucket?notification";
        assert_eq!((name(&Method::PUT, url).as_str(), host(url)), ("PUT", "127.0.0.1:7480"));
    }
}
