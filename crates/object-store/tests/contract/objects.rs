//! Objects and quotas.

use bytes::Bytes;
use model::ByteCount;
use object_store::{ListObjects, StoreError};

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

pub(crate) async fn listings_go_page_by_page(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("list").await;
    assert_eq!(account.all_keys(&bucket, 1000).await, [Vec::<String>::new()]);
    for (len, key) in ["b", "a/2", "a/1", "ä", "B c"].into_iter().enumerate() {
        account.put(&bucket, key, len).await.unwrap();
    }
    let (first, second) = (vec!["B c", "a/1"], vec!["a/2", "b"]);
    assert_eq!(account.all_keys(&bucket, 2).await, [first, second, vec!["ä"]]);
    assert_eq!(account.all_keys(&bucket, 5000).await, [["B c", "a/1", "a/2", "b", "ä"]]);

    let list = ListObjects { bucket: bucket.clone(), prefix: "a/".into(), continuation: None, max_keys: 10 };
    let page = store.list_objects(account.keys(), &list).await.unwrap();
    let sizes: Vec<(&str, u64)> = page.objects.iter().map(|o| (o.key.as_str(), o.size.bytes())).collect();
    assert_eq!((sizes, page.next), (vec![("a/1", 2), ("a/2", 1)], None));
    assert!(page.objects.iter().all(|object| object.last_modified.timestamp() > 0));
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
    let list = ListObjects { bucket: missing.clone(), prefix: String::new(), continuation: None, max_keys: 1 };
    assert_eq!(store.list_objects(account.keys(), &list).await.err(), not_found(format!("bucket {missing}")));
    store.delete_object(account.keys(), &bucket, "key").await.unwrap();
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
