//! Noting what the invoicing system must be told. Where Purser itself issues invoices, nothing is noted.

use history::{Failure, Step};
use model::{OrderId, ServiceId};

use crate::domain::document::Line;
use crate::domain::handover::{ExternalStatus, Task};
use crate::domain::schedule::midnight;
use crate::domain::service::{Cancellation, Service};
use crate::invoicing::Account;
use crate::store;
use crate::store::handover::insert;

/// The order itself; its account is made once it is accepted.
pub(crate) async fn place_order(step: &mut Step, order_id: OrderId) -> Result<(), Failure> {
    note(step, order_id, "order", &Task::PlaceOrder).await
}

/// A service was cancelled.
pub(crate) async fn cancel(step: &mut Step, service: &Service, cancellation: Cancellation) -> Result<(), Failure> {
    let Some(order_id) = handed_over(step, service).await? else { return Ok(()) };
    let task = Task::Cancel { reason: "cancelled by the customer".to_owned() };
    let now = step.now();
    // Told in the period that it ends with: WHMCS would end an earlier one, whatever the minimum term is.
    let last_day = cancellation.termination_at.date_naive().pred_opt().unwrap_or_default();
    let not_before = now.max(midnight(service.schedule().period_on(last_day).start));
    let key = format!("cancel {}", now.timestamp_micros());
    insert(step.connection(), order_id, &key, &task, not_before, now).await.map(|_| ())
}

/// A cancellation was withdrawn. WHMCS has no call for that: what was not told yet is dropped, the rest is for a person.
pub(crate) async fn withdraw(step: &mut Step, service: &Service, cancellation: Cancellation) -> Result<(), Failure> {
    let Some(order_id) = handed_over(step, service).await? else { return Ok(()) };
    let now = step.now();
    if store::handover::drop_untold_cancellation(step.connection(), order_id, now).await? {
        return Ok(());
    }
    let date = cancellation.termination_at.date_naive();
    let what = format!("the customer withdrew the cancellation for {date}: remove the service's cancellation request");
    let key = format!("withdraw {}", now.timestamp_micros());
    note(step, order_id, &key, &Task::ByHand { what }).await
}

/// A service was ended before its cancellation was to be told.
pub(crate) async fn drop_cancellation(step: &mut Step, id: ServiceId) -> Result<(), Failure> {
    let now = step.now();
    let order_id = store::handover::order_of(step.connection(), id).await?;
    store::handover::drop_untold_cancellation(step.connection(), order_id, now).await.map(|_| ())
}

/// A service has another state.
pub(crate) async fn set_status(
    step: &mut Step,
    service: &Service,
    status: ExternalStatus,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let Some(order_id) = handed_over(step, service).await? else { return Ok(()) };
    let now = step.now();
    let task = Task::SetStatus { status, reason: reason.map(str::to_owned), on: now.date_naive() };
    note(step, order_id, &format!("status {}", now.timestamp_micros()), &task).await
}

/// A service was ended at once: what was paid for and isn't used.
pub(crate) async fn give_back(step: &mut Step, order_id: OrderId, what: String) -> Result<(), Failure> {
    note(step, order_id, "give back", &Task::ByHand { what }).await
}

/// An order that was accepted there can't be completed here.
pub(crate) async fn cancel_order(step: &mut Step, order_id: OrderId, reason: &str) -> Result<(), Failure> {
    let on = step.now().date_naive();
    let task = Task::SetStatus { status: ExternalStatus::Cancelled, reason: Some(reason.to_owned()), on };
    note(step, order_id, "failed", &task).await?;
    let what = format!("the order failed ({reason}): cancel its invoice, or give back what was paid");
    note(step, order_id, "failed invoice", &Task::ByHand { what }).await
}

/// What a service uses, once a day: one task for ever, which is done again.
pub(crate) async fn report_usage(step: &mut Step, order_id: OrderId) -> Result<(), Failure> {
    let now = step.now();
    store::handover::repeat(step.connection(), order_id, "usage", &Task::ReportUsage, now).await
}

/// Charges beside the price that WHMCS invoices by itself. What would be given back is for a person: WHMCS has no call.
pub(crate) async fn add_items(
    step: &mut Step,
    account: &Account,
    occasion: &str,
    lines: &[Line],
) -> Result<(), Failure> {
    let now = step.now();
    let order_id = store::handover::order_of(step.connection(), account.billed.id).await?;
    for line in lines {
        let days = line.to.pred_opt().unwrap_or(line.to);
        let description = format!(
            "{} ({}), {} to {days}: {} {} at {}",
            line.description,
            account.billed.name,
            line.from,
            line.quantity.normalize(),
            line.key.kind.unit(),
            line.unit_price.normalize()
        );
        let task = if line.net.is_negative() {
            Task::ByHand { what: format!("give back {} net: {description}", line.net.negated()) }
        } else {
            Task::AddItem { description, net: line.net.amount() }
        };
        let key =
            format!("{occasion}: {} {} {}", line.key.period_number, line.key.segment_number, line.key.kind.as_str());
        let id = insert(step.connection(), order_id, &key, &task, now, now).await?;
        let id = id.ok_or_else(|| Failure::Unavailable(format!("{key} of order {order_id} was handed over before")))?;
        store::handover::insert_item(step.connection(), id, account.billed.id, line).await?;
    }
    Ok(())
}

async fn handed_over(step: &mut Step, service: &Service) -> Result<Option<OrderId>, Failure> {
    if !service.is_external {
        return Ok(None);
    }
    store::handover::order_of(step.connection(), service.id).await.map(Some)
}

async fn note(step: &mut Step, order_id: OrderId, key: &str, task: &Task) -> Result<(), Failure> {
    let now = step.now();
    insert(step.connection(), order_id, key, task, now, now).await.map(|_| ())
}
