//! What only a store behind a network and credentials can get wrong.

use std::time::{Duration, Instant};

use chrono::{DurationRound, TimeDelta};
use model::{Clock, S3Uid, SystemClock};
use object_store::ceph::{CephConfig, CephStore};
use object_store::{NewUser, ObjectStore, S3Keys, StoreError};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::fixture::{Account, ceph, ceph_config, refusal_code, when_usage};

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
    let started = SystemClock.now();
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
