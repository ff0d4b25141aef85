//! Requests to radosgw as anybody may send them, at any time of day.

use std::fmt::Write;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use chrono::TimeDelta;
use model::{Clock, SystemClock};
use object_store::S3Keys;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use secrecy::ExposeSecret;

use crate::fixture::ceph_config;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What radosgw answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// Status and error code, as in `404 NoSuchUser`; the code is empty after a success.
    pub(crate) fn outcome(&self) -> String {
        let error: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        format!("{} {}", self.status, error["Code"].as_str().unwrap_or_default())
    }
}

/// The administrator's keys.
pub(crate) fn administrator() -> S3Keys {
    let config = ceph_config();
    S3Keys { access_key: config.admin_access_key, secret_key: config.admin_secret_key }
}

/// One request, signed by a clock that is `ahead`. `path` begins with a slash, `form` becomes the body.
pub(crate) async fn request(
    keys: &S3Keys,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    form: &[(&str, &str)],
    ahead: TimeDelta,
) -> Answer {
    let base = ceph_config().s3_url;
    let url = format!("{}{path}?{}", base.as_str().trim_end_matches('/'), encoded(query));
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let secret_key = keys.secret_key.expose_secret();
    let identity = Credentials::new(&keys.access_key, secret_key, None, None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::from(SystemClock.now() + ahead))
        .settings(settings)
        .build()
        .unwrap();
    let body = encoded(form);
    let signed_body =
        if form.is_empty() { SignableBody::UnsignedPayload } else { SignableBody::Bytes(body.as_bytes()) };
    let signable = SignableRequest::new(method.as_str(), &url, std::iter::empty(), signed_body).unwrap();
    let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut call = reqwest::Client::new().request(method, url).header("x-forwarded-proto", "https");
    for (name, value) in instructions.headers() {
        call = call.header(name, value);
    }
    if !form.is_empty() {
        call = call.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
    }
    let answer = call.send().await.unwrap();
    Answer { status: answer.status().as_u16(), body: answer.text().await.unwrap() }
}

/// A call of Admin Ops as the administrator.
pub(crate) async fn admin(method: Method, resource: &str, query: &[(&str, &str)]) -> Answer {
    request(&administrator(), method, &format!("/admin/{resource}"), query, &[], TimeDelta::zero()).await
}

fn encoded(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        let (name, value) = (percent_encoded(name), percent_encoded(value));
        write!(text, "{}{name}={value}", if text.is_empty() { "" } else { "&" }).unwrap();
    }
    text
}

fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}
