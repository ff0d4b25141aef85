//! An S3 client as a customer has it. It shows bodies as they travel, so that their bytes can be counted.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use model::{Clock, SystemClock};
use object_store::S3Keys;
use reqwest::Method;
use secrecy::ExposeSecret;

/// An account's client: path style, Signature Version 4.
#[derive(Debug, Clone)]
pub(crate) struct S3Client {
    http: reqwest::Client,
    url: String,
    keys: S3Keys,
}

/// A request; its path has the query string, in which each name has a `=`.
#[derive(Debug)]
pub(crate) struct S3Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct S3Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// The header `ETag`.
    pub(crate) etag: String,
    /// The header `x-amz-version-id`.
    pub(crate) version: Option<String>,
}

impl S3Answer {
    /// What stands in the answer's first element of this name.
    pub(crate) fn element(&self, name: &str) -> String {
        let xml = String::from_utf8_lossy(&self.body);
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inner = xml.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
        inner.unwrap_or_else(|| panic!("no {name} in {xml}")).0.to_owned()
    }
}

impl S3Request {
    pub(crate) fn new(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }
}

impl S3Client {
    /// A client with an account's keys; `url` has no path.
    pub(crate) fn new(url: String, keys: S3Keys) -> Self {
        Self { http: test_support::http::client().unwrap(), url, keys }
    }

    /// Sends a request as the account.
    pub(crate) async fn send(&self, request: &S3Request) -> S3Answer {
        self.request(request, self.signature(request)).await
    }

    /// Sends a request as nobody.
    pub(crate) async fn send_unsigned(&self, request: &S3Request) -> S3Answer {
        self.request(request, Vec::new()).await
    }

    async fn request(&self, request: &S3Request, signature: Vec<(String, String)>) -> S3Answer {
        let mut sent = self.http.request(request.method.clone(), format!("{}{}", self.url, request.path));
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        if matches!(request.method, Method::PUT | Method::POST) {
            // Left out of its own accord where the body is empty.
            sent = sent.header("content-length", request.body.len());
        }
        for (name, value) in signature {
            sent = sent.header(name, value);
        }
        let answer = sent.body(request.body.clone()).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (etag, version) = (header("etag").unwrap_or_default(), header("x-amz-version-id"));
        S3Answer { status: answer.status().as_u16(), etag, version, body: answer.bytes().await.unwrap() }
    }

    fn signature(&self, request: &S3Request) -> Vec<(String, String)> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let secret = self.keys.secret_key.expose_secret();
        let identity = Credentials::new(&self.keys.access_key, secret, None, None, "customer").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::from(SystemClock.now()))
            .settings(settings)
            .build()
            .unwrap();
        let url = format!("{}{}", self.url, request.path);
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(&request.body);
        let signable = SignableRequest::new(request.method.as_str(), url, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}
