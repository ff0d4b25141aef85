//! Noting what the invoicing system must be told. Where Purser itself issues invoices, nothing is noted.

use chrono::NaiveDate;
use history::{Failure, Step};
use model::OrderId;

use crate::domain::document::Line;
use crate::domain::handover::{ExternalStatus, Task};
use crate::domain::service::Service;
use crate::invoicing::Account;
use crate::store::handover::insert;
use crate::{Settings, store};

/// The order itself; its account is made once it is accepted.
pub(crate) async fn place_order(step: &mut Step, order_id: OrderId) -> Result<(), Failure> {
    note(step, order_id, "order", &Task::PlaceOrder).await
}

/// A service was cancelled.
pub(crate) async fn cancel(step: &mut Step, settings: &Settings, service: &Service) -> Result<(), Failure> {
    let Some(order_id) = handed_over(step, settings, service).await? else { return Ok(()) };
    let task = Task::Cancel { is_immediate: false, reason: "cancelled by the customer".to_owned() };
    let key = format!("cancel {}", step.now().timestamp_micros());
    note(step, order_id, &key, &task).await
}

/// A cancellation was withdrawn. WHMCS has no call for that: what was not told yet is dropped, the rest is for a person.
pub(crate) async fn withdraw(step: &mut Step, settings: &Settings, service: &Service) -> Result<(), Failure> {
    let Some(order_id) = handed_over(step, settings, service).await? else { return Ok(()) };
    let now = step.now();
    if store::handover::drop_untold_cancellation(step.connection(), order_id, now).await? {
        return Ok(());
    }
    let what = "the customer withdrew the cancellation: remove the service's cancellation request".to_owned();
    let key = format!("withdraw {}", now.timestamp_micros());
    note(step, order_id, &key, &Task::ByHand { what }).await
}

/// A service has another state.
pub(crate) async fn set_status(
    step: &mut Step,
    settings: &Settings,
    service: &Service,
    status: ExternalStatus,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let Some(order_id) = handed_over(step, settings, service).await? else { return Ok(()) };
    let now = step.now();
    let task = Task::SetStatus { status, reason: reason.map(str::to_owned), on: now.date_naive() };
    note(step, order_id, &format!("status {}", now.timestamp_micros()), &task).await
}

/// An order that was accepted there can't be completed here.
pub(crate) async fn cancel_order(step: &mut Step, order_id: OrderId, reason: &str) -> Result<(), Failure> {
    let on = step.now().date_naive();
    let task = Task::SetStatus { status: ExternalStatus::Cancelled, reason: Some(reason.to_owned()), on };
    note(step, order_id, "failed", &task).await
}

/// What a service uses, once a day.
pub(crate) async fn report_usage(step: &mut Step, order_id: OrderId, on: NaiveDate) -> Result<(), Failure> {
    note(step, order_id, &format!("usage {on}"), &Task::ReportUsage).await
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
        let id = insert(step.connection(), order_id, &key, &task, now).await?;
        let id = id.ok_or_else(|| Failure::Unavailable(format!("{key} of order {order_id} was handed over before")))?;
        store::handover::insert_item(step.connection(), id, account.billed.id, line).await?;
    }
    Ok(())
}

async fn handed_over(step: &mut Step, settings: &Settings, service: &Service) -> Result<Option<OrderId>, Failure> {
    if settings.invoicing.is_native() {
        return Ok(None);
    }
    store::handover::order_of(step.connection(), service.id).await.map(Some)
}

async fn note(step: &mut Step, order_id: OrderId, key: &str, task: &Task) -> Result<(), Failure> {
    let now = step.now();
    insert(step.connection(), order_id, key, task, now).await.map(|_| ())
}
