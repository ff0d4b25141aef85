//! `account.quota_changed`: the thresholds are other ones now.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountQuotaChanged, Event};
use runtime::Consume;

use crate::domain::storage::hour_of;
use crate::{Metering, sampling, store};

#[async_trait]
impl Consume<AccountQuotaChanged> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountQuotaChanged) -> Result<(), Failure> {
        store::samples::lock(step.connection(), &data.s3uid).await?;
        let now = step.now();
        match store::readings::before(step.connection(), &data.s3uid, hour_of(now)).await? {
            Some(before) if before.account.is_active => {
                sampling::tell_of_quota(step, &data.s3uid, &before, before.totals).await
            }
            _ => Ok(()),
        }
    }
}
