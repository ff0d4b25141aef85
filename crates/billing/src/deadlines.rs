//! Orders that can't be completed in time: they fail, their callers are told, what was made is taken back.

use std::time::Duration;

use history::{Failure, Journal, Keep, Record, Step};
use messages::{CommandKey, Refusal, ReleaseAccount, Reply, Subject};
use model::Principal;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::order::Order;
use crate::store;

const INTERVAL: Duration = Duration::from_secs(1);

/// Fails overdue orders until shutdown. Any number of processes may run it.
pub(crate) async fn watch(journal: Journal, soft: CancellationToken) {
    while timeout(INTERVAL, soft.cancelled()).await.is_err() {
        loop {
            match fail_one_overdue(&journal).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "overdue orders can't be read");
                    break;
                }
            }
        }
    }
}

async fn fail_one_overdue(journal: &Journal) -> Result<bool, Failure> {
    let mut step = journal.step().await?;
    let now = step.now();
    let Some(order) = store::orders::lock_overdue(step.connection(), now).await? else { return Ok(false) };
    fail(&mut step, &order, "the account could not be made in time; nothing is charged").await?;
    step.commit().await?;
    Ok(true)
}

/// Fails an order: history, answer, and the release of whatever was or will be made for it.
pub(crate) async fn fail(step: &mut Step, order: &Order, reason: &str) -> Result<(), Failure> {
    let now = step.now();
    let subject = Subject::Account(order.s3uid.clone());
    store::orders::conclude(step.connection(), order.id, Some(reason), now).await?;
    step.record(Record {
        event: "order.failed",
        subject: subject.clone(),
        customer_id: Some(order.customer_id),
        actor: "billing",
        description: format!("Order failed: {reason}"),
        data: &serde_json::json!({"order_id": order.id, "s3uid": order.s3uid, "reason": reason}),
        traceparent: None,
    })
    .await?;
    let release = ReleaseAccount { order_id: order.id, s3uid: order.s3uid.clone() };
    // Derived from the order, so that failing it twice releases once.
    let message_id = Uuid::new_v5(&order.id.0, b"release_account");
    step.send(&subject, Principal::Admin(None), message_id, None, None, &release).await?;
    let key = CommandKey { principal: order.principal.clone(), message_id: order.message_id };
    let refusal = Refusal::new(format!("S3 account order failed: {reason}"));
    step.answer_waiting(&key, &order.action, &Reply::refused(&order.action, &refusal), Keep::ForEver).await
}
