//! Dunning: services whose invoices are overdue are reminded, locked, suspended and ended, step by step; paying restores
//! them at once.

use chrono::NaiveDate;
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
    let mut step = journal.step().await?;
    let (now, today) = (step.now(), step.now().date_naive());
    let Some(id) = store::dunning::lock_due(step.connection(), &settings.dunning, today, now).await? else {
        return Ok(false);
    };
    match take(&mut step, settings, id, today).await {
        Ok(true) => {
            step.commit().await?;
            Ok(true)
        }
        Ok(false) => Ok(false),
        Err(error) => {
            drop(step);
            put_off(journal, id, &error).await?;
            Ok(true)
        }
    }
}

/// One service's trouble holds up no other: it has its next turn in a few minutes.
pub(crate) async fn put_off(journal: &Journal, id: ServiceId, error: &Failure) -> Result<(), Failure> {
    tracing::warn!(service_id = %id, %error, "a service can't be seen to; it is tried again later");
    let mut step = journal.step().await?;
    let now = step.now();
    store::due::put_off(step.connection(), id, now).await?;
    step.commit().await
}

async fn take(step: &mut Step, settings: &Settings, id: ServiceId, today: NaiveDate) -> Result<bool, Failure> {
    let service = load(step, id).await?;
    let overdue = store::dunning::overdue(step.connection(), id, today).await?;
    let last = service.dunning_step.zip(service.dunning_step_on);
    let Some(reached) = overdue.due_on.and_then(|due_on| settings.dunning.next(last, due_on, today)) else {
        return Ok(false);
    };
    store::dunning::set_step(step.connection(), id, Some(reached), today).await?;
    let reason = format!("{} {} are overdue", overdue.amount, overdue.currency);
    match reached {
        DunningStep::Reminder => tell(step, &service, "service.reminded", &overdue).await?,
        DunningStep::Lock | DunningStep::Suspension => {
            let event = if reached == DunningStep::Lock { "service.locked" } else { "service.suspended" };
            tell(step, &service, event, &overdue).await?;
            restrict(step, &service, reached.restriction().max(service.hold), &reason).await?;
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
            terminate(step, settings, &service, state, &termination).await?;
        }
    }
    Ok(true)
}

async fn load(step: &mut Step, id: ServiceId) -> Result<Service, Failure> {
    let service = store::services::lock_one(step.connection(), id).await?;
    service.ok_or_else(|| Failure::Unavailable(format!("service {id} is gone")))
}

/// Restores a service as far as its oldest unpaid invoice allows: wholly where nothing is overdue any more. False where
/// nothing changes.
pub(crate) async fn restore_if_paid(step: &mut Step, service: &Service, settings: &Settings) -> Result<bool, Failure> {
    let Some(reached) = service.dunning_step.filter(|_| service.terminated_at.is_none()) else { return Ok(false) };
    let today = step.now().date_naive();
    let overdue = store::dunning::overdue(step.connection(), service.id, today).await?;
    let allowed = overdue.due_on.and_then(|due_on| settings.dunning.allowed(due_on, today));
    if allowed >= Some(reached) {
        return Ok(false);
    }
    store::dunning::set_step(step.connection(), service.id, allowed, today).await?;
    let restriction = allowed.and_then(DunningStep::restriction).max(service.hold);
    restrict(step, service, restriction, "paid").await?;
    tell(step, service, "service.restored", &overdue).await?;
    Ok(true)
}

/// Restores one service that is dunned for more than it owes; false where there is none. A credit note can settle
/// invoices, too.
pub(crate) async fn restore_one(journal: &Journal, settings: &Settings) -> Result<bool, Failure> {
    let mut step = journal.step().await?;
    let today = step.now().date_naive();
    let id = store::dunning::lock_paid(step.connection(), &settings.dunning, today).await?;
    let Some(id) = id else { return Ok(false) };
    let service = load(&mut step, id).await?;
    let is_restored = restore_if_paid(&mut step, &service, settings).await?;
    step.commit().await?;
    Ok(is_restored)
}

async fn tell(step: &mut Step, service: &Service, event: &'static str, overdue: &Overdue) -> Result<(), Failure> {
    let Overdue { due_on, amount, currency } = overdue;
    let description = match (event, due_on) {
        (ServiceDunned::EVENT, Some(due_on)) => format!("Reminder: {amount} {currency} are due since {due_on}"),
        ("service.locked", _) => format!("Reading only: {amount} {currency} are overdue"),
        ("service.suspended", _) => format!("Suspended: {amount} {currency} are overdue"),
        (_, Some(_)) => format!("Restored as far as what is still overdue allows: {amount} {currency}"),
        (_, None) => "Restored: nothing is overdue any more".to_owned(),
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
