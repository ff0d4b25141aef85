//! Admin Ops: users, keys, quotas, buckets and the usage log.

mod buckets;
mod usage;
mod users;

use std::time::Instant;

use bytes::Bytes;
use chrono::TimeDelta;
use model::S3Uid;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::CephConfig;
use super::answers::{Api, ErrorBody, NamesAnswer, UserAnswer, failure, needs_cap};
use super::http::{Answer, Ask, Http, Request, base_url};
use super::sign::query_string;
use crate::observe;
use crate::types::PAGE_LEN_MAX;
use crate::{Administrator, NamePage, S3Keys, StoreError};

#[derive(Debug)]
pub(super) struct AdminOps {
    http: Http,
    base_url: String,
    keys: S3Keys,
}

impl AdminOps {
    pub(super) fn new(http: Http, config: &CephConfig) -> Self {
        Self { http, base_url: base_url(&config.admin_url), keys: config.admin_keys() }
    }

    /// Looks the administrator up: one indexed read that needs valid credentials and the cap `users`.
    pub(super) async fn health(&self) -> Result<(), StoreError> {
        self.look_up_administrator(Ask::Always).await.map(|_| ())
    }

    pub(super) async fn administrator(&self) -> Result<Administrator, StoreError> {
        let (user, clock_ahead) = self.look_up_administrator(Ask::IfUp).await?;
        let clock_ahead = clock_ahead
            .ok_or_else(|| StoreError::Misconfigured("the answers about the administrator have no date".to_owned()))?;
        Ok(user.into_administrator(clock_ahead))
    }

    async fn look_up_administrator(&self, ask: Ask) -> Result<(UserAnswer, Option<TimeDelta>), StoreError> {
        let (parameters, subject) = ([("access-key", self.keys.access_key.as_str())], "the administrator");
        match self.exchange(Method::GET, "user", &parameters, subject, ask).await {
            Ok(answer) => Ok((from_json(&answer.body, subject)?, answer.clock_ahead)),
            Err(StoreError::NotFound(subject)) => {
                Err(StoreError::Misconfigured(format!("{subject} is unknown to radosgw")))
            }
            Err(error) => Err(error),
        }
    }

    /// One page of a list of names.
    async fn names(
        &self,
        resource: &str,
        what: &[(&str, &str)],
        continuation: Option<&str>,
        max_entries: u32,
    ) -> Result<NamePage, StoreError> {
        let max_entries = max_entries.clamp(1, PAGE_LEN_MAX).to_string();
        let mut parameters = what.to_vec();
        parameters.push(("max-entries", &max_entries));
        parameters.extend(continuation.map(|marker| ("marker", marker)));
        let page: NamesAnswer = self.get_json(resource, &parameters, "the list of names").await?;
        Ok(page.into())
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        resource: &str,
        parameters: &[(&str, &str)],
        subject: &str,
    ) -> Result<T, StoreError> {
        from_json(&self.call(Method::GET, resource, parameters, subject).await?, subject)
    }

    async fn call(
        &self,
        method: Method,
        resource: &str,
        parameters: &[(&str, &str)],
        subject: &str,
    ) -> Result<Bytes, StoreError> {
        self.exchange(method, resource, parameters, subject, Ask::IfUp).await.map(|answer| answer.body)
    }

    async fn exchange(
        &self,
        method: Method,
        resource: &str,
        parameters: &[(&str, &str)],
        subject: &str,
        ask: Ask,
    ) -> Result<Answer, StoreError> {
        let url = format!("{}/admin/{resource}?{}", self.base_url, query_string(parameters));
        let cap = cap_for(&method, resource);
        observe::begins(&method, resource);
        let began = Instant::now();
        let request = Request { method, url, body: None, forwarded_https: false };
        let answer = self.http.send(request, &self.keys, ask).await;
        observe::ends(resource, answer.as_ref().ok().map(|answer| answer.status.as_u16()), began.elapsed());
        let answer = answer?;
        if matches!(answer.status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT) {
            return Ok(answer);
        }
        let error: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == StatusCode::FORBIDDEN && error.code == "AccessDenied" {
            return Err(needs_cap(&cap));
        }
        Err(failure(Api::Admin, answer.status.as_u16(), &error.code, &error.message, subject))
    }
}

fn from_json<T: DeserializeOwned>(body: &[u8], subject: &str) -> Result<T, StoreError> {
    // Only the place is shown: serde's own message may quote the answer, which may hold a secret.
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        StoreError::Misconfigured(format!("the answer about {subject} isn't what radosgw sends, at {place}"))
    })
}

/// The cap without which radosgw refuses the call: `usage=write`.
fn cap_for(method: &Method, resource: &str) -> String {
    let kind = match resource {
        "user" => "users",
        "bucket" => "buckets",
        other => other.split('/').next().unwrap_or(other),
    };
    format!("{kind}={}", if *method == Method::GET { "read" } else { "write" })
}

fn subject(uid: &S3Uid) -> String {
    format!("user {uid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_knows_its_cap() {
        for (method, resource, cap) in [
            (Method::GET, "user", "users=read"),
            (Method::PUT, "user", "users=write"),
            (Method::DELETE, "bucket", "buckets=write"),
            (Method::GET, "usage", "usage=read"),
            (Method::DELETE, "usage", "usage=write"),
            (Method::GET, "metadata/bucket", "metadata=read"),
        ] {
            assert_eq!(cap_for(&method, resource), cap, "{method} {resource}");
        }
    }
}
