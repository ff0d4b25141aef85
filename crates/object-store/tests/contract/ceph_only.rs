//! What only a store behind a network and credentials can get wrong.

use std::time::{Duration, Instant};

use chrono::{DurationRound, TimeDelta};
use model::S3Uid;
use object_store::ceph::{CephConfig, CephStore};
use object_store::{NewUser, ObjectStore, S3Keys, StoreError, UsageRecord};
use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{Account, ceph, ceph_config, recently, refusal_code, when_usage};

fn new_user() -> NewUser {
    NewUser { uid: S3Uid::random(), display_name: "Ada".into(), keys: S3Keys::generate(), max_buckets: 1 }
}

#[tokio::test]
async fn wrong_administrators_are_a_misconfiguration() {
    let account = Account::create(&ceph()).await;
    let right = ceph_config();
    let customer = S3Keys::clone(account.keys());
    let wrong_secret = S3Keys { access_key: right.admin_access_key.clone(), ..S3Keys::generate() };
    for keys in [wrong_secret, S3Keys::generate(), customer] {
        let config = CephConfig {
            admin_access_key: keys.access_key.clone(),
            admin_secret_key: keys.secret_key.clone(),
            ..right.clone()
        };
        let store = CephStore::new(config).unwrap();
        let user = new_user();
        let errors = [
            store.health().await.unwrap_err(),
            store.create_user(&user).await.unwrap_err(),
            store.user(account.uid()).await.unwrap_err(),
            store.delete_user(&S3Uid::random()).await.unwrap_err(),
            store.bucket_usages(account.uid()).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Misconfigured(_)), "{error:?}");
            let shown = format!("{error:?} {error} {store:?}");
            assert!(!shown.contains(keys.secret_key.expose_secret()), "{shown}");
            assert!(!shown.contains(user.keys.secret_key.expose_secret()), "{shown}");
        }
    }
    account.remove().await;
}

#[tokio::test]
async fn an_address_without_the_admin_api_is_a_misconfiguration() {
    let mut config = ceph_config();
    config.admin_url = config.admin_url.join("/elsewhere").unwrap();
    let store = CephStore::new(config).unwrap();
    for error in [store.health().await.unwrap_err(), store.delete_user(&S3Uid::random()).await.unwrap_err()] {
        assert!(matches!(error, StoreError::Misconfigured(_)), "{error:?}");
    }
    let config = CephConfig { s3_url: "ftp://127.0.0.1/".parse().unwrap(), ..ceph_config() };
    assert!(matches!(CephStore::new(config), Err(StoreError::Misconfigured(reason)) if reason.contains("s3_url")));
}

/// Every call of a store that can't be reached, as error texts; fails where one isn't `Unavailable`.
async fn assert_unavailable(store: &CephStore) {
    let (user, bucket) = (new_user(), "some-bucket".parse().unwrap());
    let errors = [
        store.health().await.unwrap_err(),
        store.create_user(&user).await.unwrap_err(),
        store.create_bucket(&user.keys, &bucket).await.unwrap_err(),
        store.get_object(&user.keys, &bucket, "key").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.is_retryable());
        assert!(!error.to_string().contains(user.keys.secret_key.expose_secret()), "{error}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "https"] {
        let url: url::Url = format!("{scheme}://{address}").parse().unwrap();
        let config = CephConfig { admin_url: url.clone(), s3_url: url, ..ceph_config() };
        assert_unavailable(&CephStore::new(config).unwrap()).await;
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let request_timeout = Duration::from_millis(300);
    let config = CephConfig { admin_url: url.clone(), s3_url: url, request_timeout, ..ceph_config() };
    let started = Instant::now();
    assert_unavailable(&CephStore::new(config).unwrap()).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop(listener);
}

/// radosgw leaves requests without a bucket out of the hour that the query starts with; the store must not.
#[tokio::test]
async fn requests_without_a_bucket_are_in_the_usage_of_the_very_hour() {
    let account = Account::create(&ceph()).await;
    for n in 0..account.user.max_buckets {
        account.create_bucket(&format!("b{n}")).await;
    }
    let started = recently();
    // At the bucket limit the store lists the user's buckets to tell their own from others'.
    let one_more = account.store.create_bucket(account.keys(), &account.bucket_name("more")).await;
    assert_eq!(refusal_code(one_more), "TooManyBuckets");
    let hour = started.duration_trunc(TimeDelta::hours(1)).unwrap();
    let records = when_usage(&account, hour, hour + TimeDelta::hours(2), |records| {
        records.iter().any(|record| record.bucket.is_empty() && record.category == "list_buckets")
    })
    .await;
    assert!(records.iter().all(|record| record.hour >= hour), "{records:?}");
    account.remove().await;
}

/// Who reads a public object without keys is nobody's customer: the bucket's owner pays.
#[tokio::test]
async fn anonymous_reads_count_to_the_bucket_s_owner() {
    let account = Account::create(&ceph()).await;
    let bucket = account.create_bucket("public").await;
    let client = crate::ceph_buckets::s3_client(account.keys());
    let public = aws_sdk_s3::types::ObjectCannedAcl::PublicRead;
    let body = aws_sdk_s3::primitives::ByteStream::from(vec![b'x'; 777]);
    client.put_object().bucket(bucket.as_str()).key("page").acl(public).body(body).send().await.unwrap();
    let url = |path: &str| ceph_config().s3_url.join(path).unwrap();
    for (path, status) in [(format!("{bucket}/page"), 200), (format!("{bucket}-missing/page"), 404)] {
        assert_eq!(reqwest::get(url(&path)).await.unwrap().status(), status, "{path}");
    }
    let hour = recently().duration_trunc(TimeDelta::hours(1)).unwrap();
    let read = |record: &UsageRecord| record.category == "get_obj" && record.successful_operations > 0;
    let records = when_usage(&account, hour, hour + TimeDelta::hours(3), |records| records.iter().any(read)).await;
    let anonymous = records.iter().find(|record| read(record)).unwrap();
    assert_eq!((anonymous.bucket.as_str(), anonymous.bytes_out.bytes()), (bucket.as_str(), 777));
    account.remove().await;
}

/// A read of an object that isn't there stands under the bucket `-`, one that was denied under the bucket of its owner.
#[tokio::test]
async fn failed_requests_are_in_the_usage_log() {
    let (account, stranger) = (Account::create(&ceph()).await, Account::create(&ceph()).await);
    let (store, bucket) = (account.store.clone(), account.create_bucket("failing").await);
    account.put(&bucket, "key", 1).await.unwrap();
    let missing = store.get_object(account.keys(), &bucket, "missing").await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
    assert_eq!(refusal_code(store.get_object(stranger.keys(), &bucket, "key").await), "AccessDenied");
    let hour = recently().duration_trunc(TimeDelta::hours(1)).unwrap();
    let failed = |records: &[UsageRecord]| {
        let reads = records.iter().filter(|record| record.category == "get_obj" && record.successful_operations == 0);
        reads.map(|record| (record.bucket.clone(), record.operations)).collect::<Vec<_>>()
    };
    let records = when_usage(&account, hour, hour + TimeDelta::hours(3), |records| failed(records).len() == 2).await;
    assert_eq!(failed(&records), [("-".to_owned(), 1), (bucket.to_string(), 1)]);
    let all = store.usage_of_all(records[0].hour).await.unwrap();
    assert!(all.iter().all(|user| user.uid != stranger.uid().as_str()), "strangers pay nothing");
    stranger.remove().await;
    account.remove().await;
}

#[tokio::test]
async fn a_store_that_is_down_fails_fast_until_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let request_timeout = Duration::from_millis(200);
    let store = CephStore::new(CephConfig { admin_url: url.clone(), s3_url: url, request_timeout, ..ceph_config() });
    let (store, user, bucket) = (store.unwrap(), new_user(), "some-bucket".parse().unwrap());
    // A caller who gives up early says nothing about the store.
    for _ in 0..5 {
        let impatient = tokio::time::timeout(Duration::from_millis(10), store.user(&user.uid)).await;
        assert!(impatient.is_err() && store.is_available());
    }
    // Neither does a purge that isn't finished in time.
    for _ in 0..4 {
        assert!(matches!(store.purge_bucket("some-bucket").await, Err(StoreError::Unavailable(_))));
        assert!(store.is_available());
    }
    assert!(matches!(store.user(&user.uid).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.get_object(&user.keys, &bucket, "key").await, Err(StoreError::Unavailable(_))));
    assert!(store.is_available());
    assert!(matches!(store.notified_topic(&user.keys, "some-bucket").await, Err(StoreError::Unavailable(_))));
    assert!(!store.is_available());
    for answer in [store.user(&user.uid).await.map(|_| ()), store.create_bucket(&user.keys, &bucket).await] {
        match answer {
            Err(StoreError::Unavailable(reason)) => assert!(reason.ends_with("; asked again in 1 s"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    // Health asks all the same; the store is back when it gets an answer.
    assert!(matches!(store.health().await, Err(StoreError::Unavailable(reason)) if !reason.contains("asked again")));
    assert!(!store.is_available());
    tokio::spawn(forward_to_ceph(listener));
    store.health().await.unwrap();
    assert!(store.is_available());
    assert_eq!(store.user(&user.uid).await, Ok(None));
}

async fn forward_to_ceph(listener: TcpListener) {
    let url = ceph_config().admin_url;
    let address = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let address = address.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
