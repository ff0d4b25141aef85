//! `provisioner.accounts` and `provisioner.released_orders`.

use history::Failure;
use messages::{AccountAccess, Scope};
use model::{ByteCount, CustomerId, OrderId, S3Uid, Timestamp};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::domain::account::Account;
use crate::domain::sealing::Sealed;

/// An account's columns.
pub(super) struct Row {
    pub(super) s3uid: String,
    pub(super) customer_id: i64,
    pub(super) location: String,
    pub(super) quota_bytes: i64,
    pub(super) access: String,
    pub(super) access_key: String,
    pub(super) sealed_secret_key: Vec<u8>,
}

impl TryFrom<Row> for Account {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::Unavailable(format!("account {}: {error}", row.s3uid));
        let access = AccountAccess::ALL.into_iter().find(|access| access.as_str() == row.access);
        Ok(Self {
            s3uid: row.s3uid.parse().map_err(|e| broken(&e))?,
            customer_id: CustomerId(row.customer_id),
            location: row.location.parse().map_err(|e| broken(&e))?,
            quota_bytes: row.quota_bytes,
            access: access.ok_or_else(|| broken(&row.access))?,
            access_key: row.access_key,
            sealed_secret_key: Sealed(row.sealed_secret_key),
        })
    }
}

/// The accounts in `scope` that customers may use, the one called `s3uid` where that is given; two at most. A scope that
/// is anyone's must name one.
///
/// An account is its customer's once its service runs: until then its order may still fail.
pub(crate) async fn find(
    executor: impl PgExecutor<'_>,
    scope: Scope,
    s3uid: Option<&str>,
) -> Result<Vec<Account>, Failure> {
    let customer_id = scope.customer_id().map(|id| id.0);
    let rows = match s3uid {
        Some(s3uid) => {
            sqlx::query_as!(
                Row,
                "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
                 FROM provisioner.accounts a
                 WHERE s3uid = $1 AND state = 'active' AND ($2::bigint IS NULL OR customer_id = $2)
                     AND EXISTS (SELECT FROM shared.services s WHERE s.s3uid = a.s3uid)",
                s3uid,
                customer_id
            )
            .fetch_all(executor)
            .await?
        }
        None => {
            sqlx::query_as!(
                Row,
                "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
                 FROM provisioner.accounts a
                 WHERE customer_id = $1 AND state = 'active'
                     AND EXISTS (SELECT FROM shared.services s WHERE s.s3uid = a.s3uid)
                 LIMIT 2",
                customer_id
            )
            .fetch_all(executor)
            .await?
        }
    };
    rows.into_iter().map(Account::try_from).collect()
}

/// The same, so that their deletion can't begin until the step ends.
pub(crate) async fn share(
    connection: &mut PgConnection,
    scope: Scope,
    s3uid: Option<&str>,
) -> Result<Vec<Account>, Failure> {
    let customer_id = scope.customer_id().map(|id| id.0);
    let rows = match s3uid {
        Some(s3uid) => {
            sqlx::query_as!(
                Row,
                "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
                 FROM provisioner.accounts a
                 WHERE s3uid = $1 AND state = 'active' AND ($2::bigint IS NULL OR customer_id = $2)
                     AND EXISTS (SELECT FROM shared.services s WHERE s.s3uid = a.s3uid)
                 FOR SHARE",
                s3uid,
                customer_id
            )
            .fetch_all(connection)
            .await?
        }
        None => {
            sqlx::query_as!(
                Row,
                "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
                 FROM provisioner.accounts a
                 WHERE customer_id = $1 AND state = 'active'
                     AND EXISTS (SELECT FROM shared.services s WHERE s.s3uid = a.s3uid)
                 LIMIT 2 FOR SHARE",
                customer_id
            )
            .fetch_all(connection)
            .await?
        }
    };
    rows.into_iter().map(Account::try_from).collect()
}

/// The account whose service has this name, so that its deletion can't begin until the step ends.
pub(crate) async fn lock_by_name(
    connection: &mut PgConnection,
    scope: Scope,
    name: &str,
) -> Result<Option<Account>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
         FROM provisioner.accounts a
         WHERE state = 'active' AND ($1::bigint IS NULL OR customer_id = $1)
             AND s3uid = (SELECT s.s3uid FROM shared.service_details s WHERE s.name = $2)
         FOR SHARE",
        scope.customer_id().map(|id| id.0),
        name
    )
    .fetch_optional(connection)
    .await?
    .map(Account::try_from)
    .transpose()
}

/// The active account of this name, whoever's it is and whether its service runs, so that its deletion can't begin until
/// the step ends.
pub(crate) async fn share_active(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<Account>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
         FROM provisioner.accounts
         WHERE state = 'active' AND s3uid = $1 FOR SHARE",
        s3uid.as_str()
    )
    .fetch_optional(connection)
    .await?
    .map(Account::try_from)
    .transpose()
}

/// Whose account it is, or was.
pub(crate) async fn customer(connection: &mut PgConnection, s3uid: &S3Uid) -> Result<Option<CustomerId>, Failure> {
    let id = sqlx::query_scalar!("SELECT customer_id FROM provisioner.accounts WHERE s3uid = $1", s3uid.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(id.map(CustomerId))
}

/// Writes an active account's new quota. False: its deletion has begun meanwhile.
pub(crate) async fn set_quota(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    quota: ByteCount,
    decided_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.accounts SET quota_bytes = $2, quota_decided_at = greatest(quota_decided_at, $3)
         WHERE s3uid = $1 AND state = 'active'",
        s3uid.as_str(),
        quota.to_i64(),
        decided_at
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether an account's quota was decided after this moment.
pub(crate) async fn quota_decided_after(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    decided_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let is_later = sqlx::query_scalar!(
        r#"SELECT coalesce(quota_decided_at > $2, false) AS "is_later!" FROM provisioner.accounts WHERE s3uid = $1"#,
        s3uid.as_str(),
        decided_at
    );
    Ok(is_later.fetch_one(connection).await?)
}

/// Writes what an active account may do. False: its deletion has begun meanwhile.
pub(crate) async fn set_access(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    access: AccountAccess,
    decided_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let updated = sqlx::query!(
        "UPDATE provisioner.accounts SET access = $2, access_decided_at = greatest(access_decided_at, $3)
         WHERE s3uid = $1 AND state = 'active'",
        s3uid.as_str(),
        access.as_str(),
        decided_at
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Whether an account's access was decided after this moment.
pub(crate) async fn access_decided_after(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    decided_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let is_later = sqlx::query_scalar!(
        r#"SELECT coalesce(access_decided_at > $2, false) AS "is_later!" FROM provisioner.accounts WHERE s3uid = $1"#,
        s3uid.as_str(),
        decided_at
    );
    Ok(is_later.fetch_one(connection).await?)
}

/// Writes an active account's new secret key. False: its deletion has begun meanwhile.
pub(crate) async fn set_secret_key(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    sealed: &Sealed,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.accounts SET sealed_secret_key = $2 WHERE s3uid = $1 AND state = 'active'",
        s3uid.as_str(),
        sealed.0
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes an active account from its customer: it is being deleted, with keys that are ours alone. False: it isn't
/// active (any more).
pub(crate) async fn begin_deletion(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    access_key: &str,
    sealed: &Sealed,
) -> Result<bool, Failure> {
    let done = sqlx::query!(
        "UPDATE provisioner.accounts SET state = 'deleting', access_key = $2, sealed_secret_key = $3
         WHERE s3uid = $1 AND state = 'active'",
        s3uid.as_str(),
        access_key,
        sealed.0
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An account that is being deleted.
pub(crate) async fn deleting(pool: &PgPool, s3uid: &S3Uid) -> Result<Option<Account>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
         FROM provisioner.accounts
         WHERE state = 'deleting' AND s3uid = $1",
        s3uid.as_str()
    )
    .fetch_optional(pool)
    .await?
    .map(Account::try_from)
    .transpose()
}

/// Writes that an account is gone, and forgets its keys.
pub(crate) async fn conclude_deletion(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE provisioner.accounts SET state = 'deleted', deleted_at = $2, sealed_secret_key = '' WHERE s3uid = $1",
        s3uid.as_str(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The account that was made for an order, whatever became of the order.
pub(crate) async fn of_order(connection: &mut PgConnection, order_id: OrderId) -> Result<Option<Account>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT s3uid, customer_id, location, quota_bytes, access, access_key, sealed_secret_key
         FROM provisioner.accounts
         WHERE state = 'active' AND order_id = $1",
        order_id.0
    )
    .fetch_optional(connection)
    .await?
    .map(Account::try_from)
    .transpose()
}

/// Adds an account. An account that is there already stays as it is.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    order_id: OrderId,
    account: &Account,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "INSERT INTO provisioner.accounts (s3uid, customer_id, order_id, location, state, quota_bytes, access_key,
                                           sealed_secret_key, created_at)
         VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8) ON CONFLICT (s3uid) DO NOTHING",
        account.s3uid.as_str(),
        account.customer_id.0,
        order_id.0,
        account.location.as_str(),
        account.quota_bytes,
        account.access_key,
        account.sealed_secret_key.0,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the account of this order was taken back, or must never be made.
pub(crate) async fn is_released(connection: &mut PgConnection, order_id: OrderId) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM provisioner.released_orders WHERE order_id = $1) AS "released!""#,
        order_id.0
    )
    .fetch_one(connection)
    .await?)
}

/// Marks the account as released, and its order, so that a late provisioning makes nothing.
pub(crate) async fn release(
    connection: &mut PgConnection,
    order_id: OrderId,
    s3uid: &S3Uid,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "WITH released AS (
           UPDATE provisioner.accounts SET state = 'released', released_at = $3 WHERE s3uid = $2 AND order_id = $1
         )
         INSERT INTO provisioner.released_orders (order_id, released_at) VALUES ($1, $3) ON CONFLICT DO NOTHING",
        order_id.0,
        s3uid.as_str(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
