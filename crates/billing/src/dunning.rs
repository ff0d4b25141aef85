//! Dunning: services whose invoices are overdue are reminded, locked, suspended and ended, step by step; paying restores
//! them at once.

use history::{Failure, Journal, Record, Step};
use messages::{EventData, ServiceDunned, Subject};
use model::ServiceId;

use crate::domain::dunning::DunningStep;
use crate::domain::service::Service;
use crate::restrictions::restrict;
use crate::store::dunning::Overdue;
use crate::terminations::{Termination, terminate};
use crate::{Settings, store};

/// Takes one service a step further; false where none is due for one.
pub(crate) async fn step_one(journal: &Journal, settings: &Settings) -> Result<bool, Failure> {
    if settings.dunning.first().is_none() {
        return Ok(false);
    }
    let mut step = journal.step().await?;
    let today = step.now().date_naive();
    let Some(id) = store::dunning::lock_due(step.connection(), &settings.dunning, today).await? else {
        return Ok(false);
    };
    let service = load(&mut step, id).await?;
    let overdue = store::dunning::overdue(step.connection(), id, today).await?;
    let Some(reached) = overdue.due_on.and_then(|due_on| settings.dunning.step(due_on, today)) else {
        return Ok(false);
    };
    store::dunning::set_step(step.connection(), id, Some(reached)).await?;
    let reason = format!("{} {} are overdue", overdue.amount, overdue.currency);
    match reached {
        DunningStep::Reminder => tell(&mut step, &service, "service.reminded", &overdue).await?,
        DunningStep::Lock | DunningStep::Suspension => {
            let event = if reached == DunningStep::Lock { "service.locked" } else { "service.suspended" };
            tell(&mut step, &service, event, &overdue).await?;
            restrict(&mut step, settings, &service, reached.restriction().max(service.hold), &reason).await?;
        }
        DunningStep::Termination => {
            let state = service.terminated(step.now(), true)?;
            let termination = Termination {
                actor: "billing",
                reason: Some(&reason),
                requested_by: None,
                traceparent: None,
                gives_back: true,
            };
            terminate(&mut step, settings, &service, state, &termination).await?;
        }
    }
    step.commit().await?;
    Ok(true)
}

async fn load(step: &mut Step, id: ServiceId) -> Result<Service, Failure> {
    let service = store::services::lock_one(step.connection(), id).await?;
    service.ok_or_else(|| Failure::Unavailable(format!("service {id} is gone")))
}

/// Restores a locked service whose invoices are no longer overdue.
pub(crate) async fn restore_if_paid(step: &mut Step, service: &Service, settings: &Settings) -> Result<(), Failure> {
    if service.dunning_step.is_none() || service.terminated_at.is_some() {
        return Ok(());
    }
    let today = step.now().date_naive();
    let overdue = store::dunning::overdue(step.connection(), service.id, today).await?;
    if overdue.due_on.and_then(|due_on| settings.dunning.step(due_on, today)).is_some() {
        return Ok(());
    }
    store::dunning::set_step(step.connection(), service.id, None).await?;
    restrict(step, settings, service, service.hold, "paid").await?;
    tell(step, service, "service.restored", &overdue).await
}

/// Restores one service that is dunned for nothing; false where there is none. A credit note can settle invoices, too.
pub(crate) async fn restore_one(journal: &Journal, settings: &Settings) -> Result<bool, Failure> {
    let mut step = journal.step().await?;
    let today = step.now().date_naive();
    let Some(id) = store::dunning::lock_paid(step.connection(), today).await? else { return Ok(false) };
    let service = load(&mut step, id).await?;
    restore_if_paid(&mut step, &service, settings).await?;
    step.commit().await?;
    Ok(true)
}

async fn tell(step: &mut Step, service: &Service, event: &'static str, overdue: &Overdue) -> Result<(), Failure> {
    let Overdue { due_on, amount, currency } = overdue;
    let description = match (event, due_on) {
        (ServiceDunned::EVENT, Some(due_on)) => format!("Reminder: {amount} {currency} are due since {due_on}"),
        ("service.locked", _) => format!("Reading only: {amount} {currency} are overdue"),
        ("service.suspended", _) => format!("Suspended: {amount} {currency} are overdue"),
        _ => "Restored: nothing is overdue any more".to_owned(),
    };
    step.record(Record {
        event,
        subject: Subject::Account(service.s3uid.clone()),
        customer_id: Some(service.customer_id),
        actor: "billing",
        description,
        data: &ServiceDunned {
            service_id: service.id,
            s3uid: service.s3uid.clone(),
            due_date: *due_on,
            currency: *currency,
            overdue: *amount,
        },
        traceparent: None,
    })
    .await
}
