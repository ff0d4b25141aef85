//! `bucket.vanished`: metering no longer finds a bucket that Purser didn't delete.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{BucketVanished, Event};
use runtime::Consume;

use crate::{Provisioner, store};

#[async_trait]
impl Consume<BucketVanished> for Provisioner {
    async fn consume(&self, step: &mut Step, event: &Event, data: BucketVanished) -> Result<(), Failure> {
        let seen_at = data.measured_at.unwrap_or(event.time);
        store::buckets::vanish(step.connection(), &data.bucket_name, &data.s3uid, seen_at).await
    }
}
