//! Topics and the buckets that notify them.

use model::S3Uid;
use object_store::{AckLevel, StoreError, Topic};

use crate::fixture::{Account, Store, refusal_code};

/// A topic, whose broker need not exist for being named. The store has no way to delete topics, so each run uses the
/// same ones again.
pub(crate) fn topic(name: &str) -> Topic {
    Topic {
        name: format!("contract-{name}"),
        push_endpoint: "amqp://rgw:pass%20word%2F%40@127.0.0.1:1/s3".into(),
        exchange: "s3.rgw".into(),
        ack_level: AckLevel::None,
        persistent: false,
    }
}

pub(crate) async fn a_bucket_notifies_one_topic(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let (bucket, topics) = (account.create_bucket("notified").await, [topic("first"), topic("second")]);
    let quiet = account.create_bucket("quiet").await;
    assert_eq!(store.notified_topic(account.keys(), bucket.as_str()).await, Ok(None));
    for topic in [&topics[0], &topics[0], &topics[1], &topics[0]] {
        store.put_topic(topic).await.unwrap();
        for _ in 0..2 {
            store.notify(account.keys(), bucket.as_str(), &topic.name).await.unwrap();
            let notified = store.notified_topic(account.keys(), bucket.as_str()).await.unwrap();
            assert_eq!(notified.as_deref(), Some(topic.name.as_str()));
        }
    }
    assert_eq!(store.notified_topic(account.keys(), quiet.as_str()).await, Ok(None));
    assert_eq!(
        refusal_code(store.notify(other.keys(), bucket.as_str(), &topics[1].name).await),
        "AccessDenied",
        "only the owner may"
    );
    assert_eq!(refusal_code(store.notified_topic(other.keys(), bucket.as_str()).await), "AccessDenied");
    account.put(&bucket, "key", 1).await.unwrap();
    store.delete_object(account.keys(), &bucket, "key").await.unwrap();
    other.remove().await;
    account.remove().await;
}

pub(crate) async fn only_what_exists_is_notified_and_notifies(store: Store) {
    let account = Account::create(&store).await;
    let (bucket, topic) = (account.create_bucket("notified").await, topic("first"));
    let unknown = format!("contract-{}", S3Uid::random());
    let answer = store.notify(account.keys(), bucket.as_str(), &unknown).await;
    assert_eq!(answer, Err(StoreError::NotFound(format!("topic {unknown}"))));
    assert_eq!(store.notified_topic(account.keys(), bucket.as_str()).await, Ok(None));
    store.put_topic(&topic).await.unwrap();
    for name in [account.bucket_name("missing").as_str(), "a b&c"] {
        let missing = StoreError::NotFound(format!("bucket {name}"));
        assert_eq!(store.notify(account.keys(), name, &topic.name).await, Err(missing.clone()));
        assert_eq!(store.notified_topic(account.keys(), name).await, Err(missing));
    }
    account.remove().await;
}

/// radosgw fails one of two that are set at the same moment.
pub(crate) async fn buckets_are_set_up_at_once(store: Store) {
    let (account, topic) = (Account::create(&store).await, topic("first"));
    store.put_topic(&topic).await.unwrap();
    let mut buckets = Vec::new();
    for n in 0..5 {
        buckets.push(account.create_bucket(&format!("b{n}")).await);
    }
    let mut notifying = tokio::task::JoinSet::new();
    for bucket in &buckets {
        let (store, keys) = (std::sync::Arc::clone(&store), account.keys().clone());
        let (bucket, topic) = (bucket.to_string(), topic.name.clone());
        notifying.spawn(async move { store.notify(&keys, &bucket, &topic).await });
    }
    for answer in notifying.join_all().await {
        assert_eq!(answer, Ok(()));
    }
    account.remove().await;
}
