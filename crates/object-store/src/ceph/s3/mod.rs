//! Buckets and objects over S3, as the user whose keys are passed.

mod bulk;
mod listing;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, Credentials, IdentityCache, Region, RequestChecksumCalculation,
    ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use bytes::Bytes;
use model::{BucketName, ByteCount, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use secrecy::ExposeSecret;
use tracing::Instrument;
use url::Url;

use super::answers::{Api, failure};
use super::breaker::Breaker;
use super::sign::REGION;
use super::{span, unavailable};
use crate::{ObjectSummary, Removal, S3Keys, StoreError};

/// Stands for a blank key until the request is built; no bucket's name has an underscore.
const BLANK_KEY: &str = "blank_key";

#[derive(Debug)]
pub(super) struct S3 {
    client: Client,
    breaker: Arc<Breaker>,
    request_timeout: Duration,
}

impl S3 {
    pub(super) fn new(url: &Url, request_timeout: Duration, breaker: Arc<Breaker>) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(url.as_str().trim_end_matches('/'))
            .region(Region::new(REGION))
            .force_path_style(true)
            // A bucket whose name ends like one of Amazon's express buckets is an ordinary one here.
            .disable_s3_express_session_auth(true)
            // radosgw before 18 doesn't know the checksum trailers that the SDK sends by default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // Callers retry, and credentials come with every call.
            .retry_config(RetryConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(TimeoutConfig::builder().operation_timeout(request_timeout).build())
            .build();
        Self { client: Client::from_conf(config), breaker, request_timeout }
    }

    /// Makes one request, as S3 calls the `operation`. The outer error is a store that can't be reached, the inner one its refusal.
    async fn send<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<Result<T, SdkError<E, HttpResponse>>, StoreError>
    where
        E: std::error::Error + 'static,
    {
        let permit = self.breaker.admit()?;
        let span = span::s3(operation);
        let answer = call.instrument(span.clone()).await;
        match &answer {
            Ok(_) => {}
            Err(SdkError::ServiceError(error)) => span::answered(&span, error.raw().status().as_u16()),
            Err(_) => span::failed(&span, "no_answer"),
        }
        match answer {
            Err(error @ (SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_))) => {
                Err(permit.failed(unavailable(&error)))
            }
            answer @ (Ok(_) | Err(SdkError::ServiceError(_))) => {
                permit.answered();
                Ok(answer)
            }
            // The request never left.
            answer => Ok(answer),
        }
    }

    pub(super) async fn create_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        let call = self.client.create_bucket().bucket(bucket.as_str()).customize();
        let Err(error) = self.send("CreateBucket", call.config_override(signed_by(keys)).send()).await? else {
            return Ok(());
        };
        let error = from_sdk(&error, &bucket_subject(bucket));
        // radosgw also says so about the user's own bucket: at the bucket limit, and where its placement differs.
        match &error {
            StoreError::Refused { code, .. } if matches!(code.as_str(), "TooManyBuckets" | "BucketAlreadyExists") => {
                if self.owns(keys, bucket).await? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            _ => Err(error),
        }
    }

    /// Lists the user's buckets for the sake of the request.
    pub(super) async fn list_buckets(&self, keys: &S3Keys) -> Result<(), StoreError> {
        let call = self.client.list_buckets().customize();
        let answer = self.send("ListBuckets", call.config_override(signed_by(keys)).send()).await?;
        answer.map(|_| ()).map_err(|error| from_sdk(&error, "the list of buckets"))
    }

    /// Whether the bucket is among the user's own; access to it would prove nothing.
    async fn owns(&self, keys: &S3Keys, bucket: &BucketName) -> Result<bool, StoreError> {
        let mut continuation = None;
        loop {
            let call = self.client.list_buckets().set_continuation_token(continuation).customize();
            let answer = self.send("ListBuckets", call.config_override(signed_by(keys)).send()).await?;
            let page = answer.map_err(|error| from_sdk(&error, "the list of buckets"))?;
            if page.buckets().iter().any(|own| own.name() == Some(bucket.as_str())) {
                return Ok(true);
            }
            continuation = page.continuation_token;
            if continuation.is_none() {
                return Ok(false);
            }
        }
    }

    pub(super) async fn delete_bucket(&self, keys: &S3Keys, bucket: &BucketName) -> Result<Removal, StoreError> {
        let call = self.client.delete_bucket().bucket(bucket.as_str()).customize();
        let answer = self.send("DeleteBucket", call.config_override(signed_by(keys)).send()).await?;
        match answer.map_err(|error| from_sdk(&error, &bucket_subject(bucket))) {
            Ok(_) => Ok(Removal::Removed),
            Err(StoreError::NotFound(_)) => Ok(Removal::Absent),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_object(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        key: &str,
        body: Bytes,
    ) -> Result<(), StoreError> {
        let call = self.client.put_object().bucket(bucket.as_str()).key(sdk_key(key)).body(ByteStream::from(body));
        let call = call.customize().mutate_request(key_in_path(key));
        match self.send("PutObject", call.config_override(signed_by(keys)).send()).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(from_sdk(&error, &bucket_subject(bucket))),
        }
    }

    pub(super) async fn get_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<Bytes, StoreError> {
        let call = self.client.get_object().bucket(bucket.as_str()).key(sdk_key(key));
        let call = call.customize().mutate_request(key_in_path(key));
        let answer = self.send("GetObject", call.config_override(signed_by(keys)).send()).await?;
        let object = answer.map_err(|error| from_sdk(&error, &object_subject(bucket, key)))?;
        // The SDK's own timeout ends where the body begins.
        match tokio::time::timeout(self.request_timeout, object.body.collect()).await {
            Ok(Ok(body)) => Ok(body.into_bytes()),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(elapsed) => Err(unavailable(&elapsed)),
        }
    }

    pub(super) async fn object(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Option<ObjectSummary>, StoreError> {
        let call = self.client.head_object().bucket(bucket.as_str()).key(sdk_key(key));
        let call = call.customize().mutate_request(key_in_path(key));
        let error = match self.send("HeadObject", call.config_override(signed_by(keys)).send()).await? {
            Ok(object) => return Ok(Some(summary(key.to_owned(), object.content_length, object.last_modified))),
            Err(error) => error,
        };
        let subject = object_subject(bucket, key);
        // The answer to a HEAD has no body and thus no code; another request tells what is wrong with bucket or keys.
        match error.raw_response().map(|answer| answer.status().as_u16()) {
            Some(404) => self.check_access(keys, bucket).await.map(|()| None),
            Some(403) => {
                self.check_access(keys, bucket).await?;
                Err(failure(Api::S3, 403, "AccessDenied", "", &subject))
            }
            Some(400) => Err(failure(Api::S3, 400, "InvalidObjectName", "", &subject)),
            _ => Err(from_sdk(&error, &subject)),
        }
    }

    async fn check_access(&self, keys: &S3Keys, bucket: &BucketName) -> Result<(), StoreError> {
        let call = self.client.get_bucket_location().bucket(bucket.as_str()).customize();
        let answer = self.send("GetBucketLocation", call.config_override(signed_by(keys)).send()).await?;
        answer.map(|_| ()).map_err(|error| from_sdk(&error, &bucket_subject(bucket)))
    }

    pub(super) async fn delete_object(&self, keys: &S3Keys, bucket: &BucketName, key: &str) -> Result<(), StoreError> {
        self.delete_version(keys, bucket, key, None).await
    }

    async fn delete_version(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        key: &str,
        version: Option<String>,
    ) -> Result<(), StoreError> {
        let call = self.client.delete_object().bucket(bucket.as_str()).key(sdk_key(key)).set_version_id(version);
        let call = call.customize().mutate_request(key_in_path(key));
        match self.send("DeleteObject", call.config_override(signed_by(keys)).send()).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(from_sdk(&error, &bucket_subject(bucket))),
        }
    }
}

fn signed_by(keys: &S3Keys) -> Builder {
    let secret_key = keys.secret_key.expose_secret();
    Config::builder().credentials_provider(Credentials::new(&keys.access_key, secret_key, None, None, "customer"))
}

/// The key as the SDK takes it: it refuses keys that consist of whitespace, which S3 allows.
fn sdk_key(key: &str) -> &str {
    if is_blank(key) { BLANK_KEY } else { key }
}

/// Puts a key that the SDK doesn't take into the request, before it is signed.
fn key_in_path(key: &str) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    let path = is_blank(key).then(|| format!("/{}", percent_encode(key.as_bytes(), NON_ALPHANUMERIC)));
    move |request| {
        let Some(path) = &path else { return };
        let uri = request.uri().replacen(&format!("/{BLANK_KEY}"), path, 1);
        request.set_uri(uri).expect("percent-encoded text is valid in a path");
    }
}

fn is_blank(key: &str) -> bool {
    !key.is_empty() && key.trim().is_empty()
}

fn bucket_subject(bucket: &BucketName) -> String {
    format!("bucket {bucket}")
}

fn object_subject(bucket: &BucketName, key: &str) -> String {
    format!("object {bucket}/{key}")
}

fn summary(key: String, size: Option<i64>, last_modified: Option<DateTime>) -> ObjectSummary {
    ObjectSummary {
        key,
        size: ByteCount::from_i64(size.unwrap_or_default()),
        last_modified: last_modified.and_then(timestamp).unwrap_or_default(),
    }
}

fn timestamp(time: DateTime) -> Option<Timestamp> {
    Timestamp::from_timestamp(time.secs(), time.subsec_nanos())
}

fn from_sdk<E>(error: &SdkError<E, HttpResponse>, subject: &str) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) if answer.raw().status().is_success() => {
            StoreError::Misconfigured(format!("the answer about {subject} isn't what S3 sends"))
        }
        SdkError::ServiceError(answer) => {
            let (code, message) = (answer.err().code().unwrap_or(""), answer.err().message().unwrap_or(""));
            failure(Api::S3, answer.raw().status().as_u16(), code, message, subject)
        }
        SdkError::ConstructionFailure(_) => {
            StoreError::refused("InvalidRequest", format!("S3 has no request for {subject}"))
        }
        other => unavailable(other),
    }
}
