//! Ends of services: the account is to be deleted, and there is no way back.

use chrono::NaiveDate;
use history::{Failure, Journal, Record, Step};
use messages::{CommandKey, EventData, PurgeAccount, ServiceTerminated, Subject};
use model::{Money, Principal};
use uuid::Uuid;

use crate::domain::charge::{Extent, Usage};
use crate::domain::handover::ExternalStatus;
use crate::domain::service::{Service, ServiceState};
use crate::handover::tasks;
use crate::invoicing::Account;
use crate::{Settings, dunning, invoicing, store};

/// Who ends a service, and why.
pub(crate) struct Termination<'a> {
    pub(crate) actor: &'a str,
    pub(crate) reason: Option<&'a str>,
    /// The command that is answered when the account is gone.
    pub(crate) requested_by: Option<&'a CommandKey>,
    pub(crate) traceparent: Option<&'a str>,
    /// Whether what was paid and isn't used is given back.
    pub(crate) gives_back: bool,
}

/// Ends one service whose cancellation takes effect; false where there is none.
pub(crate) async fn end_one_due(journal: &Journal, settings: &Settings) -> Result<bool, Failure> {
    let mut step = journal.step().await?;
    let now = step.now();
    let Some(service) = store::services::lock_due_termination(step.connection(), now).await? else { return Ok(false) };
    let termination =
        Termination { actor: "billing", reason: None, requested_by: None, traceparent: None, gives_back: false };
    let ended = match service.terminated(now, true) {
        Ok(state) => terminate(&mut step, settings, &service, state, &termination).await,
        Err(refusal) => Err(refusal.into()),
    };
    match ended {
        Ok(()) => step.commit().await?,
        Err(error) => {
            drop(step);
            dunning::put_off(journal, service.id, &error).await?;
        }
    }
    Ok(true)
}

/// Ends a service now: its state, its history entry, what is given back of its fee, and the command to delete its
/// account. The day is a used one; its usage is invoiced once it is final.
pub(crate) async fn terminate(
    step: &mut Step,
    settings: &Settings,
    service: &Service,
    state: ServiceState,
    termination: &Termination<'_>,
) -> Result<(), Failure> {
    let now = step.now();
    let subject = Subject::Account(service.s3uid.clone());
    let ends_on = service.last_days(now, termination.gives_back);
    store::services::terminate(step.connection(), service, state, ends_on, termination.requested_by, now).await?;
    step.record(Record {
        event: ServiceTerminated::EVENT,
        subject: subject.clone(),
        customer_id: Some(service.customer_id),
        actor: termination.actor,
        description: match termination.reason {
            Some(reason) => format!("Service ended, its account is being deleted: {reason}"),
            None => "Service ended, its account is being deleted".to_owned(),
        },
        data: &ServiceTerminated {
            service_id: service.id,
            s3uid: service.s3uid.clone(),
            terminated_at: now,
            period_end: service.period_end,
            reason: termination.reason.map(str::to_owned),
        },
        traceparent: termination.traceparent,
    })
    .await?;
    invoice_end(step, settings, service).await?;
    let command = PurgeAccount { s3uid: service.s3uid.clone(), requested_by: termination.requested_by.cloned() };
    // Derived from the account, so that ending it twice purges once.
    let message_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("purge_account/{}", service.s3uid).as_bytes());
    step.send(&subject, Principal::Admin(None), message_id, None, termination.traceparent, &command).await
}

/// Invoices a service's base fee up to its end: mostly a credit note, or nothing.
async fn invoice_end(step: &mut Step, settings: &Settings, service: &Service) -> Result<(), Failure> {
    let account = invoicing::account(step, service.id).await?;
    if service.is_external {
        tasks::drop_cancellation(step, account.billed.id).await?;
        tasks::set_status(step, service, ExternalStatus::Terminated, None).await?;
        return give_back_externally(step, &account).await;
    }
    let (now, billed) = (step.now(), &account.billed);
    // Those that have begun, also where they aren't invoiced yet.
    let begun = billed.life.schedule.period_on(now.date_naive()).number;
    let periods = billed.invoiced_periods.max(begun);
    let extent = Extent { periods, usage_until: NaiveDate::MIN };
    invoicing::issue(step, settings, &account, &Usage::new(), extent, "end", now).await?;
    store::due::set_invoiced(step.connection(), service.id, periods).await
}

/// Where another system has invoiced the running period, a person gives back what isn't used of it.
async fn give_back_externally(step: &mut Step, account: &Account) -> Result<(), Failure> {
    let (life, today) = (&account.billed.life, step.now().date_naive());
    let (Some(charged_until), Some(segment)) = (life.charged_until, life.segments.last()) else { return Ok(()) };
    let period = life.schedule.period_on(today);
    let part = period.fraction_of(charged_until, period.end);
    let net = Money::rounded(part * segment.price.price.amount(), life.currency);
    if net.amount().is_zero() {
        return Ok(());
    }
    let order_id = store::handover::order_of(step.connection(), account.billed.id).await?;
    let what = format!("the service was ended at once: give back {net} net for {charged_until} to {}", period.end);
    tasks::give_back(step, order_id, what).await
}
