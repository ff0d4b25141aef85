//! Admin Ops: users, quotas, bucket statistics and the usage log.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DurationRound, TimeDelta};
use model::{ByteCount, S3Uid, Timestamp};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use super::answers::{Api, BucketAnswer, ErrorBody, UsageAnswer, UserAnswer, failure};
use super::sign::{query_string, signature_headers};
use super::{CephConfig, unavailable};
use crate::{BucketUsage, NewUser, Removal, S3Keys, StoreError, UsageRecord};

const HOUR: TimeDelta = TimeDelta::hours(1);
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct AdminOps {
    http: reqwest::Client,
    base_url: String,
    access_key: String,
    secret_key: SecretString,
}

impl AdminOps {
    pub(super) fn new(config: CephConfig) -> Result<Self, StoreError> {
        // The process may have chosen its provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(config.request_timeout)
            .connect_timeout(config.request_timeout.min(CONNECT_TIMEOUT_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| StoreError::Misconfigured(format!("no HTTP client: {error}")))?;
        Ok(Self {
            http,
            base_url: base_url(&config.admin_url),
            access_key: config.admin_access_key,
            secret_key: config.admin_secret_key,
        })
    }

    pub(super) async fn create_user(&self, user: &NewUser) -> Result<(), StoreError> {
        if user.max_buckets == 0 {
            // radosgw takes 0 for "no limit".
            return Err(StoreError::refused("InvalidArgument", "max_buckets must be at least 1"));
        }
        let parameters = [
            ("uid", user.uid.as_str()),
            ("display-name", user.display_name.as_str()),
            ("access-key", user.keys.access_key.as_str()),
            ("secret-key", user.keys.secret_key.expose_secret()),
            ("max-buckets", &user.max_buckets.to_string()),
        ];
        let conflict = match self.call(Method::PUT, "user", &parameters, &subject(&user.uid)).await {
            Err(conflict @ StoreError::Conflict(_)) => conflict,
            answer => return answer.map(|_| ()),
        };
        match self.user(&user.uid).await? {
            Some(existing) if existing.has_keys(&user.keys) => Ok(()),
            _ => Err(conflict),
        }
    }

    pub(super) async fn user(&self, uid: &S3Uid) -> Result<Option<UserAnswer>, StoreError> {
        match self.get_json("user", &[("uid", uid.as_str())], &subject(uid)).await {
            Ok(user) => Ok(Some(user)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError> {
        match self.call(Method::DELETE, "user", &[("uid", uid.as_str())], &subject(uid)).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        let parameters = [
            ("key", ""),
            ("uid", uid.as_str()),
            ("access-key", keys.access_key.as_str()),
            ("secret-key", keys.secret_key.expose_secret()),
            ("generate-key", "False"),
        ];
        self.call(Method::PUT, "user", &parameters, &subject(uid)).await?;
        let user = self.user(uid).await?.ok_or_else(|| StoreError::NotFound(subject(uid)))?;
        for other in user.access_keys().filter(|access_key| *access_key != keys.access_key) {
            self.remove_key(uid, other).await?;
        }
        Ok(())
    }

    async fn remove_key(&self, uid: &S3Uid, access_key: &str) -> Result<(), StoreError> {
        let parameters = [("key", ""), ("uid", uid.as_str()), ("access-key", access_key)];
        let Err(error) = self.call(Method::DELETE, "user", &parameters, &subject(uid)).await else { return Ok(()) };
        // radosgw's answer about a key that is gone already looks like the one to a wrong administrator.
        match self.user(uid).await? {
            Some(user) if user.access_keys().any(|existing| existing == access_key) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn set_suspended(&self, uid: &S3Uid, suspended: bool) -> Result<(), StoreError> {
        let parameters = [("uid", uid.as_str()), ("suspended", if suspended { "True" } else { "False" })];
        self.call(Method::POST, "user", &parameters, &subject(uid)).await.map(|_| ())
    }

    pub(super) async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError> {
        let parameters = [
            ("quota", ""),
            ("uid", uid.as_str()),
            ("quota-type", "user"),
            ("max-size", &quota.to_i64().to_string()),
            ("max-objects", "-1"),
            ("enabled", "true"),
        ];
        self.call(Method::PUT, "user", &parameters, &subject(uid)).await.map(|_| ())
    }

    pub(super) async fn purge_bucket(&self, bucket: &str) -> Result<Removal, StoreError> {
        let parameters = [("bucket", bucket), ("purge-objects", "true")];
        match self.call(Method::DELETE, "bucket", &parameters, &format!("bucket {bucket}")).await {
            Ok(_) => Ok(Removal::Removed),
            // A radosgw without Admin Ops says the same of the bucket that it takes `admin` for.
            Err(StoreError::Misconfigured(reason)) if reason.contains("NoSuchBucket") => {
                self.health().await.map(|()| Removal::Absent)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn bucket_usages(&self, uid: &S3Uid) -> Result<Vec<BucketUsage>, StoreError> {
        let parameters = [("uid", uid.as_str()), ("stats", "True")];
        let buckets: Vec<BucketAnswer> = match self.get_json("bucket", &parameters, &subject(uid)).await {
            Ok(buckets) => buckets,
            Err(StoreError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut usages: Vec<BucketUsage> = buckets.into_iter().map(BucketUsage::from).collect();
        usages.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(usages)
    }

    pub(super) async fn usage(
        &self,
        uid: &S3Uid,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let (from, to) = whole_hours(from, to)?;
        // radosgw leaves out the entries without a bucket in the hour that `start` names, so start one earlier.
        let (start, end) = (radosgw_time(from - HOUR), radosgw_time(to));
        let parameters = [
            ("uid", uid.as_str()),
            ("start", &start),
            ("end", &end),
            ("show-entries", "True"),
            ("show-summary", "False"),
        ];
        match self.get_json::<UsageAnswer>("usage", &parameters, &subject(uid)).await {
            Ok(answer) => Ok(answer.into_records(from, to)),
            Err(StoreError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Looks the administrator up: one indexed read that needs valid credentials and the cap `users`.
    pub(super) async fn health(&self) -> Result<(), StoreError> {
        let parameters = [("access-key", self.access_key.as_str())];
        match self.get_json::<UserAnswer>("user", &parameters, "the administrator").await {
            Ok(_) => Ok(()),
            Err(StoreError::NotFound(subject)) => {
                Err(StoreError::Misconfigured(format!("{subject} is unknown to radosgw")))
            }
            Err(error) => Err(error),
        }
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        resource: &str,
        parameters: &[(&str, &str)],
        subject: &str,
    ) -> Result<T, StoreError> {
        let body = self.call(Method::GET, resource, parameters, subject).await?;
        // Only the place is shown: serde's own message may quote the answer, which may hold a secret.
        serde_json::from_slice(&body).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            StoreError::Misconfigured(format!("the answer about {subject} isn't what radosgw sends, at {place}"))
        })
    }

    async fn call(
        &self,
        method: Method,
        resource: &str,
        parameters: &[(&str, &str)],
        subject: &str,
    ) -> Result<Bytes, StoreError> {
        let url = format!("{}/admin/{resource}?{}", self.base_url, query_string(parameters));
        let headers = signature_headers(&method, &url, &self.access_key, self.secret_key.expose_secret())?;
        let response = self.http.request(method, url).headers(headers).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT) {
            return Ok(body);
        }
        let error: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
        Err(failure(Api::Admin, status.as_u16(), &error.code, &error.message, subject))
    }
}

/// A network failure, without the URL: its query may hold a secret key.
fn unreachable(error: reqwest::Error) -> StoreError {
    unavailable(&error.without_url())
}

fn subject(uid: &S3Uid) -> String {
    format!("user {uid}")
}

fn base_url(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn radosgw_time(hour: Timestamp) -> String {
    hour.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `from` rounded down and `to` rounded up.
fn whole_hours(from: Timestamp, to: Timestamp) -> Result<(Timestamp, Timestamp), StoreError> {
    let rounded = |time: Timestamp| time.duration_trunc(HOUR);
    match (rounded(from), rounded(to)) {
        (Ok(first), Ok(last)) => Ok((first, if last < to { last + HOUR } else { last })),
        _ => Err(StoreError::refused("InvalidArgument", "the period can't be counted in hours")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_cover_every_hour_they_touch() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        for (from, to, first, last) in [
            ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
            ("2026-03-01T10:59:59Z", "2026-03-01T11:00:01Z", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z"),
        ] {
            assert_eq!(whole_hours(time(from), time(to)).unwrap(), (time(first), time(last)), "{from} {to}");
        }
    }
}
