//! AWS Signature Version 4 as radosgw's Admin Ops and topics accept it.

use std::fmt::Write;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use model::{Clock, SystemClock};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::{S3Keys, StoreError};

/// The region that signatures name; radosgw takes any.
pub(super) const REGION: &str = "us-east-1";

/// `name=value&…` with everything but unreserved characters encoded, `*` and `,` among them: radosgw compares the
/// signature with its own encoding of the query, which does the same.
pub(super) fn query_string(parameters: &[(&str, &str)]) -> String {
    let encoded = |(name, value): &(&str, &str)| format!("{}={}", percent_encoded(name), percent_encoded(value));
    parameters.iter().map(encoded).collect::<Vec<_>>().join("&")
}

/// `text` with everything but unreserved characters encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String can't fail");
        }
    }
    encoded
}

/// The headers that sign a request, with its body if it has one.
///
/// No body stays unsigned: radosgw answers a signed one on Admin Ops with 501. The topics' API takes a signed one only.
pub(super) fn signature_headers(
    method: &Method,
    url: &str,
    body: Option<&str>,
    keys: &S3Keys,
) -> Result<HeaderMap, StoreError> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = Credentials::new(&keys.access_key, keys.secret_key.expose_secret(), None, None, "admin").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        // A signature must bear the real time, whatever clock the caller runs by.
        .time(SystemTime::from(SystemClock.now()))
        .settings(settings)
        .build()
        .map_err(|error| unsignable(&error))?;
    let body = body.map_or(SignableBody::UnsignedPayload, |body| SignableBody::Bytes(body.as_bytes()));
    let request =
        SignableRequest::new(method.as_str(), url, std::iter::empty(), body).map_err(|error| unsignable(&error))?;
    let (instructions, _signature) =
        sign(request, &parameters.into()).map_err(|error| unsignable(&error))?.into_parts();
    let mut headers = HeaderMap::new();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|error| unsignable(&error))?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|error| unsignable(&error))?);
    }
    Ok(headers)
}

fn unsignable(error: &dyn std::error::Error) -> StoreError {
    StoreError::Misconfigured(format!("a request can't be signed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_encode_all_but_unreserved_characters() {
        let query = query_string(&[("quota", ""), ("user-caps", "users=*,a b"), ("display-name", "Zoë/~x_y.z-0")]);
        assert_eq!(query, "quota=&user-caps=users%3D%2A%2Ca%20b&display-name=Zo%C3%AB%2F~x_y.z-0");
    }

    #[test]
    fn bodies_are_signed_and_no_body_is_not() {
        let keys = S3Keys { access_key: "ACCESS".to_owned(), secret_key: "very-secret".into() };
        let empty_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (body, hash) in [(None, "UNSIGNED-PAYLOAD"), (Some(""), empty_hash)] {
            let url = "http://127.0.0.1:7480/admin/user?uid=x";
            let headers = signature_headers(&Method::GET, url, body, &keys).unwrap();
            assert_eq!(headers["x-amz-content-sha256"], hash);
            let authorization = headers["authorization"].to_str().unwrap();
            assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=ACCESS/"), "{authorization}");
            assert!(!format!("{headers:?}").contains("very-secret"));
        }
    }
}
