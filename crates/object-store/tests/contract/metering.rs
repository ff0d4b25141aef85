//! Bucket statistics, the usage log and health.

use chrono::{DurationRound, TimeDelta};
use model::{ByteCount, Clock, S3Uid, SystemClock, Timestamp};
use object_store::{BucketUsage, UsageRecord, UserUsage};

use crate::fixture::{Account, Store, poll, recently, refusal_code, when_usage};

const HOUR: TimeDelta = TimeDelta::hours(1);

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
    let started = recently();
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

/// The hour in which the store logs what happens now, or the one before it.
fn this_hour() -> Timestamp {
    recently().duration_trunc(HOUR).unwrap()
}

/// Polls until the log of all users in `hour` and the next one has what `complete` wants.
async fn when_all_users(store: &Store, hour: Timestamp, complete: impl Fn(&[UserUsage]) -> bool) -> Vec<UserUsage> {
    poll(async || {
        let mut users = store.usage_of_all(hour).await.unwrap();
        users.extend(store.usage_of_all(hour + HOUR).await.unwrap());
        complete(&users).then_some(users)
    })
    .await
}

pub(crate) async fn one_hour_of_all_users_is_read_at_once(store: Store) {
    let hour = this_hour();
    let accounts = [Account::create(&store).await, Account::create(&store).await, Account::create(&store).await];
    for (account, len) in accounts.iter().zip([10, 20, 30]) {
        let bucket = account.create_bucket("hour").await;
        account.put(&bucket, "key", len).await.unwrap();
    }
    let [gone, first, second] = accounts;
    let gone_uid = gone.uid().clone();
    gone.remove().await;
    let received = |users: &[UserUsage], uid: &S3Uid| {
        let own = users.iter().filter(|user| user.uid == uid.as_str()).flat_map(|user| &user.records);
        own.filter(|record| record.category == "put_obj").map(|record| record.bytes_in.bytes()).sum::<u64>()
    };
    let uids = [&gone_uid, first.uid(), second.uid()];
    let users = when_all_users(&store, hour, |users| uids.iter().all(|uid| received(users, uid) > 0)).await;
    assert_eq!(uids.map(|uid| received(&users, uid)), [10, 20, 30]);

    let users = store.usage_of_all(hour).await.unwrap();
    assert!(users.is_sorted_by(|a, b| a.uid < b.uid), "one entry for each user");
    for user in &users {
        assert!(!user.records.is_empty() && user.records.iter().all(|record| record.hour == hour), "{user:?}");
    }
    let alone = store.usage(first.uid(), hour, hour + HOUR).await.unwrap();
    let among_all = users.into_iter().find(|user| user.uid == first.uid().as_str());
    assert_eq!(among_all.map_or_else(Vec::new, |user| user.records), alone);
    let nobody = store.usage_of_all(hour + HOUR * 24).await.unwrap();
    assert_eq!(nobody, []);
    assert_eq!(refusal_code(store.usage_of_all(hour + TimeDelta::minutes(1)).await), "InvalidArgument");
    first.remove().await;
    second.remove().await;
}

pub(crate) async fn the_administrator_s_probe_is_in_the_log(store: Store) {
    let (hour, administrator) = (this_hour(), store.administrator().await.unwrap().uid);
    let probes = |users: &[UserUsage]| {
        let own = users.iter().filter(|user| user.uid == administrator).flat_map(|user| &user.records);
        let lists = own.filter(|record| record.bucket.is_empty() && record.category == "list_buckets");
        lists.map(|record| record.successful_operations).sum::<u64>()
    };
    let before = probes(&when_all_users(&store, hour, |_| true).await);
    store.probe_log().await.unwrap();
    when_all_users(&store, hour, |users| probes(users) > before).await;
}

pub(crate) async fn only_the_named_hours_are_trimmed(store: Store) {
    let (account, bystander) = (Account::create(&store).await, Account::create(&store).await);
    let hour = this_hour();
    let (from, to) = (hour, hour + HOUR * 2);
    for account in [&account, &bystander] {
        let bucket = account.create_bucket("trim").await;
        account.put(&bucket, "key", 7).await.unwrap();
    }
    let has_put = |records: &[UsageRecord]| records.iter().any(|record| record.category == "put_obj");
    let before = when_usage(&account, from, to, has_put).await;
    let others = when_usage(&bystander, from, to, has_put).await;
    for (wrong_from, wrong_to) in
        [(hour, hour), (to, from), (hour + TimeDelta::seconds(1), to), (hour, to - TimeDelta::seconds(1))]
    {
        let refused = store.trim_usage(account.uid(), wrong_from, wrong_to).await;
        assert_eq!(refusal_code(refused), "InvalidArgument", "{wrong_from} {wrong_to}");
    }
    for (from, to) in [(hour - HOUR, hour), (hour - HOUR * 48, hour), (to, to + HOUR)] {
        store.trim_usage(account.uid(), from, to).await.unwrap();
    }
    store.trim_usage(&S3Uid::random(), from, to).await.unwrap();
    assert_eq!(store.usage(account.uid(), from, to).await.unwrap(), before);
    for _ in 0..2 {
        store.trim_usage(account.uid(), from, to).await.unwrap();
        assert_eq!(store.usage(account.uid(), from, to).await.unwrap(), []);
    }
    assert_eq!(store.usage(bystander.uid(), from, to).await.unwrap(), others);
    bystander.remove().await;
    account.remove().await;
}
