//! Objects and quotas.

use bytes::Bytes;
use chrono::TimeDelta;
use model::{ByteCount, Clock, SystemClock};
use object_store::{ListObjects, ObjectVersion, S3Keys, StoreError};

use crate::fixture::{Account, Store, refusal_code};

pub(crate) async fn objects_come_back_byte_for_byte(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("bytes").await;
    let bodies = [
        ("empty", Bytes::new()),
        ("a/b/ü & é+*,=%?#'", Bytes::from_static(b"\0\xff\r\n")),
        ("large", (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect()),
    ];
    for (key, body) in &bodies {
        store.put_object(account.keys(), &bucket, key, body.clone()).await.unwrap();
        assert_eq!(store.get_object(account.keys(), &bucket, key).await.unwrap(), body, "{key}");
    }
    store.put_object(account.keys(), &bucket, "empty", Bytes::from_static(b"replaced")).await.unwrap();
    assert_eq!(store.get_object(account.keys(), &bucket, "empty").await.unwrap(), "replaced");
    account.remove().await;
}

pub(crate) async fn impossible_keys_are_refused(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("keys").await;
    for key in ["", &"k".repeat(1025)] {
        refusal_code(account.put(&bucket, key, 1).await);
    }
    account.put(&bucket, &"k".repeat(1024), 1).await.unwrap();
    account.remove().await;
}

pub(crate) async fn what_is_missing_is_not_found(store: Store) {
    let account = Account::create(&store).await;
    let (bucket, missing) = (account.create_bucket("some").await, account.bucket_name("none"));
    let not_found = |subject: String| Some(StoreError::NotFound(subject));
    let answer = store.get_object(account.keys(), &bucket, "key").await;
    assert_eq!(answer.err(), not_found(format!("object {bucket}/key")));
    assert_eq!(account.put(&missing, "key", 1).await.err(), not_found(format!("bucket {missing}")));
    let list = ListObjects::all(missing.clone());
    assert_eq!(store.list_objects(account.keys(), &list).await.err(), not_found(format!("bucket {missing}")));
    let versions = store.list_object_versions(account.keys(), &missing, None, 1).await;
    assert_eq!(versions.err(), not_found(format!("bucket {missing}")));
    let object = store.object(account.keys(), &missing, "key").await;
    assert_eq!(object.err(), not_found(format!("bucket {missing}")));
    let gone = [ObjectVersion { key: "key".into(), version: None }];
    let bulk = store.delete_objects(account.keys(), &missing, &gone).await;
    assert_eq!(bulk.err(), not_found(format!("bucket {missing}")));
    store.delete_objects(account.keys(), &bucket, &gone).await.unwrap();
    store.delete_object(account.keys(), &bucket, "key").await.unwrap();
    account.remove().await;
}

pub(crate) async fn an_object_is_described_or_absent(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let bucket = account.create_bucket("head").await;
    let before = SystemClock.now() - TimeDelta::seconds(1);
    for (key, len) in [("a/b & c%2F+?#", 4097), ("empty", 0)] {
        account.put(&bucket, key, len).await.unwrap();
        let object = store.object(account.keys(), &bucket, key).await.unwrap().unwrap();
        assert_eq!((object.key.as_str(), object.size.bytes()), (key, len as u64));
        assert!(before < object.last_modified && object.last_modified <= SystemClock.now(), "{object:?}");
    }
    for key in ["a", "a/b", "EMPTY", "empty/"] {
        assert_eq!(store.object(account.keys(), &bucket, key).await.unwrap(), None, "{key}");
    }
    let unknown = S3Keys::generate();
    let wrong = S3Keys { access_key: account.keys().access_key.clone(), ..S3Keys::generate() };
    for (keys, code) in
        [(other.keys(), "AccessDenied"), (&unknown, "InvalidAccessKeyId"), (&wrong, "SignatureDoesNotMatch")]
    {
        assert_eq!(refusal_code(store.object(keys, &bucket, "empty").await), code);
    }
    refusal_code(store.object(account.keys(), &bucket, &"k".repeat(1025)).await);
    other.remove().await;
    account.remove().await;
}

pub(crate) async fn the_quota_counts_blocks(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("quota").await;
    store.set_user_quota(account.uid(), ByteCount::from_bytes(3 * 4096 + 1)).await.unwrap();
    account.put(&bucket, "one", 1).await.unwrap();
    account.put(&bucket, "two", 4097).await.unwrap();
    let refused = account.put(&bucket, "three", 1).await.unwrap_err();
    let expected = StoreError::Refused { code: "QuotaExceeded".into(), message: "The storage quota is used up".into() };
    assert_eq!(refused, expected);
    store.delete_object(account.keys(), &bucket, "one").await.unwrap();
    account.put(&bucket, "three", 1).await.unwrap();
    store.set_user_quota(account.uid(), ByteCount::from_gb(1)).await.unwrap();
    account.put(&bucket, "four", 10_000).await.unwrap();
    account.remove().await;
}

pub(crate) async fn a_quota_of_nothing_takes_nothing(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("none").await;
    store.set_user_quota(account.uid(), ByteCount::ZERO).await.unwrap();
    assert_eq!(store.user(account.uid()).await.unwrap().unwrap().quota, Some(ByteCount::ZERO));
    assert_eq!(refusal_code(account.put(&bucket, "key", 1).await), "QuotaExceeded");
    account.remove().await;
}
