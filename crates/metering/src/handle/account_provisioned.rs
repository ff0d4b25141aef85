//! `account.provisioned`: a new account is read at once, so that its first answer has figures.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountProvisioned, Event};
use runtime::Consume;

use crate::{Metering, store};

#[async_trait]
impl Consume<AccountProvisioned> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountProvisioned) -> Result<(), Failure> {
        let now = step.now();
        store::samples::mark_due(step.connection(), &data.s3uid, now).await
    }
}
