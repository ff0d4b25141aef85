//! What users may do, and who else may.

use model::S3Uid;
use object_store::{Access, ListObjects, ObjectVersion, Removal, S3Keys, StoreError};

use crate::fixture::{Account, Store, refusal_code};

async fn access(account: &Account) -> Option<Access> {
    account.store.user(account.uid()).await.unwrap().unwrap().access
}

pub(crate) async fn suspended_users_are_refused_until_they_are_resumed(store: Store) {
    let (account, bystander) = (Account::create(&store).await, Account::create(&store).await);
    let (bucket, others) = (account.create_bucket("mine").await, bystander.create_bucket("theirs").await);
    account.put(&bucket, "key", 3).await.unwrap();
    let before = store.user(account.uid()).await.unwrap().unwrap();
    for _ in 0..2 {
        store.set_access(account.uid(), Access::Suspended).await.unwrap();
        assert_eq!(refusal_code(store.get_object(account.keys(), &bucket, "key").await), "UserSuspended");
        assert_eq!(refusal_code(account.put(&bucket, "key", 1).await), "UserSuspended");
        assert_eq!(refusal_code(store.object(account.keys(), &bucket, "key").await), "UserSuspended");
        assert_eq!(access(&account).await, Some(Access::Suspended));
    }
    bystander.put(&others, "key", 1).await.unwrap();
    for _ in 0..2 {
        store.set_access(account.uid(), Access::Full).await.unwrap();
        assert_eq!(store.get_object(account.keys(), &bucket, "key").await.unwrap(), "xxx");
    }
    assert_eq!(store.user(account.uid()).await.unwrap().unwrap(), before);
    let nobody = S3Uid::random();
    let missing = store.set_access(&nobody, Access::Suspended).await;
    assert_eq!(missing, Err(StoreError::NotFound(format!("user {nobody}"))));
    bystander.remove().await;
    account.remove().await;
}

pub(crate) async fn readers_read_and_write_nothing(store: Store) {
    let (mut account, bystander) = (Account::create(&store).await, Account::create(&store).await);
    let (bucket, others) = (account.create_bucket("mine").await, bystander.create_bucket("theirs").await);
    account.put(&bucket, "key", 3).await.unwrap();
    let (new, missing) = (account.bucket_name("new"), account.bucket_name("missing"));
    let named = [ObjectVersion { key: "key".to_owned(), version: None }];
    for round in 0..2 {
        store.set_access(account.uid(), Access::ReadOnly).await.unwrap();
        assert_eq!(access(&account).await, Some(Access::ReadOnly));
        let keys = account.keys();
        assert_eq!(store.get_object(keys, &bucket, "key").await.unwrap(), "xxx");
        assert!(store.object(keys, &bucket, "key").await.unwrap().is_some());
        assert_eq!(store.list_objects(keys, &ListObjects::all(bucket.clone())).await.unwrap().objects.len(), 1);
        assert_eq!(store.list_object_versions(keys, &bucket, None, 9).await.unwrap().versions.len(), 1);
        assert_eq!(store.notified_topic(keys, bucket.as_str()).await.unwrap(), None);
        for (what, refused) in [
            ("put", account.put(&bucket, "key", 1).await),
            ("delete", store.delete_object(keys, &bucket, "key").await),
            ("delete many", store.delete_objects(keys, &bucket, &named).await),
            ("create", store.create_bucket(keys, &new).await),
            ("create again", store.create_bucket(keys, &bucket).await),
            ("remove", store.delete_bucket(keys, &bucket).await.map(|_| ())),
        ] {
            assert_eq!(refusal_code(refused), "AccessDenied", "{what}, round {round}");
        }
        assert_eq!(store.delete_bucket(keys, &missing).await, Ok(Removal::Absent));
        // Other keys are as read-only as the first ones were.
        account.user.keys = S3Keys::generate();
        store.replace_keys(account.uid(), account.keys()).await.unwrap();
    }
    assert_eq!(refusal_code(account.put(&bucket, "key", 1).await), "AccessDenied");
    bystander.put(&others, "key", 1).await.unwrap();
    store.set_access(account.uid(), Access::Full).await.unwrap();
    account.put(&bucket, "key", 1).await.unwrap();
    store.create_bucket(account.keys(), &new).await.unwrap();
    bystander.remove().await;
    account.remove().await;
}

pub(crate) async fn each_access_follows_each_other(store: Store) {
    use Access::{Full, ReadOnly, Suspended};
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("mine").await;
    account.put(&bucket, "key", 3).await.unwrap();
    for to in [ReadOnly, Suspended, ReadOnly, Full, Suspended, Full, ReadOnly, Full] {
        store.set_access(account.uid(), to).await.unwrap();
        assert_eq!(access(&account).await, Some(to));
        let (read, written) =
            (store.get_object(account.keys(), &bucket, "key").await, account.put(&bucket, "key", 3).await);
        assert_eq!((read.is_ok(), written.is_ok()), (to != Suspended, to == Full), "{to:?}");
    }
    account.remove().await;
}
