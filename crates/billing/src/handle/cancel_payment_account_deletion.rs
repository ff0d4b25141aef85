//! `cancel_payment_account_deletion`: withdraws a cancellation.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{CancelPaymentAccountDeletion, CancelPaymentAccountDeletionReply, Reply, Request};
use model::PlainTime;

use crate::Billing;
use crate::cancellations::{requested_service, withdraw};
use crate::store::services::Named;

#[async_trait]
impl DatabaseCommand<CancelPaymentAccountDeletion> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &CancelPaymentAccountDeletion,
    ) -> Result<Decision, Failure> {
        let named = Named::by_s3uid(parameters.s3uid.as_deref());
        let service = requested_service(step, request, named, parameters.id).await?;
        let withdrawn = withdraw(step, request, &service).await?;
        let reply = CancelPaymentAccountDeletionReply { termination_date: PlainTime(withdrawn.termination_at) };
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForDays))
    }
}
