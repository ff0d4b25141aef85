//! What a real radosgw's Admin Ops answer to those who ask for too much, too late or with too few rights.

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter, S3KeyFilter,
    TopicConfiguration,
};
use chrono::{DurationRound, TimeDelta};
use model::{ByteCount, Clock, S3Uid, SystemClock};
use object_store::ceph::{CephConfig, CephStore};
use object_store::{Access, NewUser, ObjectStore, Removal, S3Keys, StoreError, Topic};
use reqwest::Method;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::fixture::{Account, ceph, ceph_config};
use crate::notifications::topic;
use crate::raw;

const NO_LAG: TimeDelta = TimeDelta::zero();

/// The store as an administrator with these caps and no others sees it.
async fn store_with_caps(account: &Account, caps: &str) -> CephStore {
    if !caps.is_empty() {
        let query = [("caps", ""), ("uid", account.uid().as_str()), ("user-caps", caps)];
        assert_eq!(raw::admin(Method::PUT, "user", &query).await.outcome(), "200 ");
    }
    CephStore::new(CephConfig {
        admin_access_key: account.keys().access_key.clone(),
        admin_secret_key: account.keys().secret_key.clone(),
        ..ceph_config()
    })
    .unwrap()
}

fn assert_needs<T: std::fmt::Debug>(answer: Result<T, StoreError>, cap: &str) {
    match answer {
        Err(StoreError::Misconfigured(reason)) => assert!(reason.ends_with(&format!("the cap {cap}")), "{reason}"),
        other => panic!("expected a want of {cap}, not {other:?}"),
    }
}

#[tokio::test]
async fn a_missing_cap_is_named() {
    let account = Account::create(&ceph()).await;
    let (uid, keys) = (S3Uid::random(), S3Keys::generate());
    let new = NewUser { uid: uid.clone(), display_name: "Ada".into(), keys: keys.clone(), max_buckets: 1 };
    let hour = SystemClock.now().duration_trunc(TimeDelta::hours(1)).unwrap();

    let store = store_with_caps(&account, "").await;
    assert_needs(store.health().await, "users=read");
    assert_needs(store.administrator().await, "users=read");
    assert_needs(store.user(&uid).await, "users=read");

    let store = store_with_caps(&account, "users=read").await;
    store.health().await.unwrap();
    let administrator = store.administrator().await.unwrap();
    assert_eq!(administrator.uid, account.uid().as_str());
    assert_eq!(administrator.caps, [("users".to_owned(), "read".to_owned())].into());
    store.users(None, 1).await.unwrap();
    assert_needs(store.create_user(&new).await, "users=write");
    assert_needs(store.add_keys(account.uid(), &keys).await, "users=write");
    assert_needs(store.set_access(account.uid(), Access::ReadOnly).await, "users=write");
    assert_needs(store.set_user_quota(account.uid(), ByteCount::ZERO).await, "users=write");
    assert_needs(store.buckets(None, 1).await, "metadata=read");
    assert_needs(store.bucket("some-bucket").await, "buckets=read");
    assert_needs(store.purge_bucket("some-bucket").await, "buckets=write");
    assert_needs(store.usage(account.uid(), hour, hour + TimeDelta::hours(1)).await, "usage=read");
    assert_needs(store.usage_of_all(hour).await, "usage=read");
    assert_needs(store.trim_usage(account.uid(), hour, hour + TimeDelta::hours(1)).await, "usage=write");

    let all = store_with_caps(&account, "users=*;buckets=*;usage=*;metadata=read").await;
    all.create_user(&new).await.unwrap();
    all.buckets(None, 1).await.unwrap();
    assert_eq!(all.bucket(account.bucket_name("missing").as_str()).await.unwrap(), None);
    all.usage_of_all(hour).await.unwrap();
    all.trim_usage(&uid, hour, hour + TimeDelta::hours(1)).await.unwrap();
    all.delete_user(&uid).await.unwrap();
    account.remove().await;
}

/// What the store is built on, in radosgw's own words.
#[tokio::test]
async fn impossible_administration_is_refused_by_its_reason() {
    let (account, other) = (Account::create(&ceph()).await, Account::create(&ceph()).await);
    let bucket = account.create_bucket("full").await;
    account.put(&bucket, "key", 1).await.unwrap();
    let (uid, others, nobody) = (account.uid().as_str(), other.uid().as_str(), S3Uid::random());
    let (nobody, email) = (nobody.as_str(), format!("{uid}@example.org"));
    let set_email = [("uid", uid), ("email", email.as_str())];
    assert_eq!(raw::admin(Method::POST, "user", &set_email).await.outcome(), "200 ");
    let access_key = other.keys().access_key.as_str();
    let name = ("display-name", "Ada");
    for (method, resource, query, outcome) in [
        (Method::PUT, "user", vec![("uid", uid), ("display-name", "Bob")], "409 UserAlreadyExists"),
        (Method::PUT, "user", vec![("uid", nobody), name, ("email", email.as_str())], "409 EmailExists"),
        (Method::PUT, "user", vec![("uid", nobody), name, ("access-key", access_key)], "409 KeyExists"),
        (Method::PUT, "user", vec![("uid", nobody)], "400 InvalidArgument"),
        (Method::POST, "user", vec![("uid", nobody), name], "404 NoSuchUser"),
        (Method::POST, "user", vec![("uid", nobody), ("suspended", "True")], "404 NoSuchUser"),
        (Method::GET, "user", vec![("uid", nobody)], "404 NoSuchUser"),
        (Method::PUT, "user", vec![("caps", ""), ("uid", nobody), ("user-caps", "users=read")], "404 NoSuchUser"),
        (Method::PUT, "user", vec![("caps", ""), ("uid", uid), ("user-caps", "cats=read")], "400 InvalidCapability"),
        (Method::PUT, "user", vec![("key", ""), ("uid", nobody)], "404 NoSuchUser"),
        (Method::DELETE, "user", vec![("key", ""), ("uid", uid), ("access-key", "GONE")], "403 InvalidAccessKeyId"),
        (Method::DELETE, "user", vec![("uid", uid)], "409 BucketAlreadyExists"),
        (Method::DELETE, "bucket", vec![("bucket", bucket.as_str())], "409 BucketNotEmpty"),
    ] {
        let answer = raw::admin(method.clone(), resource, &query).await;
        assert_eq!(answer.outcome(), outcome, "{method} {resource} {query:?}: {}", answer.body);
    }
    // A bucket that isn't the named user's is left out without a word.
    let query = [("bucket", bucket.as_str()), ("uid", others), ("stats", "True")];
    let answer = raw::admin(Method::GET, "bucket", &query).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
    assert_eq!(ceph().bucket_usages(other.uid()).await.unwrap(), []);
    assert_eq!(ceph().user(account.uid()).await.unwrap().unwrap().display_name, "Ada");
    other.remove().await;
    account.remove().await;
}

#[tokio::test]
async fn clocks_that_differ_are_a_misconfiguration() {
    let account = Account::create(&ceph()).await;
    let ask = async |ahead| {
        let query = [("uid", account.uid().as_str())];
        raw::request(&raw::administrator(), Method::GET, "/admin/user", &query, &[], ahead).await
    };
    assert_eq!(ask(NO_LAG).await.status, 200);
    for ahead in [TimeDelta::hours(1), TimeDelta::hours(-1)] {
        let refused = ask(ahead).await;
        assert_eq!(refused.outcome(), "403 RequestTimeTooSkewed", "{ahead}");
        let error = store_that_answers(&refused).await.user(account.uid()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Misconfigured(reason) if reason.contains("clocks")), "{error:?}");
    }
    account.remove().await;
}

/// A store whose server gives one answer, whatever it is asked.
async fn store_that_answers(answer: &raw::Answer) -> CephStore {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let raw::Answer { status, body } = answer;
    let text = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let _ = client.read(&mut [0; 4096]).await;
        client.write_all(text.as_bytes()).await.unwrap();
    });
    CephStore::new(CephConfig { admin_url: url.clone(), s3_url: url, ..ceph_config() }).unwrap()
}

#[tokio::test]
async fn overlong_names_do_no_harm() {
    let account = Account::create(&ceph()).await;
    let (store, long) = (ceph(), "x".repeat(3000));
    assert_eq!(store.bucket(&long).await.unwrap(), None);
    assert_eq!(store.purge_bucket(&long).await, Ok(Removal::Absent));
    assert_eq!(store.purge_bucket("").await, Ok(Removal::Absent));
    store.remove_key(account.uid(), &long).await.unwrap();
    let named = NewUser { display_name: long.clone(), keys: S3Keys::generate(), uid: S3Uid::random(), max_buckets: 1 };
    match store.create_user(&named).await {
        Ok(()) => {
            assert_eq!(store.user(&named.uid).await.unwrap().unwrap().display_name, long);
            store.delete_user(&named.uid).await.unwrap();
        }
        Err(error) => assert!(!error.is_retryable(), "{error:?}"),
    }
    assert_eq!(store.notified_topic(account.keys(), &long).await, Err(StoreError::NotFound(format!("bucket {long}"))));
    account.create_bucket("still").await;
    account.remove().await;
}

#[tokio::test]
async fn customers_own_notifications_stay() {
    let account = Account::create(&ceph()).await;
    let (store, bucket) = (account.store.clone(), account.create_bucket("events").await);
    let (own, customers, gone) = (topic("own"), topic("customers"), topic(S3Uid::random().as_str()));
    let client = crate::ceph_buckets::s3_client(account.keys());
    let arn = |name: &str| format!("arn:aws:sns:default::{name}");
    for topic in [&own, &customers, &gone] {
        store.put_topic(topic).await.unwrap();
    }
    let entry = |id: &str, topic: &str| {
        let event = Event::S3ObjectCreatedPut;
        let key = FilterRule::builder().name(FilterRuleName::Prefix).value("inbox/").build();
        let filter = S3KeyFilter::builder().filter_rules(key).build();
        let filter = NotificationConfigurationFilter::builder().key(filter).build();
        let configuration = TopicConfiguration::builder().id(id).topic_arn(arn(topic));
        configuration.events(event).filter(filter).build().unwrap()
    };
    // One whose topic will be gone and two from an earlier Purser are among them.
    let all = NotificationConfiguration::builder()
        .topic_configurations(entry("mine", &customers.name))
        .topic_configurations(entry("purser", &customers.name))
        .topic_configurations(entry("purser", &gone.name))
        .topic_configurations(entry("other", &gone.name));
    let put = client.put_bucket_notification_configuration().bucket(bucket.as_str());
    put.notification_configuration(all.build()).send().await.unwrap();
    let shown = async || {
        let get = client.get_bucket_notification_configuration().bucket(bucket.as_str());
        let mut found = get.send().await.unwrap().topic_configurations.unwrap_or_default();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    };
    let before = shown().await;
    assert_eq!(before.len(), 4);
    assert_eq!(store.notified_topic(account.keys(), bucket.as_str()).await, Ok(None), "there are two");
    let delete = [("Action", "DeleteTopic"), ("Version", "2010-03-31"), ("TopicArn", &arn(&gone.name))];
    let keys = raw::administrator();
    for deleted in [false, true] {
        if deleted {
            let answer = raw::request(&keys, Method::POST, "/", &[], &delete, NO_LAG).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        store.notify(account.keys(), bucket.as_str(), &own.name).await.unwrap();
        let notified = store.notified_topic(account.keys(), bucket.as_str()).await.unwrap();
        assert_eq!(notified.as_deref(), Some(own.name.as_str()));
        let after = shown().await;
        let others: Vec<_> = after.iter().filter(|entry| entry.id() != Some("purser")).collect();
        let kept: Vec<_> = before.iter().filter(|entry| entry.id() != Some("purser")).collect();
        assert!(!kept.is_empty());
        for entry in &kept {
            let is_kept = others.contains(entry);
            assert!(is_kept || (deleted && entry.id() == Some("other")), "{entry:?} of {after:?}");
        }
        assert_eq!(after.len() - others.len(), 1, "{after:?}");
        let ours = after.iter().find(|entry| entry.id() == Some("purser")).unwrap();
        assert_eq!((ours.topic_arn(), ours.events().len()), (arn(&own.name).as_str(), 2));
        assert!(ours.filter().is_none(), "{ours:?}");
    }
    account.remove().await;
}

#[tokio::test]
async fn a_topic_s_settings_reach_radosgw() {
    let store = ceph();
    let mut topic = topic("settings");
    let get = async |name: &str| {
        let form =
            [("Action", "GetTopic"), ("Version", "2010-03-31"), ("TopicArn", &format!("arn:aws:sns:default::{name}"))];
        raw::request(&raw::administrator(), Method::POST, "/", &[], &form, NO_LAG).await.body
    };
    for (ack_level, persistent) in [("none", false), ("broker", true), ("routable", false)] {
        (topic.ack_level, topic.persistent) = (ack_level.parse().unwrap(), persistent);
        store.put_topic(&topic).await.unwrap();
        let shown = get(&topic.name).await;
        for expected in [
            format!("amqp-ack-level={ack_level}"),
            format!("persistent={persistent}"),
            "amqp-exchange=s3.rgw".to_owned(),
            format!("push-endpoint={}", topic.push_endpoint.expose_secret()),
        ] {
            assert!(shown.contains(&expected), "{expected}: {shown}");
        }
        assert!(shown.contains(&format!("<Name>{}</Name>", topic.name)), "{shown}");
    }
    let unreadable = Topic { push_endpoint: "amqp://no broker/".into(), ..topic.clone() };
    // The second is what radosgw says about a password where it doesn't believe that the connection is encrypted.
    let unencrypted = raw::Answer { status: 400, body: "<Error><Code>InvalidInput</Code></Error>".to_owned() };
    let unencrypted = store_that_answers(&unencrypted).await.put_topic(&topic).await;
    for refused in [store.put_topic(&unreadable).await, unencrypted] {
        match refused {
            Err(StoreError::Misconfigured(reason)) => assert!(reason.contains("rgw trust forwarded https"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
