//! Orders that can't be completed in time: they fail, their callers are told, what was made is taken back.

use history::{Failure, Journal, Keep, Record, Step};
use messages::{CommandKey, EventData, OrderFailed, Refusal, ReleaseAccount, Reply, Subject};
use model::Principal;
use uuid::Uuid;

use crate::domain::order::Order;
use crate::domain::service::ServiceChange;
use crate::handover::tasks;
use crate::store;

/// Fails one overdue order; false where there is none.
pub(crate) async fn fail_one_overdue(journal: &Journal) -> Result<bool, Failure> {
    let mut step = journal.step().await?;
    let now = step.now();
    let Some(order) = store::orders::lock_overdue(step.connection(), now).await? else { return Ok(false) };
    let reason = "the account could not be made in time; nothing is charged";
    fail(&mut step, &order, reason, Refusal::cancelled).await?;
    step.commit().await?;
    Ok(true)
}

/// Fails an order: history, answer, and the release of whatever was or will be made for it.
pub(crate) async fn fail(
    step: &mut Step,
    order: &Order,
    reason: &str,
    refusal: fn(String) -> Refusal,
) -> Result<(), Failure> {
    let now = step.now();
    let subject = Subject::Account(order.s3uid.clone());
    let failed = order.state.service_state().map(|state| state.after(ServiceChange::Fail)).transpose();
    failed.map_err(|error| Failure::Unavailable(error.to_string()))?;
    store::orders::conclude(step.connection(), order.id, Some(reason), now).await?;
    step.record(Record {
        event: OrderFailed::EVENT,
        subject: subject.clone(),
        customer_id: Some(order.customer_id),
        actor: "billing",
        description: format!("Order failed: {reason}"),
        data: &OrderFailed { order_id: order.id, s3uid: order.s3uid.clone(), reason: reason.to_owned() },
        traceparent: None,
    })
    .await?;
    if store::orders::is_handed_over(step.connection(), order.id).await? {
        tasks::cancel_order(step, order.id, reason).await?;
    }
    // Derived from the order, so that failing it twice releases once.
    release(step, order, Uuid::new_v5(&order.id.0, b"release_account")).await?;
    let key = CommandKey { principal: order.principal.clone(), message_id: order.message_id };
    let refusal = refusal(format!("S3 account order failed: {reason}"));
    step.answer_waiting(&key, &order.action, &Reply::refused(&order.action, &refusal), Keep::ForEver).await
}

/// Has whatever was made for an order taken back.
pub(crate) async fn release(step: &mut Step, order: &Order, message_id: Uuid) -> Result<(), Failure> {
    let release = ReleaseAccount { order_id: order.id, s3uid: order.s3uid.clone() };
    let subject = Subject::Account(order.s3uid.clone());
    step.send(&subject, Principal::Admin(None), message_id, None, None, &release).await
}
