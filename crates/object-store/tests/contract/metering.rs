//! Bucket statistics, the usage log and health.

use chrono::TimeDelta;
use model::{ByteCount, Clock, SystemClock};
use object_store::BucketUsage;

use crate::fixture::{Account, Store, when_usage};

pub(crate) async fn bucket_usages_are_exact(store: Store) {
    let account = Account::create(&store).await;
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap(), []);
    let (second, first) = (account.create_bucket("b").await, account.create_bucket("a").await);
    account.put(&first, "one", 1).await.unwrap();
    account.put(&first, "two", 4097).await.unwrap();
    let bytes = ByteCount::from_bytes;
    let expected = [
        BucketUsage { name: first.to_string(), usage: bytes(4098), size_actual: bytes(3 * 4096), objects: 2 },
        BucketUsage { name: second.to_string(), usage: bytes(0), size_actual: bytes(0), objects: 0 },
    ];
    assert_eq!(store.bucket_usages(account.uid()).await.unwrap(), expected);
    store.delete_object(account.keys(), &first, "two").await.unwrap();
    let usages = store.bucket_usages(account.uid()).await.unwrap();
    assert_eq!((usages[0].usage, usages[0].size_actual, usages[0].objects), (bytes(1), bytes(4096), 1));
    account.remove().await;
}

pub(crate) async fn the_usage_log_has_the_exact_bytes(store: Store) {
    let (account, bystander) = (Account::create(&store).await, Account::create(&store).await);
    let started = SystemClock.now();
    let bucket = account.create_bucket("traffic").await;
    let others = bystander.create_bucket("traffic").await;
    bystander.put(&others, "key", 50).await.unwrap();
    for len in [1000, 3000, 5] {
        account.put(&bucket, &format!("key-{len}"), len).await.unwrap();
    }
    for key in ["key-3000", "key-3000", "key-5"] {
        store.get_object(account.keys(), &bucket, key).await.unwrap();
    }
    let ended = SystemClock.now() + TimeDelta::seconds(1);
    let records = when_usage(&account, started, ended, |records| {
        let transfers = records.iter().filter(|record| matches!(record.category.as_str(), "put_obj" | "get_obj"));
        transfers.map(|record| record.successful_operations).sum::<u64>() >= 6
    })
    .await;
    assert!(records.iter().all(|record| record.hour <= ended && record.hour + TimeDelta::hours(1) > started));
    assert!(records.iter().all(|record| record.bucket == bucket.as_str()), "{records:?}");
    assert!(records.is_sorted_by_key(|record| (record.hour, &record.bucket, &record.category)));
    let total = |category: &str| {
        let of_category = || records.iter().filter(move |record| record.category == category);
        let bytes_in: ByteCount = of_category().map(|record| record.bytes_in).sum();
        let bytes_out: ByteCount = of_category().map(|record| record.bytes_out).sum();
        (bytes_in.bytes(), bytes_out.bytes(), of_category().map(|record| record.successful_operations).sum::<u64>())
    };
    assert_eq!(total("put_obj"), (4005, 0, 3));
    assert_eq!(total("get_obj"), (0, 6005, 3));

    let day = TimeDelta::days(1);
    assert_eq!(store.usage(account.uid(), started - day, started - TimeDelta::hours(1)).await.unwrap(), []);
    assert_eq!(store.usage(account.uid(), ended + TimeDelta::hours(1), ended + day).await.unwrap(), []);
    bystander.remove().await;
    account.remove().await;
}

pub(crate) async fn the_store_is_healthy(store: Store) {
    store.health().await.unwrap();
}
