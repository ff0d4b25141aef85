//! `account.deleted`: nothing is stored any more. What was transferred stays: it is still to be paid for.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountDeleted, Event};
use runtime::Consume;

use crate::sampling::Sample;
use crate::{Metering, sampling};

#[async_trait]
impl Consume<AccountDeleted> for Metering {
    async fn consume(&self, step: &mut Step, event: &Event, data: AccountDeleted) -> Result<(), Failure> {
        let mut sample = Sample { s3uid: data.s3uid, measured_at: event.time, only: None, buckets: Vec::new() };
        // Where its hour is closed already, it was empty from now on at the latest.
        if sampling::write(step, &sample).await? == sampling::Written::TooLate {
            sample.measured_at = step.now();
            sampling::write(step, &sample).await?;
        }
        Ok(())
    }
}
