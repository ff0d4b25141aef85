//! What RGW sends when a bucket has changed.

use model::S3Uid;
use serde::Deserialize;

/// A bucket that has changed. Its owner is RGW's word, so it counts only where it is an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ChangedBucket {
    pub(crate) s3uid: S3Uid,
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    name: String,
    owner_identity: Owner,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    principal_id: String,
}

/// The buckets that a notification is about, without those of users who can't be accounts.
pub(crate) fn changed_buckets(body: &[u8]) -> Result<Vec<ChangedBucket>, serde_json::Error> {
    let body: Body = serde_json::from_slice(body)?;
    let changed = |record: Record| {
        let Bucket { name, owner_identity } = record.s3.bucket;
        Some(ChangedBucket { s3uid: owner_identity.principal_id.parse().ok()?, name })
    };
    Ok(body.records.into_iter().filter_map(changed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Ceph 16.2.15 sent it, shortened.
    const PUT: &str = r#"{"Records":[{"eventVersion":"2.2","eventSource":"ceph:s3","awsRegion":"",
        "eventTime":"2026-11-22T07:21:43.389455Z","eventName":"ObjectCreated:Put",
        "userIdentity":{"principalId":"5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b"},
        "s3":{"s3SchemaVersion":"1.0","configurationId":"purser",
              "bucket":{"name":"photos","ownerIdentity":{"principalId":"5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b"},
                        "arn":"arn:aws:s3:::photos","id":"2fd9b4df.104107.3"},
              "object":{"key":"a","size":1000,"eTag":"398533","versionId":"","sequencer":"07","metadata":[],"tags":[]}},
        "eventId":"1795332103.393782.3985","opaqueData":""}]}"#;

    #[test]
    fn the_bucket_and_its_owner_are_read() {
        let expected =
            ChangedBucket { s3uid: "5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b".parse().unwrap(), name: "photos".to_owned() };
        assert_eq!(changed_buckets(PUT.as_bytes()).unwrap(), [expected]);
        let foreign = PUT.replace("5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b", "somebody");
        assert_eq!(changed_buckets(foreign.as_bytes()).unwrap(), []);
        for broken in ["", "{}", "[]", r#"{"Records":[{}]}"#, "\u{0}"] {
            assert!(changed_buckets(broken.as_bytes()).is_err(), "{broken:?}");
        }
    }
}
