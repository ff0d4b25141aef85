//! Accounts and buckets as operators look at them.

use history::Failure;
use model::{S3Uid, Timestamp};
use serde::Serialize;
use sqlx::PgPool;

use crate::operators::{AccountFilter, BucketFilter};

/// An account as operators see it. Its secret key is never among what they see.
#[derive(Debug, Clone, Serialize)]
pub struct ShownAccount {
    /// Its name, the same as its RGW uid.
    pub s3uid: String,
    /// Whose it is, or was.
    pub customer_id: i64,
    /// Where it is.
    pub location: String,
    /// `active`, `deleting`, `deleted` or `released`.
    pub state: String,
    /// What it may do over S3: `full`, `read_only` or `none`.
    pub access: String,
    /// Its quota in bytes.
    pub quota_bytes: i64,
    /// How many buckets it has.
    pub buckets: i64,
    /// What they hold, in bytes, as last measured.
    pub usage_bytes: i64,
    /// How many objects they hold, as last measured.
    pub objects: i64,
    /// When the last of them was measured.
    pub measured_at: Option<Timestamp>,
    /// The id of its key pair, while it is its customer's.
    pub access_key: Option<String>,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// When it was deleted or released.
    pub ended_at: Option<Timestamp>,
}

/// A bucket as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct ShownBucket {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub location: String,
    /// The account that owns it.
    pub s3uid: String,
    /// Whose account that is.
    pub customer_id: i64,
    /// What it holds, in bytes; none before it was measured.
    pub usage_bytes: Option<i64>,
    /// The same as quotas count it: each object in whole blocks of 4 KiB.
    pub usage_actual_bytes: Option<i64>,
    /// How many objects it holds.
    pub objects: Option<i64>,
    /// When it was measured.
    pub measured_at: Option<Timestamp>,
    /// Whether RGW tells of its changes.
    pub is_watched: bool,
    /// Since when it is known.
    pub created_at: Timestamp,
}

/// Accounts, the newest first.
pub(crate) async fn accounts(
    pool: &PgPool,
    filter: &AccountFilter,
    s3uid: Option<&S3Uid>,
    rows_max: i64,
) -> Result<Vec<ShownAccount>, Failure> {
    Ok(sqlx::query_as!(
        ShownAccount,
        r#"SELECT a.s3uid, a.customer_id, a.location, a.state, a.access, a.quota_bytes, u.buckets AS "buckets!",
                  u.usage_bytes AS "usage_bytes!", u.objects AS "objects!", u.measured_at AS "measured_at?",
                  CASE WHEN a.state = 'active' THEN a.access_key END AS access_key, a.created_at,
                  coalesce(a.deleted_at, a.released_at) AS ended_at
           FROM (SELECT * FROM provisioner.accounts
                 WHERE ($1::bigint IS NULL OR customer_id = $1) AND ($2::text IS NULL OR s3uid = $2)
                     AND ($3::text IS NULL OR location = $3) AND ($4::text IS NULL OR state = $4)
                 ORDER BY created_at DESC, s3uid LIMIT $5) a,
                LATERAL (SELECT count(b.name) AS buckets, coalesce(sum(m.usage_bytes), 0)::bigint AS usage_bytes,
                                coalesce(sum(m.objects), 0)::bigint AS objects, max(m.measured_at) AS measured_at
                         FROM provisioner.buckets b
                         LEFT JOIN shared.bucket_usage m ON m.s3uid = b.s3uid AND m.bucket_name = b.name
                         WHERE b.s3uid = a.s3uid AND b.deleted_at IS NULL) u
           ORDER BY a.created_at DESC, a.s3uid"#,
        filter.customer.map(|id| id.0),
        s3uid.map(S3Uid::as_str),
        filter.location.as_ref().map(model::Location::as_str),
        filter.state.as_deref(),
        rows_max
    )
    .fetch_all(pool)
    .await?)
}

/// Buckets that exist, by name and location.
pub(crate) async fn buckets(
    pool: &PgPool,
    filter: &BucketFilter,
    name: Option<&str>,
    rows_max: i64,
) -> Result<Vec<ShownBucket>, Failure> {
    Ok(sqlx::query_as!(
        ShownBucket,
        r#"SELECT b.name, b.location, b.s3uid, a.customer_id, m.usage_bytes AS "usage_bytes?",
                  m.usage_actual_bytes AS "usage_actual_bytes?", m.objects AS "objects?",
                  m.measured_at AS "measured_at?", b.notified_topic IS NOT NULL AS "is_watched!", b.created_at
           FROM provisioner.buckets b JOIN provisioner.accounts a ON a.s3uid = b.s3uid
           LEFT JOIN shared.bucket_usage m ON m.s3uid = b.s3uid AND m.bucket_name = b.name
           WHERE b.deleted_at IS NULL AND ($1::bigint IS NULL OR a.customer_id = $1)
               AND ($2::text IS NULL OR b.s3uid = $2) AND ($3::text IS NULL OR b.location = $3)
               AND ($4::text IS NULL OR b.name = $4)
           ORDER BY b.name, b.location LIMIT $5"#,
        filter.customer.map(|id| id.0),
        filter.account.as_ref().map(S3Uid::as_str),
        filter.location.as_ref().map(model::Location::as_str),
        name,
        rows_max
    )
    .fetch_all(pool)
    .await?)
}
