//! Key pairs.

use model::S3Uid;
use object_store::{S3Keys, StoreError};

use crate::fixture::{Account, Store, refusal_code};

pub(crate) async fn replaced_keys_are_the_only_ones(store: Store) {
    let mut account = Account::create(&store).await;
    let bucket = account.create_bucket("keys").await;
    let first = account.keys().clone();
    let new_secret = S3Keys { access_key: first.access_key.clone(), ..S3Keys::generate() };
    let new_pair = S3Keys::generate();
    // The last one is the first again: what was removed may come back.
    for (old, new) in [(&first, &new_secret), (&new_secret, &new_pair), (&new_pair, &first)] {
        store.put_object(old, &bucket, "key", "x".into()).await.unwrap();
        for _ in 0..2 {
            store.replace_keys(account.uid(), new).await.unwrap();
            store.put_object(new, &bucket, "key", "x".into()).await.unwrap();
            let same_access_key = old.access_key == new.access_key;
            let code = if same_access_key { "SignatureDoesNotMatch" } else { "InvalidAccessKeyId" };
            assert_eq!(refusal_code(store.get_object(old, &bucket, "key").await), code);
        }
        let user = store.user(account.uid()).await.unwrap().unwrap();
        assert_eq!((user.access_keys, user.max_buckets), (vec![new.access_key.clone()], Some(5)));
        account.user.keys = new.clone();
        store.create_user(&account.user).await.unwrap();
    }
    account.remove().await;
}

pub(crate) async fn keys_are_replaced_for_known_users_only(store: Store) {
    let (account, other) = (Account::create(&store).await, Account::create(&store).await);
    let nobody = S3Uid::random();
    let missing = store.replace_keys(&nobody, &S3Keys::generate()).await;
    assert_eq!(missing, Err(StoreError::NotFound(format!("user {nobody}"))));
    assert_eq!(store.user(&nobody).await.unwrap(), None);

    let others = S3Keys { access_key: other.keys().access_key.clone(), ..S3Keys::generate() };
    let taken = store.replace_keys(account.uid(), &others).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    account.create_bucket("mine").await;
    other.create_bucket("theirs").await;
    other.remove().await;
    account.remove().await;
}
