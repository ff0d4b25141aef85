//! Paging, key pairs, limits, buckets of anybody, and the administrator.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use model::{BucketName, ByteCount, Clock, S3Uid, SystemClock};
use object_store::{BucketUsage, NamePage, S3Keys, StoreError};
use secrecy::ExposeSecret;

use crate::fixture::{Account, Store, refusal_code};

const PAGE_LEN: u32 = 7;

/// How often each of `wanted` stands in a list, read page by page; fails where a page is too long.
async fn occurrences(wanted: &BTreeSet<String>, page: impl AsyncFn(Option<&str>) -> NamePage) -> Vec<usize> {
    let (mut found, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = page(next.as_deref()).await;
        assert!(page.names.len() <= PAGE_LEN as usize, "{page:?}");
        found.extend(page.names.into_iter().filter(|name| wanted.contains(name)));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    wanted.iter().map(|name| found.iter().filter(|other| *other == name).count()).collect()
}

pub(crate) async fn every_user_is_on_one_page(store: Store) {
    let mut accounts = Vec::new();
    for _ in 0..25 {
        accounts.push(Account::create(&store).await);
    }
    let mut uids: BTreeSet<String> = accounts.iter().map(|account| account.uid().to_string()).collect();
    uids.insert(store.administrator().await.unwrap().uid);
    let found = occurrences(&uids, async |next| store.users(next, PAGE_LEN).await.unwrap()).await;
    assert_eq!(found, [1; 26]);
    for account in accounts {
        account.remove().await;
    }
    let last = store.users(None, 1000).await.unwrap();
    assert!(uids.iter().filter(|uid| last.names.contains(uid)).count() <= 1, "only the administrator is left");
}

pub(crate) async fn every_bucket_is_on_one_page(store: Store) {
    let account = Account::create(&store).await;
    store.set_max_buckets(account.uid(), 25).await.unwrap();
    let mut names = BTreeSet::new();
    for n in 0..25 {
        names.insert(account.create_bucket(&format!("page{n}")).await.to_string());
    }
    let found = occurrences(&names, async |next| store.buckets(next, PAGE_LEN).await.unwrap()).await;
    assert_eq!(found, [1; 25]);
    account.remove().await;
}

pub(crate) async fn a_bucket_is_known_whoever_owns_it(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let before = SystemClock.now() - TimeDelta::seconds(2);
    let bucket = account.create_bucket("known").await;
    account.put(&bucket, "key", 4097).await.unwrap();
    let theirs = other.create_bucket("theirs").await;
    let found = store.bucket(bucket.as_str()).await.unwrap().unwrap();
    let bytes = ByteCount::from_bytes;
    let usage = BucketUsage { name: bucket.to_string(), usage: bytes(4097), size_actual: bytes(8192), objects: 1 };
    assert_eq!((found.owner.as_str(), &found.usage), (account.uid().as_str(), &usage));
    assert!(found.created_at > before && found.created_at < SystemClock.now() + TimeDelta::seconds(2), "{found:?}");
    let found = store.bucket(theirs.as_str()).await.unwrap().unwrap();
    assert_eq!((found.owner.as_str(), found.usage.objects), (other.uid().as_str(), 0));
    for name in ["", account.bucket_name("missing").as_str(), "no/bucket", "Ä*?&"] {
        assert_eq!(store.bucket(name).await.unwrap(), None, "{name:?}");
    }
    other.remove().await;
    account.remove().await;
}

pub(crate) async fn several_key_pairs_work_and_go_one_by_one(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("pairs").await;
    let mut pairs = vec![account.keys().clone(), S3Keys::generate(), S3Keys::generate()];
    for _ in 0..2 {
        for pair in &pairs[1..] {
            store.add_keys(account.uid(), pair).await.unwrap();
        }
    }
    let old = pairs[2].clone();
    pairs[2].secret_key = S3Keys::generate().secret_key;
    store.add_keys(account.uid(), &pairs[2]).await.unwrap();
    assert_eq!(refusal_code(store.get_object(&old, &bucket, "key").await), "SignatureDoesNotMatch");
    pairs.sort_by(|a, b| a.access_key.cmp(&b.access_key));
    while let Some(last) = pairs.last() {
        let known = store.keys(account.uid()).await.unwrap().unwrap();
        assert_eq!(known.len(), pairs.len());
        for (known, pair) in known.iter().zip(&pairs) {
            assert!(known.same_as(&pair.access_key, pair.secret_key.expose_secret()));
            store.put_object(pair, &bucket, "key", "x".into()).await.unwrap();
        }
        for _ in 0..2 {
            store.remove_key(account.uid(), &last.access_key).await.unwrap();
            assert_eq!(refusal_code(store.get_object(last, &bucket, "key").await), "InvalidAccessKeyId");
        }
        pairs.pop();
    }
    assert!(store.keys(account.uid()).await.unwrap().unwrap().is_empty());
    assert_eq!(store.user(account.uid()).await.unwrap().unwrap().access_keys, Vec::<String>::new());
    store.add_keys(account.uid(), account.keys()).await.unwrap();
    account.remove().await;
}

pub(crate) async fn key_pairs_are_their_users_own(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let nobody = S3Uid::random();
    assert!(store.keys(&nobody).await.unwrap().is_none());
    let missing = store.add_keys(&nobody, &S3Keys::generate()).await;
    assert_eq!(missing, Err(StoreError::NotFound(format!("user {nobody}"))));
    assert_eq!(store.user(&nobody).await.unwrap(), None);
    // radosgw itself would take the keys' owner for the user that it doesn't know.
    let known = S3Keys { access_key: account.keys().access_key.clone(), ..S3Keys::generate() };
    for answer in [store.add_keys(&nobody, &known).await, store.replace_keys(&nobody, &known).await] {
        assert_eq!(answer, Err(StoreError::NotFound(format!("user {nobody}"))));
    }
    store.remove_key(&nobody, &account.keys().access_key).await.unwrap();

    let taken = S3Keys { access_key: other.keys().access_key.clone(), ..S3Keys::generate() };
    let taken = store.add_keys(account.uid(), &taken).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    for access_key in [&other.keys().access_key, "UNKNOWN", ""] {
        store.remove_key(account.uid(), access_key).await.unwrap();
    }
    account.create_bucket("mine").await;
    other.create_bucket("theirs").await;
    other.remove().await;
    account.remove().await;
}

pub(crate) async fn the_bucket_limit_can_be_changed(store: Store) {
    let account = Account::create(&store).await;
    store.set_max_buckets(account.uid(), 1).await.unwrap();
    let first = account.create_bucket("b1").await;
    assert_eq!(refusal_code(store.create_bucket(account.keys(), &account.bucket_name("b2")).await), "TooManyBuckets");
    store.set_max_buckets(account.uid(), 2).await.unwrap();
    account.create_bucket("b2").await;
    store.set_max_buckets(account.uid(), 1).await.unwrap();
    account.put(&first, "key", 1).await.unwrap();
    for senseless in [0, 1 << 31, u32::MAX] {
        let refused = store.set_max_buckets(account.uid(), senseless).await;
        assert_eq!(refusal_code(refused), "InvalidArgument", "{senseless}");
    }
    let user = store.user(account.uid()).await.unwrap().unwrap();
    assert_eq!((user.max_buckets, user.access_keys.len()), (Some(1), 1));
    let nobody = S3Uid::random();
    let missing = Err(StoreError::NotFound(format!("user {nobody}")));
    assert_eq!(store.set_max_buckets(&nobody, 1).await, missing);
    assert_eq!(store.set_bucket_quota(&nobody, None).await, missing);
    account.remove().await;
}

pub(crate) async fn user_and_bucket_quota_both_hold(store: Store) {
    let account = Account::create(&store).await;
    let (first, second): (BucketName, _) = (account.create_bucket("a").await, account.create_bucket("b").await);
    let blocks = |n: u64| ByteCount::from_bytes(n * 4096);
    store.set_bucket_quota(account.uid(), Some(blocks(2))).await.unwrap();
    store.set_user_quota(account.uid(), blocks(3)).await.unwrap();
    let user = store.user(account.uid()).await.unwrap().unwrap();
    assert_eq!((user.bucket_quota, user.quota), (Some(blocks(2)), Some(blocks(3))));
    account.put(&first, "1", 1).await.unwrap();
    account.put(&first, "2", 1).await.unwrap();
    assert_eq!(refusal_code(account.put(&first, "3", 1).await), "QuotaExceeded", "the bucket is full");
    account.put(&second, "1", 1).await.unwrap();
    assert_eq!(refusal_code(account.put(&second, "2", 1).await), "QuotaExceeded", "the user's space is used up");
    store.set_user_quota(account.uid(), blocks(9)).await.unwrap();
    account.put(&second, "2", 1).await.unwrap();
    assert_eq!(refusal_code(account.put(&first, "3", 1).await), "QuotaExceeded");
    for _ in 0..2 {
        store.set_bucket_quota(account.uid(), None).await.unwrap();
        assert_eq!(store.user(account.uid()).await.unwrap().unwrap().bucket_quota, None);
    }
    account.put(&first, "3", 4097).await.unwrap();
    account.remove().await;
}

pub(crate) async fn the_administrator_is_known(store: Store) {
    let administrator = store.administrator().await.unwrap();
    assert!(!administrator.uid.is_empty());
    for kind in ["users", "buckets", "usage", "metadata"] {
        assert!(administrator.caps.contains_key(kind), "{kind}: {administrator:?}");
    }
    assert_eq!(administrator.caps["users"], "*");
    assert!(administrator.clock_ahead.abs() <= TimeDelta::seconds(1), "{administrator:?}");
    assert!(store.is_available());
}
