//! Emptying buckets.

use object_store::{ObjectVersion, Removal, VersionPage};

use crate::fixture::{Account, Store, refusal_code};

fn current(keys: &[&str]) -> Vec<ObjectVersion> {
    keys.iter().map(|key| ObjectVersion { key: (*key).to_owned(), version: None }).collect()
}

pub(crate) async fn large_buckets_are_emptied_page_by_page(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("purge").await;
    let keys: Vec<String> = (0..1500).map(|n| format!("dir/{n} & co")).collect();
    account.put_all(&bucket, &keys).await;
    assert_eq!(refusal_code(store.delete_bucket(account.keys(), &bucket).await), "BucketNotEmpty");
    assert_eq!(account.empty(&bucket, 1000).await, [1000, 500]);
    assert_eq!(account.version_pages(&bucket, 1000).await, [[]]);
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap()[0].usage.bytes(), 0);
    assert_eq!(store.delete_bucket(account.keys(), &bucket).await, Ok(Removal::Removed));
    account.remove().await;
}

pub(crate) async fn one_call_deletes_more_than_one_request_holds(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("many").await;
    let ends: Vec<String> = [0, 999, 1000, 1001, 2000].map(|n| format!("{n:04}")).to_vec();
    account.put_all(&bucket, &ends).await;
    let all: Vec<String> = (0..2001).map(|n| format!("{n:04}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    store.delete_objects(account.keys(), &bucket, &current(&all)).await.unwrap();
    assert_eq!(account.all_keys(&bucket, 1000).await.concat(), Vec::<String>::new());
    account.remove().await;
}

pub(crate) async fn only_the_named_objects_are_deleted(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let bucket = account.create_bucket("some").await;
    let keys = ["a", "a/", "a/1", "b", "\u{1}c", "d", "\u{fffe}", "\u{b}", " ", "blank_key"].map(str::to_owned);
    account.put_all(&bucket, &keys).await;
    let named = current(&["a/", "missing", "b", "\u{1}c", "\u{1}missing", "\u{fffe}", "\u{b}", " "]);
    for keys in [other.keys(), account.keys()] {
        let answer = store.delete_objects(keys, &bucket, &named).await;
        if keys.access_key == other.keys().access_key {
            assert_eq!(refusal_code(answer), "AccessDenied");
            assert_eq!(account.all_keys(&bucket, 1000).await.concat().len(), 10);
        } else {
            answer.unwrap();
        }
    }
    assert_eq!(account.all_keys(&bucket, 1000).await, [["a", "a/1", "blank_key", "d"]]);
    store.delete_objects(account.keys(), &bucket, &named).await.unwrap();
    store.delete_objects(account.keys(), &bucket, &[]).await.unwrap();
    assert_eq!(account.all_keys(&bucket, 1000).await, [["a", "a/1", "blank_key", "d"]]);
    other.remove().await;
    account.remove().await;
}

pub(crate) async fn without_versioning_the_versions_are_the_objects(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let bucket = account.create_bucket("plain").await;
    let list = async |max_keys| store.list_object_versions(account.keys(), &bucket, None, max_keys).await.unwrap();
    assert_eq!(list(1000).await, VersionPage::default());
    account.put_all(&bucket, &["b", "a", "c"].map(str::to_owned)).await;
    account.put(&bucket, "a", 2).await.unwrap();
    let version = |key: &str| ObjectVersion { key: key.to_owned(), version: Some("null".to_owned()) };
    let all = vec![version("a"), version("b"), version("c")];
    assert_eq!(list(3).await, VersionPage { versions: all.clone(), next: None });
    assert_eq!(account.version_pages(&bucket, 2).await, [&all[..2], &all[2..]]);
    let unknown = [ObjectVersion { key: "a".into(), version: Some("unknown".into()) }];
    store.delete_objects(account.keys(), &bucket, &unknown).await.unwrap();
    assert_eq!(list(3).await.versions, all);
    let foreign = store.list_object_versions(other.keys(), &bucket, None, 1).await;
    assert_eq!(refusal_code(foreign), "AccessDenied");
    other.remove().await;
    account.remove().await;
}
