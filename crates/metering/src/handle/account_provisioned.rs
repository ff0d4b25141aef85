//! `account.provisioned`: a new account is read at once, so that its first answer has figures.

use async_trait::async_trait;
use history::{Failure, Step};
use messages::{AccountProvisioned, Event};
use runtime::Consume;

use crate::{Metering, sampling, store};

#[async_trait]
impl Consume<AccountProvisioned> for Metering {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountProvisioned) -> Result<(), Failure> {
        // Released meanwhile: there is nothing left to read.
        let Some(location) = store::accounts::location(step.connection(), &data.s3uid).await? else { return Ok(()) };
        let sample = sampling::read(self, step.connection(), &data.s3uid, &location).await?;
        sampling::write(step.connection(), &sample).await
    }
}
