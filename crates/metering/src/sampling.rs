//! One account's sample: what RGW says of its buckets and its traffic, read together and written together.

use history::{Failure, Step};
use model::{ByteCount, Location, S3Uid, Timestamp};
use object_store::{BucketUsage, StoreError, UsageRecord};
use sqlx::PgConnection;

use crate::domain::window;
use crate::{Metering, store};

/// What was read.
#[derive(Debug)]
pub(crate) struct Sample {
    s3uid: S3Uid,
    measured_at: Timestamp,
    buckets: Vec<BucketUsage>,
    records: Vec<UsageRecord>,
}

fn unavailable(error: &StoreError) -> Failure {
    Failure::Unavailable(error.to_string())
}

/// Reads an account from its store; its usage from a while before `since` on, when it was last read, or made.
pub(crate) async fn read(
    metering: &Metering,
    s3uid: &S3Uid,
    location: &Location,
    since: Option<Timestamp>,
) -> Result<Sample, Failure> {
    let store = &metering.locations.get(location).map_err(|error| unavailable(&error))?.store;
    let measured_at = metering.clock.now();
    let (from, to) = window::hours_to_read(since.unwrap_or(measured_at), measured_at);
    let (buckets, records) = tokio::try_join!(store.bucket_usages(s3uid), store.usage(s3uid, from, to))
        .map_err(|error| unavailable(&error))?;
    Ok(Sample { s3uid: s3uid.clone(), measured_at, buckets, records })
}

/// Reads an account from its store and writes its sample; one that is gone has nothing left to read.
pub(crate) async fn read_again(metering: &Metering, step: &mut Step, s3uid: &S3Uid) -> Result<(), Failure> {
    let Some(location) = store::accounts::location(step.connection(), s3uid).await? else { return Ok(()) };
    let since = store::accounts::measured_or_made_at(&mut *step.connection(), s3uid).await?;
    let sample = read(metering, s3uid, &location, since).await?;
    write(step.connection(), &sample).await
}

/// Writes a sample, unless a younger one is there.
pub(crate) async fn write(connection: &mut PgConnection, sample: &Sample) -> Result<(), Failure> {
    let Sample { s3uid, measured_at, buckets, records } = sample;
    if store::usage::mark_measured(connection, s3uid, *measured_at).await? {
        store::usage::replace_buckets(connection, s3uid, buckets, *measured_at).await?;
        store::usage::replace_hours(connection, s3uid, records, *measured_at).await?;
        let stored: ByteCount = buckets.iter().map(|bucket| bucket.usage).sum();
        store::days::add(connection, s3uid, stored.to_i64(), *measured_at).await?;
    }
    Ok(())
}
