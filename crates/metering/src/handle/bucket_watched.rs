//! `bucket.watched`: RGW tells of changes from now on; what changed before is read once.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{BucketWatched, Event};
use runtime::Consume;

use crate::{Metering, store};

#[async_trait]
impl Consume<BucketWatched> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: BucketWatched) -> Result<(), Failure> {
        let now = step.now();
        store::samples::mark_due(step.connection(), &data.s3uid, now).await
    }
}
