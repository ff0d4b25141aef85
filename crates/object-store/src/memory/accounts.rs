//! Users and their keys.

use std::collections::BTreeSet;

use model::S3Uid;
use secrecy::ExposeSecret;

use super::refused;
use super::state::{State, User};
use crate::types::check_max_buckets;
use crate::{Access, NewUser, S3Keys, StoreError, StoreUser};

impl State {
    pub(super) fn create_user(&mut self, user: &NewUser) -> Result<(), StoreError> {
        check_max_buckets(user.max_buckets)?;
        if user.display_name.is_empty() {
            return Err(refused("InvalidArgument", "The request was refused"));
        }
        if let Some(existing) = self.users.get(&user.uid) {
            let (access_key, secret_key) = (&user.keys.access_key, user.keys.secret_key.expose_secret());
            let ours = existing.keys.get(access_key).is_some_and(|keys| keys.same_as(access_key, secret_key));
            return if ours { Ok(()) } else { Err(StoreError::Conflict(format!("user {} exists already", user.uid))) };
        }
        if self.access_keys.contains_key(&user.keys.access_key) {
            return Err(key_exists(&user.uid));
        }
        let new = User {
            display_name: user.display_name.clone(),
            keys: [(user.keys.access_key.clone(), user.keys.clone())].into(),
            max_buckets: user.max_buckets,
            quota: None,
            bucket_quota: None,
            access: Access::Full,
            buckets: BTreeSet::new(),
        };
        self.access_keys.insert(user.keys.access_key.clone(), user.uid.clone());
        self.users.insert(user.uid.clone(), new);
        Ok(())
    }

    pub(super) fn store_user(&self, uid: &S3Uid) -> Option<StoreUser> {
        let user = self.users.get(uid)?;
        Some(StoreUser {
            uid: uid.clone(),
            display_name: user.display_name.clone(),
            access_keys: user.keys.keys().cloned().collect(),
            access: Some(user.access),
            max_buckets: Some(user.max_buckets),
            quota: user.quota,
            bucket_quota: user.bucket_quota,
        })
    }

    pub(super) fn delete_user(&mut self, uid: &S3Uid) -> Result<(), StoreError> {
        if self.buckets_of(uid).next().is_some() {
            return Err(refused("BucketAlreadyExists", "The user still has buckets"));
        }
        self.users.remove(uid);
        self.access_keys.retain(|_, owner| owner != uid);
        Ok(())
    }

    pub(super) fn add_keys(&mut self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        let user = self.users.get_mut(uid).ok_or_else(|| StoreError::NotFound(format!("user {uid}")))?;
        if self.access_keys.get(&keys.access_key).is_some_and(|owner| owner != uid) {
            return Err(key_exists(uid));
        }
        self.access_keys.insert(keys.access_key.clone(), uid.clone());
        user.keys.insert(keys.access_key.clone(), keys.clone());
        Ok(())
    }

    pub(super) fn remove_key(&mut self, uid: &S3Uid, access_key: &str) {
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.keys.remove(access_key).is_some() {
            self.access_keys.remove(access_key);
        }
    }

    pub(super) fn replace_keys(&mut self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.add_keys(uid, keys)?;
        self.user_mut(uid)?.keys.retain(|access_key, _| *access_key == keys.access_key);
        self.access_keys.retain(|access_key, owner| owner != uid || *access_key == keys.access_key);
        Ok(())
    }
}

fn key_exists(uid: &S3Uid) -> StoreError {
    StoreError::Conflict(format!("the access key of user {uid} exists already"))
}
