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
        if store::buckets::discover(step.connection(), location, name, &account.s3uid, event.time).await? {
            self.wake_watching(location);
        }
        Ok(())
    }
}
