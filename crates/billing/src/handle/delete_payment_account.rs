//! `delete_payment_account`: cancels a service for the end of what is paid.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{DeletePaymentAccount, DeletePaymentAccountReply, Reply, Request};
use model::PlainTime;

use crate::Billing;
use crate::cancellations::{cancel, requested_service};
use crate::store::services::Named;

#[async_trait]
impl DatabaseCommand<DeletePaymentAccount> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &DeletePaymentAccount,
    ) -> Result<Decision, Failure> {
        let named = Named::by_s3uid(parameters.s3uid.as_deref());
        let service = requested_service(step, request, named, parameters.id).await?;
        let cancellation = cancel(step, request, &service).await?;
        let reply = DeletePaymentAccountReply {
            cancellation_date: PlainTime(cancellation.cancelled_at),
            termination_date: PlainTime(cancellation.termination_at),
        };
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForDays))
    }
}
