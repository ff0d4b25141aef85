//! `hold_service`: an administrator holds a service back, or lets it go again.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Record, Step};
use messages::{
    EventData, HoldService, HoldServiceReply, Refusal, RefusalKind, Reply, Request, ServiceHeld, ServiceHold, Subject,
};

use crate::cancellations::requested_service;
use crate::domain::dunning::{DunningStep, Restriction};
use crate::domain::service::Service;
use crate::restrictions::restrict;
use crate::store::services::Named;
use crate::{Billing, store};

#[async_trait]
impl DatabaseCommand<HoldService> for Billing {
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &HoldService) -> Result<Decision, Failure> {
        if !request.principal.is_admin() {
            let refusal = Refusal::new("services are held back by administrators only");
            return Err(refusal.of_kind(RefusalKind::Forbidden).into());
        }
        let named = Named::by_s3uid(parameters.s3uid.as_deref());
        let service = requested_service(step, request, named, parameters.id).await?;
        if service.terminated_at.is_some() {
            return Err(Refusal::conflict("the S3 account is being deleted").into());
        }
        let hold = match parameters.hold {
            ServiceHold::None => None,
            ServiceHold::Lock => Some(Restriction::Lock),
            ServiceHold::Suspension => Some(Restriction::Suspension),
        };
        let to = service.dunning_step.and_then(DunningStep::restriction).max(hold);
        let reason = parameters.reason.as_deref().unwrap_or("held back by an administrator");
        let state = restrict(step, &service, to, reason).await?;
        if service.hold != hold {
            store::services::set_hold(step.connection(), service.id, hold).await?;
            announce(step, request, &service, parameters).await?;
        }
        let reply = HoldServiceReply { s3uid: service.s3uid, state: state.as_str().to_owned() };
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForDays))
    }
}

async fn announce(
    step: &mut Step,
    request: &Request,
    service: &Service,
    parameters: &HoldService,
) -> Result<(), Failure> {
    let what = match parameters.hold {
        ServiceHold::None => "No longer held back",
        ServiceHold::Lock => "Held back: reading only",
        ServiceHold::Suspension => "Held back: neither reading nor writing",
    };
    step.record(Record {
        event: ServiceHeld::EVENT,
        subject: Subject::Account(service.s3uid.clone()),
        customer_id: Some(service.customer_id),
        actor: &request.principal.actor(),
        description: what.to_owned(),
        data: &ServiceHeld {
            service_id: service.id,
            s3uid: service.s3uid.clone(),
            hold: parameters.hold,
            reason: parameters.reason.clone(),
        },
        traceparent: request.traceparent.as_deref(),
    })
    .await
}
