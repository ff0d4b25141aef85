//! `bucket.discovered`: metering found a bucket that the customer made over S3.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{BucketDiscovered, Event};
use runtime::Consume;

use crate::{Provisioner, store};

#[async_trait]
impl Consume<BucketDiscovered> for Provisioner {
    async fn consume(&self, step: &mut Step, event: &Event, data: BucketDiscovered) -> Result<(), Failure> {
        let Some(account) = store::accounts::share_active(step.connection(), &data.s3uid).await? else {
            return Ok(());
        };
        let (location, name) = (&account.location, &data.bucket_name);
        // Not when it was written down: meanwhile the bucket may have been deleted.
        let seen_at = data.measured_at.unwrap_or(event.time);
        if store::buckets::discover(step.connection(), location, name, &account.s3uid, seen_at).await? {
            self.wake_watching(location);
        }
        Ok(())
    }
}
