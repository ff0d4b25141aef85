//! Cancelling services and taking that back, as both APIs do it.

use history::{Failure, Record, Step};
use messages::{EventData, Refusal, Request, Scope, ServiceCancellationWithdrawn, ServiceCancelled, Subject};
use model::{CustomerId, PlainTime};

use crate::domain::service::{Cancellation, Service};
use crate::handover::tasks;
use crate::store;
use crate::store::services::Named;

/// The one service that a caller means, locked until the step ends.
pub(crate) async fn requested_service(
    step: &mut Step,
    request: &Request,
    named: Named<'_>,
    id: Option<CustomerId>,
) -> Result<Service, Failure> {
    let scope = scope(request, named, id)?;
    pick(store::services::lock(step.connection(), scope, named).await?)
}

/// The one service that a caller wants to look at.
pub(crate) async fn viewed_service(
    step: &mut Step,
    request: &Request,
    named: Named<'_>,
    id: Option<CustomerId>,
) -> Result<Service, Failure> {
    let scope = scope(request, named, id)?;
    pick(store::services::find(step.connection(), scope, named).await?)
}

fn scope(request: &Request, named: Named<'_>, id: Option<CustomerId>) -> Result<Scope, Refusal> {
    let scope = Scope::of(request.principal, id)?;
    if scope == Scope::Anyone && matches!(named, Named::Only) {
        return Err(Refusal::new("s3uid required"));
    }
    Ok(scope)
}

fn pick(mut found: Vec<Service>) -> Result<Service, Failure> {
    match (found.pop(), found.is_empty()) {
        (Some(service), true) => Ok(service),
        (Some(_), false) => Err(Refusal::new("s3uid required").into()),
        (None, _) => Err(Refusal::account_not_found().into()),
    }
}

/// Cancels a service; one that is cancelled already keeps its dates.
pub(crate) async fn cancel(step: &mut Step, request: &Request, service: &Service) -> Result<Cancellation, Failure> {
    let (state, cancellation) = service.cancelled(step.now())?;
    if service.cancellation.is_none() {
        store::services::set_cancellation(step.connection(), service, state, Some(cancellation)).await?;
        step.record(Record {
            event: ServiceCancelled::EVENT,
            subject: Subject::Account(service.s3uid.clone()),
            customer_id: Some(service.customer_id),
            actor: &request.principal.actor(),
            description: format!("Service cancelled; it ends on {}", PlainTime(cancellation.termination_at)),
            data: &ServiceCancelled {
                service_id: service.id,
                s3uid: service.s3uid.clone(),
                cancelled_at: cancellation.cancelled_at,
                termination_at: cancellation.termination_at,
            },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        tasks::cancel(step, service, cancellation).await?;
    }
    Ok(cancellation)
}

/// Withdraws a service's cancellation, and returns it.
pub(crate) async fn withdraw(step: &mut Step, request: &Request, service: &Service) -> Result<Cancellation, Failure> {
    let (state, cancellation) = service.withdrawn(step.now())?;
    store::services::set_cancellation(step.connection(), service, state, None).await?;
    step.record(Record {
        event: ServiceCancellationWithdrawn::EVENT,
        subject: Subject::Account(service.s3uid.clone()),
        customer_id: Some(service.customer_id),
        actor: &request.principal.actor(),
        description: format!("Cancellation for {} withdrawn", PlainTime(cancellation.termination_at)),
        data: &ServiceCancellationWithdrawn {
            service_id: service.id,
            s3uid: service.s3uid.clone(),
            termination_at: cancellation.termination_at,
        },
        traceparent: request.traceparent.as_deref(),
    })
    .await?;
    tasks::withdraw(step, service, cancellation).await?;
    Ok(cancellation)
}
