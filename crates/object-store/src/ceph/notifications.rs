//! Topics, made as the administrator, and buckets' notifications, set as their owners.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use reqwest::Method;
use secrecy::ExposeSecret;

use super::answers::{Api, failure};
use super::http::{Ask, Http, Request, base_url};
use super::sign::{percent_encoded, query_string};
use super::{CephConfig, may_exist};
use crate::{S3Keys, StoreError, Topic};

/// The id of Purser's own notification in a bucket.
const NOTIFICATION_ID: &str = "purser";
const SET_ATTEMPTS_MAX: u32 = 5;
const API_VERSION: &str = "2010-03-31";
const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "application/xml";

#[derive(Debug)]
pub(super) struct Notifications {
    http: Http,
    base_url: String,
    /// radosgw takes and shows a password in an endpoint over encrypted connections only. Where the connection isn't,
    /// it believes a header if `rgw trust forwarded https` says so.
    forwarded_https: bool,
    administrator: S3Keys,
    /// The topics' resource names: these hold the zone group's name, which only radosgw knows.
    arns: Mutex<HashMap<String, String>>,
    /// radosgw keeps all topics in one object, also when a notification is set: of two changes at once, one fails with 500.
    setting: tokio::sync::Mutex<()>,
}

impl Notifications {
    pub(super) fn new(http: Http, config: &CephConfig) -> Self {
        Self {
            http,
            base_url: base_url(&config.s3_url),
            forwarded_https: config.s3_url.scheme() == "http",
            administrator: config.admin_keys(),
            arns: Mutex::default(),
            setting: tokio::sync::Mutex::default(),
        }
    }

    pub(super) async fn put_topic(&self, topic: &Topic) -> Result<(), StoreError> {
        let attributes = [
            ("push-endpoint", topic.push_endpoint.expose_secret()),
            ("amqp-exchange", topic.exchange.as_str()),
            ("amqp-ack-level", topic.ack_level.as_str()),
            ("persistent", if topic.persistent { "true" } else { "false" }),
        ];
        let mut names = Vec::new();
        for index in 1..=attributes.len() {
            names.push((format!("Attributes.entry.{index}.key"), format!("Attributes.entry.{index}.value")));
        }
        let mut parameters = vec![("Action", "CreateTopic"), ("Version", API_VERSION), ("Name", topic.name.as_str())];
        for ((key, value), (key_name, value_name)) in attributes.into_iter().zip(&names) {
            parameters.extend([(key_name.as_str(), key), (value_name.as_str(), value)]);
        }
        let subject = format!("topic {}", topic.name);
        let answer = self.alone(|| self.topics(&parameters, &subject)).await.map_err(|error| match error {
            StoreError::Refused { code, .. } => StoreError::Misconfigured(format!(
                "radosgw refuses {subject}: {code}; a password in the endpoint takes an encrypted connection, or \
                 `rgw trust forwarded https`"
            )),
            error => error,
        })?;
        let arn = elements(&answer, "TopicArn").next();
        let arn = arn.ok_or_else(|| StoreError::Misconfigured(format!("radosgw's answer about {subject} is empty")))?;
        self.arns().insert(topic.name.clone(), arn.to_owned());
        Ok(())
    }

    pub(super) async fn notify(&self, keys: &S3Keys, bucket: &str, topic: &str) -> Result<(), StoreError> {
        let arn = self.arn(topic).await?;
        let (own, others): (Vec<_>, Vec<_>) = self.notifications(keys, bucket).await?.into_iter().partition(is_own);
        // radosgw keeps one notification for each pair of id and topic, and deletes one by id.
        let stale = own.iter().filter(|block| elements(block, "Topic").next() != Some(arn.as_str())).count();
        if stale > 0 {
            for _ in &own {
                let query = [("notification", NOTIFICATION_ID)];
                self.bucket_call(Method::DELETE, keys, bucket, &query, None).await?;
            }
        }
        let own = format!(
            "<TopicConfiguration><Id>{NOTIFICATION_ID}</Id><Topic>{arn}</Topic>\
             <Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event></TopicConfiguration>"
        );
        // radosgw adds to what there is, other stores of this API replace it: repeating the others suits both.
        match self.put_notifications(keys, bucket, &format!("{}{own}", others.concat())).await {
            Err(StoreError::Refused { code, .. }) if code == "NoSuchKey" && !others.is_empty() => {
                // Somebody else's topic is gone.
                self.put_notifications(keys, bucket, &own).await
            }
            answer => answer,
        }
        .map_err(|error| match error {
            StoreError::Refused { code, .. } if code == "NoSuchKey" => {
                self.arns().remove(topic);
                StoreError::NotFound(format!("topic {topic}"))
            }
            error => error,
        })
    }

    pub(super) async fn notified_topic(&self, keys: &S3Keys, bucket: &str) -> Result<Option<String>, StoreError> {
        let notifications = self.notifications(keys, bucket).await?;
        let mut own = notifications.iter().filter(is_own);
        let (Some(only), None) = (own.next(), own.next()) else { return Ok(None) };
        let arn = elements(only, "Topic").next();
        Ok(arn.and_then(|arn| arn.rsplit(':').next()).map(str::to_owned))
    }

    /// A topic's resource name, from the list of topics where this process didn't make it.
    async fn arn(&self, topic: &str) -> Result<String, StoreError> {
        if let Some(arn) = self.arns().get(topic) {
            return Ok(arn.clone());
        }
        let subject = format!("topic {topic}");
        let topics = self.topics(&[("Action", "ListTopics"), ("Version", API_VERSION)], &subject).await?;
        let found = elements(&topics, "TopicArn").find(|arn| arn.rsplit(':').next() == Some(topic));
        let arn = found.ok_or(StoreError::NotFound(subject))?.to_owned();
        self.arns().insert(topic.to_owned(), arn.clone());
        Ok(arn)
    }

    fn arns(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.arns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket's `TopicConfiguration` elements, as they stand in the answer.
    async fn notifications(&self, keys: &S3Keys, bucket: &str) -> Result<Vec<String>, StoreError> {
        let answer = self.bucket_call(Method::GET, keys, bucket, &[("notification", "")], None).await?;
        let wrapped = |inner: &str| format!("<TopicConfiguration>{inner}</TopicConfiguration>");
        Ok(elements(&answer, "TopicConfiguration").map(wrapped).collect())
    }

    async fn put_notifications(&self, keys: &S3Keys, bucket: &str, blocks: &str) -> Result<(), StoreError> {
        let namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
        let body = format!(r#"<NotificationConfiguration xmlns="{namespace}">{blocks}</NotificationConfiguration>"#);
        let query = [("notification", "")];
        let put = || self.bucket_call(Method::PUT, keys, bucket, &query, Some((XML, body.clone())));
        self.alone(put).await.map(|_| ())
    }

    /// Makes a change while no other is made here, and again where another process makes one at the same moment.
    async fn alone<T, F>(&self, change: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let _setting = self.setting.lock().await;
        for _ in 1..SET_ATTEMPTS_MAX {
            match change().await {
                Err(StoreError::Unavailable(_)) => {
                    let wait = Duration::from_millis(rand::rng().random_range(5..50));
                    tokio::time::sleep(wait).await;
                }
                answer => return answer,
            }
        }
        change().await
    }

    async fn bucket_call(
        &self,
        method: Method,
        keys: &S3Keys,
        bucket: &str,
        query: &[(&str, &str)],
        body: Option<(&'static str, String)>,
    ) -> Result<String, StoreError> {
        let subject = format!("bucket {bucket}");
        if !may_exist(bucket) {
            return Err(StoreError::NotFound(subject));
        }
        let url = format!("{}/{}?{}", self.base_url, percent_encoded(bucket), query_string(query));
        let request = Request { method, url, body, forwarded_https: false };
        self.call(request, keys, &subject).await
    }

    /// A call of the topics' API, whose parameters make the body: in the query, the attributes would get lost.
    async fn topics(&self, parameters: &[(&str, &str)], subject: &str) -> Result<String, StoreError> {
        let request = Request {
            method: Method::POST,
            url: format!("{}/", self.base_url),
            body: Some((FORM, query_string(parameters))),
            forwarded_https: self.forwarded_https,
        };
        self.call(request, &self.administrator, subject).await
    }

    async fn call(&self, request: Request, keys: &S3Keys, subject: &str) -> Result<String, StoreError> {
        let answer = self.http.send(request, keys, Ask::IfUp).await?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status.is_success() {
            return Ok(body);
        }
        let text = |name| elements(&body, name).next().unwrap_or_default();
        match text("Code") {
            // Of the topic, which `failure` can't know.
            code @ "NoSuchKey" => Err(StoreError::refused(code, "The topic doesn't exist")),
            code => Err(failure(Api::S3, answer.status.as_u16(), code, text("Message"), subject)),
        }
    }
}

fn is_own(block: &impl AsRef<str>) -> bool {
    elements(block.as_ref(), "Id").next() == Some(NOTIFICATION_ID)
}

/// What stands in each element of that name, which must not nest or have attributes; radosgw's own answers have none.
fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, behind) = rest.split_once(&open)?;
        let (inner, behind) = behind.split_once(&close)?;
        rest = behind;
        Some(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_their_order() {
        let xml = "<A><Id>one</Id><Ids>no</Ids></A><A><Id>purser</Id></A><A>";
        assert_eq!(elements(xml, "A").collect::<Vec<_>>(), ["<Id>one</Id><Ids>no</Ids>", "<Id>purser</Id>"]);
        assert_eq!(elements(xml, "Id").collect::<Vec<_>>(), ["one", "purser"]);
        assert_eq!(elements(xml, "B").next(), None);
        assert_eq!(elements(xml, "A").filter(is_own).count(), 1);
    }
}
