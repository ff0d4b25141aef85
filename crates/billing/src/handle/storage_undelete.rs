//! `storage_undelete`: withdraws a package's cancellation.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{EmptyReply, Reply, Request, StorageUndelete};

use crate::Billing;
use crate::cancellations::{requested_service, withdraw};
use crate::store::services::Named;

#[async_trait]
impl DatabaseCommand<StorageUndelete> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &StorageUndelete,
    ) -> Result<Decision, Failure> {
        let service = requested_service(step, request, Named::Name(&parameters.name), parameters.id)
            .await
            .map_err(super::as_package)?;
        withdraw(step, request, &service).await?;
        Ok(Decision::Answer(Reply::success(&request.action, &EmptyReply {}), Keep::ForDays))
    }
}
