//! `bucket.created`: the account's buckets have changed, so they are read again.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{BucketCreated, Event};
use runtime::Consume;

use crate::{Metering, store};

#[async_trait]
impl Consume<BucketCreated> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: BucketCreated) -> Result<(), Failure> {
        let now = step.now();
        store::samples::mark_due(step.connection(), &data.s3uid, now).await
    }
}
