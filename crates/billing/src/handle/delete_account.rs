//! `delete_account`: ends account and service at once; the answer follows when everything is gone.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Step};
use messages::{DeleteAccount, Request};

use crate::Billing;
use crate::cancellations::requested_service;
use crate::store::services::Named;
use crate::terminations::{Termination, terminate};

#[async_trait]
impl DatabaseCommand<DeleteAccount> for Billing {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &DeleteAccount,
    ) -> Result<Decision, Failure> {
        let named = Named::by_s3uid(parameters.s3uid.as_deref());
        let service = requested_service(step, request, named, parameters.id).await?;
        let state = service.terminated(step.now(), request.principal.is_admin())?;
        let termination = Termination {
            actor: &request.principal.actor(),
            reason: parameters.reason.as_deref(),
            requested_by: Some(&request.key()?),
            traceparent: request.traceparent.as_deref(),
            // A customer may use up what they paid for; whom an administrator ends can't.
            gives_back: request.principal.is_admin(),
        };
        terminate(step, &self.settings, &service, state, &termination).await?;
        Ok(Decision::Later)
    }
}
