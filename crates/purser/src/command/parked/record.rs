//! What operators do with parked messages, in the history: once, however often an interrupted command is repeated.

use history::{Failure, Journal, Keep, Record};
use messages::{CommandKey, EventData, MessageDropped, MessageRedriven, ParkReason, Reply, Request, Subject};
use model::{CustomerId, Principal, S3Uid};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::choice::Parked;
use super::view::plain;

const ACTOR: &str = "operator";

/// Notes that a message was given back to its queue.
pub(super) async fn redriven(journal: &Journal, parked: &Parked<'_>) -> Result<(), Failure> {
    let data = MessageRedriven {
        parked_id: parked.message.id,
        message_id: parked.message.delivery.message_id.as_deref().map(plain),
        action: parked.message.delivery.message_type.as_deref().map(plain),
        queue: parked.message.delivery.queue.clone(),
        reason: plain(&parked.message.reason),
    };
    record(journal, parked, "given back to work", &data).await
}

/// Notes that a message is thrown away.
pub(super) async fn dropped(journal: &Journal, parked: &Parked<'_>, note: &str) -> Result<(), Failure> {
    let data = MessageDropped {
        parked_id: parked.message.id,
        message_id: parked.message.delivery.message_id.as_deref().map(plain),
        action: parked.message.delivery.message_type.as_deref().map(plain),
        queue: parked.message.delivery.queue.clone(),
        reason: plain(&parked.message.reason),
        note: plain(note),
    };
    record(journal, parked, "thrown away", &data).await
}

async fn record<D: EventData + Serialize>(
    journal: &Journal,
    parked: &Parked<'_>,
    done: &str,
    data: &D,
) -> Result<(), Failure> {
    let id = parked.message.id;
    let request = Request {
        action: D::EVENT.to_owned(),
        principal: Principal::Admin(None),
        message_id: Some(id),
        caller: None,
        deadline: None,
        traceparent: None,
        raw_parameters: Map::new(),
    };
    let key = CommandKey { principal: format!("{ACTOR}:{}", D::EVENT), message_id: id };
    let mut step = journal.step().await?;
    if !step.accept(&key, &request, &request.raw_fingerprint()).await? {
        return Ok(());
    }
    let action = parked.message.delivery.message_type.as_deref().map(plain);
    let action = action.filter(|action| !action.is_empty()).unwrap_or_else(|| "no type".to_owned());
    let (account, customer_id) = concerned(parked);
    step.record(Record {
        event: D::EVENT,
        subject: account.map_or_else(|| Subject::Message(message_id(parked)), Subject::Account),
        customer_id,
        actor: ACTOR,
        description: format!("A message that had been set aside was {done}: {action}"),
        data,
        traceparent: None,
    })
    .await?;
    step.answer(&key, &Reply::success(D::EVENT, &json!({})), Keep::ForDays).await?;
    step.commit().await
}

/// What a message says of whom it concerns; that counts only where its publisher was found to be trusted.
fn concerned(parked: &Parked<'_>) -> (Option<S3Uid>, Option<CustomerId>) {
    const TRUSTED: [ParkReason; 3] = [ParkReason::OutOfAttempts, ParkReason::RefusedUnheard, ParkReason::UnknownType];
    if !TRUSTED.iter().any(|reason| parked.message.reason == reason.as_str()) {
        return (None, None);
    }
    let body = parked.body.as_ref();
    let principal = body.and_then(|body| body.get("principal")).and_then(|principal| principal.get("customer_id"));
    let customer = principal.or_else(|| body?.get("customer_id")).and_then(Value::as_i64).map(CustomerId);
    (parked.account.clone(), customer)
}

/// The message's own id, where it is one.
fn message_id(parked: &Parked<'_>) -> uuid::Uuid {
    let own = parked.message.delivery.message_id.as_deref();
    own.and_then(|id| id.parse().ok()).unwrap_or(parked.message.id)
}
