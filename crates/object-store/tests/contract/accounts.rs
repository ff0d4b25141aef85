//! Users and buckets.

use model::{BucketName, ByteCount, S3Uid};
use object_store::{Access, NewUser, Removal, S3Keys, StoreError, StoreUser};

use crate::fixture::{Account, Store, refusal_code};

pub(crate) async fn creating_a_user_again_needs_the_same_keys(store: Store) {
    let account = Account::create(&store).await;
    store.create_user(&account.user).await.unwrap();

    let other_keys = NewUser { keys: S3Keys::generate(), ..account.user.clone() };
    let secret_key = S3Keys::generate().secret_key;
    let other_secret = S3Keys { secret_key, ..account.user.keys.clone() };
    let other_secret = NewUser { keys: other_secret, ..account.user.clone() };
    let other_uid = NewUser { uid: S3Uid::random(), ..account.user.clone() };
    for taken in [&other_keys, &other_secret, &other_uid] {
        assert!(matches!(store.create_user(taken).await, Err(StoreError::Conflict(_))), "{taken:?}");
    }
    assert_eq!(store.user(&other_uid.uid).await.unwrap(), None);
    let access_keys = store.user(account.uid()).await.unwrap().unwrap().access_keys;
    assert_eq!(access_keys, [account.keys().access_key.clone()]);
    account.remove().await;
}

pub(crate) async fn a_user_s_data_is_what_was_set(store: Store) {
    let account = Account::create(&store).await;
    let mut expected = StoreUser {
        uid: account.uid().clone(),
        display_name: "Ada".into(),
        access_keys: vec![account.keys().access_key.clone()],
        access: Some(Access::Full),
        max_buckets: Some(5),
        quota: None,
        bucket_quota: None,
    };
    assert_eq!(store.user(account.uid()).await.unwrap(), Some(expected.clone()));
    for quota in [ByteCount::from_gb(5), ByteCount::from_bytes(1), ByteCount::from_gb(5_000_000)] {
        store.set_user_quota(account.uid(), quota).await.unwrap();
        expected.quota = Some(quota);
        assert_eq!(store.user(account.uid()).await.unwrap(), Some(expected.clone()));
    }
    account.remove().await;
}

pub(crate) async fn a_user_without_sense_is_refused(store: Store) {
    let sound = NewUser { uid: S3Uid::random(), display_name: "Ada".into(), keys: S3Keys::generate(), max_buckets: 1 };
    let nameless = NewUser { display_name: String::new(), ..sound.clone() };
    let bucketless = NewUser { max_buckets: 0, ..sound.clone() };
    for user in [nameless, bucketless] {
        assert_eq!(refusal_code(store.create_user(&user).await), "InvalidArgument", "{user:?}");
    }
    assert_eq!(store.user(&sound.uid).await.unwrap(), None);

    let spelled = NewUser { display_name: "Zoë & Søn *,+/?#=%".into(), ..sound };
    store.create_user(&spelled).await.unwrap();
    assert_eq!(store.user(&spelled.uid).await.unwrap().unwrap().display_name, spelled.display_name);
    store.delete_user(&spelled.uid).await.unwrap();
}

pub(crate) async fn only_users_without_buckets_are_deleted(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("full").await;
    let refused = store.delete_user(account.uid()).await.unwrap_err();
    assert!(refused.to_string().contains("still has buckets"), "{refused}");
    assert!(!refused.is_retryable());
    assert!(store.user(account.uid()).await.unwrap().is_some());

    store.delete_bucket(account.keys(), &bucket).await.unwrap();
    store.delete_user(account.uid()).await.unwrap();
    store.delete_user(account.uid()).await.unwrap();
    assert_eq!(store.user(account.uid()).await.unwrap(), None);
}

pub(crate) async fn an_absent_user_is_none_not_an_error(store: Store) {
    let nobody = S3Uid::random();
    assert_eq!(store.user(&nobody).await.unwrap(), None);
    store.delete_user(&nobody).await.unwrap();
    assert_eq!(store.bucket_usages(&nobody).await.unwrap(), []);
    let missing = store.set_user_quota(&nobody, ByteCount::from_gb(1)).await;
    assert_eq!(missing, Err(StoreError::NotFound(format!("user {nobody}"))));
}

pub(crate) async fn creating_a_bucket_again_is_for_its_owner_only(store: Store) {
    let (owner, other) = (Account::create(&store).await, Account::create(&store).await);
    let bucket = owner.create_bucket("mine").await;
    store.create_bucket(owner.keys(), &bucket).await.unwrap();
    let taken = store.create_bucket(other.keys(), &bucket).await;
    let expected =
        StoreError::Refused { code: "BucketAlreadyExists".into(), message: "Bucket name already taken".into() };
    assert_eq!(taken, Err(expected));
    assert_eq!(refusal_code(store.delete_bucket(other.keys(), &bucket).await), "AccessDenied");
    assert_eq!(refusal_code(other.put(&bucket, "key", 1).await), "AccessDenied");
    other.remove().await;
    owner.remove().await;
}

pub(crate) async fn the_bucket_limit_holds(store: Store) {
    let account = Account::create(&store).await;
    for n in 0..account.user.max_buckets {
        account.create_bucket(&format!("b{n}")).await;
    }
    let one_more = account.bucket_name("more");
    assert_eq!(refusal_code(store.create_bucket(account.keys(), &one_more).await), "TooManyBuckets");
    store.create_bucket(account.keys(), &account.bucket_name("b0")).await.unwrap();
    account.remove().await;
}

pub(crate) async fn every_valid_bucket_name_is_taken(store: Store) {
    let account = Account::create(&store).await;
    let uid = account.uid();
    for name in [format!("{uid}{}", "x".repeat(31)), format!("a.b.{uid}"), format!("{uid}--x-s3")] {
        let bucket: BucketName = name.parse().unwrap();
        match store.create_bucket(account.keys(), &bucket).await {
            Ok(()) => assert_eq!(store.delete_bucket(account.keys(), &bucket).await, Ok(Removal::Removed)),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    for name in ["AB", "a_b", "ab", "-abc", "a..b", "192.168.1.1"] {
        let refused = name.parse::<BucketName>().unwrap_err();
        assert!(refused.to_string().starts_with("Invalid bucket name"), "{name}");
    }
    account.remove().await;
}

pub(crate) async fn only_empty_buckets_are_deleted(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.create_bucket("full").await;
    account.put(&bucket, "key", 1).await.unwrap();
    assert_eq!(refusal_code(store.delete_bucket(account.keys(), &bucket).await), "BucketNotEmpty");
    store.delete_object(account.keys(), &bucket, "key").await.unwrap();
    assert_eq!(store.delete_bucket(account.keys(), &bucket).await, Ok(Removal::Removed));
    assert_eq!(store.delete_bucket(account.keys(), &bucket).await, Ok(Removal::Absent));
    account.remove().await;
}

pub(crate) async fn wrong_s3_keys_are_refused(store: Store) {
    let account = Account::create(&store).await;
    let bucket = account.bucket_name("mine");
    let unknown = S3Keys::generate();
    let wrong = S3Keys { access_key: account.keys().access_key.clone(), ..S3Keys::generate() };
    for (keys, code) in [(unknown, "InvalidAccessKeyId"), (wrong, "SignatureDoesNotMatch")] {
        assert_eq!(refusal_code(store.create_bucket(&keys, &bucket).await), code);
    }
    account.remove().await;
}
