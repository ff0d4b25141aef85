//! Users, their keys and their limits.

use model::{ByteCount, S3Uid};
use reqwest::Method;
use secrecy::ExposeSecret;

use super::{AdminOps, subject};
use crate::ceph::answers::UserAnswer;
use crate::types::check_max_buckets;
use crate::{Access, NamePage, NewUser, S3Keys, StoreError};

impl AdminOps {
    pub(in crate::ceph) async fn create_user(&self, user: &NewUser) -> Result<(), StoreError> {
        check_max_buckets(user.max_buckets)?;
        let parameters = [
            ("uid", user.uid.as_str()),
            ("display-name", user.display_name.as_str()),
            ("access-key", user.keys.access_key.as_str()),
            ("secret-key", user.keys.secret_key.expose_secret()),
            ("max-buckets", &user.max_buckets.to_string()),
        ];
        let conflict = match self.call(Method::PUT, "user", &parameters, &subject(&user.uid)).await {
            Err(conflict @ StoreError::Conflict(_)) => conflict,
            answer => return answer.map(|_| ()),
        };
        match self.user(&user.uid).await? {
            Some(existing) if existing.has_keys(&user.keys) => Ok(()),
            _ => Err(conflict),
        }
    }

    pub(in crate::ceph) async fn user(&self, uid: &S3Uid) -> Result<Option<UserAnswer>, StoreError> {
        match self.get_json("user", &[("uid", uid.as_str())], &subject(uid)).await {
            Ok(user) => Ok(Some(user)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(in crate::ceph) async fn users(
        &self,
        continuation: Option<&str>,
        max_entries: u32,
    ) -> Result<NamePage, StoreError> {
        self.names("user", &[("list", "")], continuation, max_entries).await
    }

    pub(in crate::ceph) async fn delete_user(&self, uid: &S3Uid) -> Result<(), StoreError> {
        match self.call(Method::DELETE, "user", &[("uid", uid.as_str())], &subject(uid)).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Where radosgw doesn't know the user, it takes the owner of the access key instead, and changes *their* key: hence
    /// the look before.
    pub(in crate::ceph) async fn add_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.user(uid).await?.ok_or_else(|| StoreError::NotFound(subject(uid)))?;
        let parameters = [
            ("key", ""),
            ("uid", uid.as_str()),
            ("access-key", keys.access_key.as_str()),
            ("secret-key", keys.secret_key.expose_secret()),
            ("generate-key", "False"),
        ];
        self.call(Method::PUT, "user", &parameters, &subject(uid)).await.map(|_| ())
    }

    pub(in crate::ceph) async fn replace_keys(&self, uid: &S3Uid, keys: &S3Keys) -> Result<(), StoreError> {
        self.add_keys(uid, keys).await?;
        let user = self.user(uid).await?.ok_or_else(|| StoreError::NotFound(subject(uid)))?;
        for other in user.access_keys().filter(|access_key| *access_key != keys.access_key) {
            self.remove_key(uid, other).await?;
        }
        Ok(())
    }

    /// Looks before for the same reason as [`Self::add_keys`].
    pub(in crate::ceph) async fn remove_key(&self, uid: &S3Uid, access_key: &str) -> Result<(), StoreError> {
        if !self.has_key(uid, access_key).await? {
            return Ok(());
        }
        let parameters = [("key", ""), ("uid", uid.as_str()), ("access-key", access_key)];
        match self.call(Method::DELETE, "user", &parameters, &subject(uid)).await {
            Ok(_) => Ok(()),
            // radosgw's answer about a key that is gone meanwhile looks like the one to a wrong administrator.
            Err(error) => {
                if self.has_key(uid, access_key).await? {
                    Err(error)
                } else {
                    Ok(())
                }
            }
        }
    }

    async fn has_key(&self, uid: &S3Uid, access_key: &str) -> Result<bool, StoreError> {
        let user = self.user(uid).await?;
        Ok(user.is_some_and(|user| user.access_keys().any(|existing| existing == access_key)))
    }

    /// The mask binds requests made with the user's keys; a suspension also has radosgw mark all of the user's buckets.
    pub(in crate::ceph) async fn set_access(&self, uid: &S3Uid, access: Access) -> Result<(), StoreError> {
        let mut parameters = vec![("uid", uid.as_str())];
        parameters.extend(match access {
            Access::Full => vec![("suspended", "False"), ("op-mask", "read, write, delete")],
            Access::ReadOnly => vec![("suspended", "False"), ("op-mask", "read")],
            Access::Suspended => vec![("suspended", "True")],
        });
        self.call(Method::POST, "user", &parameters, &subject(uid)).await.map(|_| ())
    }

    pub(in crate::ceph) async fn set_max_buckets(&self, uid: &S3Uid, max_buckets: u32) -> Result<(), StoreError> {
        check_max_buckets(max_buckets)?;
        let parameters = [("uid", uid.as_str()), ("max-buckets", &max_buckets.to_string())];
        self.call(Method::POST, "user", &parameters, &subject(uid)).await.map(|_| ())
    }

    pub(in crate::ceph) async fn set_user_quota(&self, uid: &S3Uid, quota: ByteCount) -> Result<(), StoreError> {
        self.set_quota(uid, "user", Some(quota)).await
    }

    pub(in crate::ceph) async fn set_bucket_quota(
        &self,
        uid: &S3Uid,
        quota: Option<ByteCount>,
    ) -> Result<(), StoreError> {
        self.set_quota(uid, "bucket", quota).await
    }

    async fn set_quota(&self, uid: &S3Uid, kind: &str, quota: Option<ByteCount>) -> Result<(), StoreError> {
        let max_size = quota.map_or(-1, ByteCount::to_i64).to_string();
        let parameters = [
            ("quota", ""),
            ("uid", uid.as_str()),
            ("quota-type", kind),
            ("max-size", &max_size),
            ("max-objects", "-1"),
            ("enabled", if quota.is_some() { "true" } else { "false" }),
        ];
        self.call(Method::PUT, "user", &parameters, &subject(uid)).await.map(|_| ())
    }
}
