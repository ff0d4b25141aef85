//! Listing a bucket's objects and versions.

use aws_sdk_s3::types::EncodingType;
use model::BucketName;
use percent_encoding::percent_decode_str;

use super::{S3, bucket_subject, from_sdk, signed_by, summary};
use crate::{ListObjects, ObjectPage, ObjectVersion, S3Keys, StoreError, VersionPage};

/// Separates version and key in the token of a page of versions; no version id has it.
const MARKER_SEPARATOR: char = '/';

impl S3 {
    pub(in crate::ceph) async fn list_objects(
        &self,
        keys: &S3Keys,
        list: &ListObjects,
    ) -> Result<ObjectPage, StoreError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(list.bucket.as_str())
            .set_prefix((!list.prefix.is_empty()).then(|| list.prefix.clone()))
            .set_delimiter(list.delimiter.clone().filter(|delimiter| !delimiter.is_empty()))
            .set_start_after(list.start_after.clone())
            .set_continuation_token(list.continuation.clone())
            .max_keys(i32::try_from(list.max_keys).unwrap_or(i32::MAX))
            // XML can't hold every character that a key may have.
            .encoding_type(EncodingType::Url)
            .customize();
        let answer = self.send("ListObjectsV2", call.config_override(signed_by(keys)).send()).await?;
        let page = answer.map_err(|error| from_sdk(&error, &bucket_subject(&list.bucket)))?;
        let decode = decoder(page.encoding_type.as_ref());
        let mut objects = Vec::new();
        for object in page.contents.unwrap_or_default() {
            objects.push(summary(decode(object.key)?, object.size, object.last_modified));
        }
        let prefixes = page.common_prefixes.unwrap_or_default().into_iter();
        let mut common_prefixes = prefixes.map(|common| decode(common.prefix)).collect::<Result<Vec<_>, _>>()?;
        common_prefixes.sort_unstable();
        Ok(ObjectPage { objects, common_prefixes, next: page.next_continuation_token })
    }

    pub(in crate::ceph) async fn list_object_versions(
        &self,
        keys: &S3Keys,
        bucket: &BucketName,
        continuation: Option<&str>,
        max_keys: u32,
    ) -> Result<VersionPage, StoreError> {
        let (version_marker, key_marker) =
            continuation.and_then(|token| token.split_once(MARKER_SEPARATOR)).unwrap_or_default();
        let call = self
            .client
            .list_object_versions()
            .bucket(bucket.as_str())
            .set_key_marker((!key_marker.is_empty()).then(|| key_marker.to_owned()))
            .set_version_id_marker((!version_marker.is_empty()).then(|| version_marker.to_owned()))
            .max_keys(i32::try_from(max_keys).unwrap_or(i32::MAX))
            .encoding_type(EncodingType::Url)
            .customize();
        let answer = self.send("ListObjectVersions", call.config_override(signed_by(keys)).send()).await?;
        let page = answer.map_err(|error| from_sdk(&error, &bucket_subject(bucket)))?;
        let decode = decoder(page.encoding_type.as_ref());
        let versions = page.versions.unwrap_or_default().into_iter().map(|entry| (entry.key, entry.version_id));
        let markers = page.delete_markers.unwrap_or_default().into_iter().map(|entry| (entry.key, entry.version_id));
        let entries = versions.chain(markers).map(|(key, version)| Ok(ObjectVersion { key: decode(key)?, version }));
        let mut versions = entries.collect::<Result<Vec<_>, StoreError>>()?;
        versions.sort_by(|a, b| a.key.cmp(&b.key));
        // The page's last key is the marker, of which Ceph's releases differ in whether it is encoded.
        let last_key = versions.last().map(|version| &version.key).filter(|_| page.is_truncated == Some(true));
        let version_marker = page.next_version_id_marker.unwrap_or_default();
        let next = last_key.map(|key| format!("{version_marker}{MARKER_SEPARATOR}{key}"));
        Ok(VersionPage { versions, next })
    }
}

/// Reads keys as the answer's `encoding` says: a store that doesn't know encodings writes them plain.
fn decoder(encoding: Option<&EncodingType>) -> impl Fn(Option<String>) -> Result<String, StoreError> {
    let is_encoded = matches!(encoding, Some(EncodingType::Url));
    move |text| {
        let text = text.unwrap_or_default();
        if !is_encoded {
            return Ok(text);
        }
        // Some stores write a space as `+`; a plus itself is always encoded.
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8();
        decoded
            .map(String::from)
            .map_err(|_| StoreError::Misconfigured("a listing has a key that isn't UTF-8".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_where_the_answer_says_that_they_are_encoded() {
        let url = Some(EncodingType::Url);
        for (encoding, text, key) in
            [(&url, "a%20b%2Bc+d%2525%0A%C3%A4/'", "a b+c d%25\n\u{e4}/'"), (&None, "a%20b+c", "a%20b+c")]
        {
            assert_eq!(decoder(encoding.as_ref())(Some(text.to_owned())).unwrap(), key);
        }
        assert!(matches!(decoder(url.as_ref())(Some("%FF".to_owned())), Err(StoreError::Misconfigured(_))));
    }
}
