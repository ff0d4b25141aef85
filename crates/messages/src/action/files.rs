//! Listing and deleting what buckets hold.

use model::{BucketName, CustomerId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// Lists a bucket's files, page by page, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetFiles {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The bucket.
    #[serde(alias = "bucket", deserialize_with = "lenient::text")]
    pub bucket_name: BucketName,
    /// Where to go on: the `next_token` of the page before.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub continuation_token: Option<String>,
    /// How many files at most: 1 to 100, 100 by default.
    #[serde(default, alias = "limit", deserialize_with = "lenient::optional_integer")]
    pub max_keys: Option<i64>,
    /// Which page, from 1, for callers that count pages; slower than `continuation_token`.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub page: Option<i64>,
    /// Only files whose name (the key, where it has a `/`) contains this, in any case.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub search: Option<String>,
    /// Only keys that begin so.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub prefix: Option<String>,
    /// Keys are cut after the first of these beyond the prefix, and shown as folders: `/` makes a tree.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub delimiter: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `get_files`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetFilesReply {
    /// This page.
    pub files: FilesReply,
    /// How to ask for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A page of files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FilesReply {
    /// The files, by key.
    pub items: Vec<FileReply>,
    /// The folders in which they lie, by key.
    pub folders: Vec<FolderReply>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileReply {
    /// The key as it may be displayed.
    pub key: String,
    /// The exact key, for other calls.
    pub original_key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub last_modified: Timestamp,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FolderReply {
    /// The prefix as it may be displayed; ends with the delimiter.
    pub key: String,
    /// The exact prefix.
    pub original_key: String,
}

/// Deletes one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeleteFile {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The bucket.
    #[serde(alias = "bucket", deserialize_with = "lenient::text")]
    pub bucket_name: BucketName,
    /// The file's exact key.
    #[serde(alias = "file", deserialize_with = "lenient::text")]
    pub filename: String,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `delete_file`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeleteFileReply {
    /// `File deleted successfully`.
    pub message: String,
}
