//! The files that are uploaded, and the account's own access to its buckets.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use messages::GetBucketsRmqReply;
use model::{BucketName, ByteCount};
use object_store::ceph::{CephConfig, CephStore};
use object_store::{ObjectStore, S3Keys};

use crate::workspace;

const GENERATED_BYTES: usize = 3_000_000;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A file and its name.
pub(super) struct File {
    pub(super) key: String,
    pub(super) body: Bytes,
}

/// Some of the workspace's own files, and a larger one.
pub(super) fn samples() -> Result<Vec<File>> {
    let mut files = Vec::new();
    for key in ["Cargo.lock", "Cargo.toml", "deploy/demo/plans.toml"] {
        let path = workspace::root().join(key);
        let body = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        files.push(File { key: key.to_owned(), body: body.into() });
    }
    let pattern = b"Ceph keeps it, Purser counts it. ";
    let body: Vec<u8> = pattern.iter().copied().cycle().take(GENERATED_BYTES).collect();
    files.push(File { key: "pictures/large.bin".to_owned(), body: body.into() });
    Ok(files)
}

/// The endpoint and the keys that `get_buckets_rmq` gave: all that a customer has.
pub(super) struct CustomerAccess {
    store: CephStore,
    keys: S3Keys,
}

impl CustomerAccess {
    pub(super) fn new(reply: &GetBucketsRmqReply) -> Result<Self> {
        let endpoint = format!("http://{}", reply.endpoint).parse().context("the endpoint is no host name")?;
        let keys = S3Keys { access_key: reply.access_key.clone(), secret_key: reply.secret_key.clone().into() };
        let config = CephConfig {
            admin_url: Clone::clone(&endpoint),
            s3_url: endpoint,
            // A customer is no administrator, and nothing here needs one.
            admin_access_key: String::new(),
            admin_secret_key: String::new().into(),
            request_timeout: REQUEST_TIMEOUT,
        };
        Ok(Self { store: CephStore::new(config)?, keys })
    }

    /// Uploads the files and returns the sum of their sizes.
    pub(super) async fn upload(&self, bucket: &str, files: &[File]) -> Result<ByteCount> {
        let bucket: BucketName = bucket.parse()?;
        let mut total_bytes = 0;
        for File { key, body } in files {
            self.store.put_object(&self.keys, &bucket, key, body.clone()).await?;
            println!("   uploaded {bucket}/{key}: {} bytes", body.len());
            total_bytes += u64::try_from(body.len())?;
        }
        Ok(ByteCount::from_bytes(total_bytes))
    }

    /// Reads a file back.
    pub(super) async fn download(&self, bucket: &str, key: &str) -> Result<Bytes> {
        Ok(self.store.get_object(&self.keys, &bucket.parse()?, key).await?)
    }
}
