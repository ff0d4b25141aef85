//! Deleting usage records from RGW that are safe here. First it is written down what is to be deleted, then RGW deletes
//! it, then that is taken as the base on which later entries of those hours come: whatever happens in between, the
//! same is done again.

use chrono::TimeDelta;
use history::Failure;
use model::{S3Uid, Timestamp};

use super::{CORRECTED_FOR, HOUR, Log, merge};
use crate::domain::storage::hour_of;
use crate::sampling::unavailable;
use crate::store;
use crate::store::trims::Trim;

/// How many accounts are trimmed in one round.
const ACCOUNTS_AT_ONCE: i64 = 20;

/// Finishes what was interrupted.
pub(super) async fn resume(log: &Log<'_>) -> Result<(), Failure> {
    for trim in store::trims::open(&log.metering.pool, log.location).await? {
        perform_or_leave(log, &trim).await;
    }
    Ok(())
}

/// Trims some accounts' final hours that are older than `age`.
pub(super) async fn trim(log: &Log<'_>, age: TimeDelta) -> Result<(), Failure> {
    let to_hour = hour_of(log.now() - age.max(CORRECTED_FOR));
    for (s3uid, from_hour) in store::trims::due(&log.metering.pool, log.location, to_hour, ACCOUNTS_AT_ONCE).await? {
        let s3uid: S3Uid = s3uid.parse().map_err(|error| Failure::Unavailable(format!("usage of {s3uid}: {error}")))?;
        read_once_more(log, &s3uid, from_hour, to_hour).await?;
        let trim = Trim { s3uid, from_hour, to_hour };
        store::trims::begin(&log.metering.pool, &trim, log.now()).await?;
        perform_or_leave(log, &trim).await;
    }
    Ok(())
}

/// What came late is a correction, not lost.
async fn read_once_more(log: &Log<'_>, s3uid: &S3Uid, from: Timestamp, to: Timestamp) -> Result<(), Failure> {
    let asked_at = log.now();
    let records = log.store.usage(s3uid, from, to).await.map_err(|error| unavailable(&error))?;
    let mut step = log.metering.journal.step().await?;
    merge(&mut step, log.location, &[(s3uid.clone(), records.as_slice())], (from, to), asked_at).await?;
    step.commit().await
}

/// One that fails is left to the next round; reading goes on.
async fn perform_or_leave(log: &Log<'_>, trim: &Trim) {
    if let Err(error) = perform(log, trim).await {
        tracing::warn!(s3uid = %trim.s3uid, %error, "usage records could not be deleted from RGW; it is tried again");
    }
}

async fn perform(log: &Log<'_>, trim: &Trim) -> Result<(), Failure> {
    let Trim { s3uid, from_hour, to_hour } = trim;
    log.store
        .trim_usage(s3uid, *from_hour, (*to_hour).max(*from_hour + HOUR))
        .await
        .map_err(|error| unavailable(&error))?;
    let mut transaction = log.metering.pool.begin().await?;
    store::trims::finish(&mut transaction, trim, log.now()).await?;
    transaction.commit().await?;
    tracing::info!(%s3uid, from = %from_hour, to = %to_hour, "usage records were deleted from RGW; they are kept here");
    Ok(())
}
