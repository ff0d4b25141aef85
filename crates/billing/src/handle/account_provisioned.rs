//! `account.provisioned`: the account is usable, so its service begins and the caller of the order is answered.

use async_trait::async_trait;
use history::{Failure, Keep, Record, Step};
use messages::{AccountProvisioned, CommandKey, Event, EventData, ServiceStarted, Subject};
use runtime::Consume;
use uuid::Uuid;

use crate::domain::order::{self, OrderState};
use crate::domain::schedule::midnight;
use crate::domain::service::{ServiceChange, ServiceState, minimum_until};
use crate::{Billing, deadlines, store};

#[async_trait]
impl Consume<AccountProvisioned> for Billing {
    async fn consume(&self, step: &mut Step, event: &Event, data: AccountProvisioned) -> Result<(), Failure> {
        let Some(order) = store::orders::lock(step.connection(), data.order_id).await? else {
            return Err(Failure::Unavailable(format!("order {} is unknown", data.order_id)));
        };
        match order.state {
            OrderState::Provisioning => {}
            // The account came too late, and the release that was sent then may have been given up long ago.
            OrderState::Failed => {
                return deadlines::release(step, &order, Uuid::new_v5(&order.id.0, event.id.as_bytes())).await;
            }
            // The event came twice.
            OrderState::Ordered | OrderState::Completed => return Ok(()),
        }
        let now = step.now();
        store::orders::conclude(step.connection(), order.id, None, now).await?;
        let (schedule, minimum_term) =
            store::plans::terms_of_order(step.connection(), order.id, now.date_naive()).await?;
        let (first, minimum_until) = (schedule.period(1), minimum_until(schedule.start, minimum_term));
        let (period_start, period_end) = (midnight(first.start), midnight(first.end));
        let state = ServiceState::Initializing.after(ServiceChange::Start);
        let state = state.map_err(|error| Failure::Unavailable(error.to_string()))?;
        let service_id =
            store::services::insert(step.connection(), order.id, state, (period_start, period_end), minimum_until, now)
                .await?;
        step.record(Record {
            event: ServiceStarted::EVENT,
            subject: Subject::Account(order.s3uid.clone()),
            customer_id: Some(order.customer_id),
            actor: "billing",
            description: format!("Service {service_id} runs; its first period ends on {}", period_end.date_naive()),
            data: &ServiceStarted {
                service_id,
                order_id: order.id,
                period_start,
                period_end,
                bucket_error: data.bucket_error.clone(),
            },
            traceparent: None,
        })
        .await?;
        let key = CommandKey { principal: order.principal.clone(), message_id: order.message_id };
        let reply = order::completed_reply(&order, data.bucket_error.as_deref());
        step.answer_waiting(&key, &order.action, &reply, Keep::ForEver).await
    }
}
