//! `storage_delete`: cancels a package for the end of what is paid.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{Reply, Request, StorageDelete, StorageDeleted};
use model::PlainTime;

use crate::Billing;
use crate::cancellations::{cancel, requested_service};
use crate::store::services::Named;

#[async_trait]
impl DatabaseCommand<StorageDelete> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &StorageDelete,
    ) -> Result<Decision, Failure> {
        let service = requested_service(step, request, Named::Name(&parameters.name), parameters.id)
            .await
            .map_err(super::as_package)?;
        let cancellation = cancel(step, request, &service).await?;
        let result = StorageDeleted { expiry: PlainTime(cancellation.termination_at) };
        Ok(Decision::Answer(Reply::success(&request.action, &result), Keep::ForDays))
    }
}
