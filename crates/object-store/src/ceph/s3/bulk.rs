//! Deleting many objects with one request.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use model::BucketName;

use super::{S3, bucket_subject, from_sdk, object_subject, signed_by};
use crate::ceph::answers::{Api, failure};
use crate::{ObjectVersion, S3Keys, StoreError};

/// What one request may hold; radosgw ignores the rest without a word.
const BATCH_LEN_MAX: usize = 1000;

impl S3 {
    pub(in crate::ceph) async fn delete_objects(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        objects: &[ObjectVersion],
    ) -> Result<(), StoreError> {
        let (writable, others): (Vec<_>, Vec<_>) = objects.iter().partition(|object| is_writable(&object.key));
        for batch in writable.chunks(BATCH_LEN_MAX) {
            self.delete_batch(keys, bucket, batch).await?;
        }
        for object in others {
            self.delete_version(keys, bucket, &object.key, object.version.clone()).await?;
        }
        Ok(())
    }

    async fn delete_batch(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        batch: &[&ObjectVersion],
    ) -> Result<(), StoreError> {
        let identifier = |object: &&ObjectVersion| {
            ObjectIdentifier::builder().key(&object.key).set_version_id(object.version.clone()).build()
        };
        let identifiers = batch.iter().map(identifier).collect::<Result<Vec<_>, _>>();
        let delete = identifiers
            .and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build())
            .map_err(|error| StoreError::refused("InvalidRequest", error.to_string()))?;
        let call = self.client.delete_objects().bucket(bucket.as_str()).delete(delete).customize();
        let answer = self.send("DeleteObjects", call.config_override(signed_by(keys)).send()).await?;
        let answer = answer.map_err(|error| from_sdk(&error, &bucket_subject(bucket)))?;
        let failed = answer.errors().iter().find(|error| !matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")));
        let Some(error) = failed else { return Ok(()) };
        let subject = object_subject(bucket, error.key().unwrap_or_default());
        // The request as a whole succeeded.
        Err(failure(Api::S3, 200, error.code().unwrap_or_default(), error.message().unwrap_or_default(), &subject))
    }
}

/// Whether XML can hold the key, and so a bulk request; S3 allows keys with any character.
fn is_writable(key: &str) -> bool {
    key.chars().all(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    })
}
