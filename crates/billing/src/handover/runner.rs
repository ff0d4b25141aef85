//! Does the tasks: one after the other for each order, looked up first where a repeat would be a second one.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use history::{Failure, Journal, Record, Step};
use messages::{EventData, InvoicingTaskParked, Refusal, Subject};
use model::OrderId;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Acceptance, ExternalInvoicing, Placed, tasks};
use crate::domain::handover::{Outcome, Task};
use crate::domain::order::OrderState;
use crate::provisioning::provision;
use crate::store::handover::{After, Claim};
use crate::{Settings, deadlines, store};

const INTERVAL: Duration = Duration::from_millis(500);
/// Longer than all calls of one attempt take.
const LEASE: TimeDelta = TimeDelta::minutes(5);

/// What the runner works with.
pub(crate) struct Runner {
    pub(crate) journal: Journal,
    pub(crate) settings: Settings,
    pub(crate) external: Arc<dyn ExternalInvoicing>,
}

/// What a successful attempt brought.
enum Told {
    Order,
    Nothing,
    /// The other system can't be told: why.
    Never(String),
}

impl Runner {
    /// Does tasks until shutdown.
    pub(crate) async fn run(&self, soft: CancellationToken) {
        while timeout(INTERVAL, soft.cancelled()).await.is_err() {
            loop {
                match self.usage_report().await.and(self.one().await) {
                    Ok(true) if !soft.is_cancelled() => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "what the invoicing system must be told can't be seen to");
                        break;
                    }
                }
            }
        }
    }

    /// Notes that a service's usage of today is to be handed over.
    async fn usage_report(&self) -> Result<(), Failure> {
        let mut step = self.journal.step().await?;
        let now = step.now();
        let Some(order_id) = store::handover::take_usage_report(step.connection(), now).await? else { return Ok(()) };
        tasks::report_usage(&mut step, order_id).await?;
        step.commit().await
    }

    /// Does one task; false where none is due.
    pub(crate) async fn one(&self) -> Result<bool, Failure> {
        let mut step = self.journal.step().await?;
        let now = step.now();
        let Some(claim) = store::handover::claim(step.connection(), now, now + LEASE).await? else { return Ok(false) };
        step.commit().await?;
        if claim.is_interrupted && !claim.task.may_be_repeated() {
            let reason = "an attempt was interrupted: look whether the item was added".to_owned();
            self.conclude(&claim, Outcome::Park(reason)).await?;
            return Ok(true);
        }
        let outcome = match self.tell(&claim).await? {
            Ok(Told::Order | Told::Nothing) => Outcome::Done,
            Ok(Told::Never(reason)) => Outcome::Park(reason),
            Err(error) => claim.task.after_failure(&error, claim.attempts),
        };
        self.conclude(&claim, outcome).await?;
        Ok(true)
    }

    /// One attempt. The outer error is the database's.
    async fn tell(&self, claim: &Claim) -> Result<Result<Told, whmcs::Error>, Failure> {
        let pool = self.journal.pool();
        if let Task::ByHand { what } = &claim.task {
            return Ok(Ok(Told::Never(what.clone())));
        }
        if claim.task == Task::PlaceOrder {
            let order = store::handover::external_order(pool, claim.order_id).await?;
            let Some(order) = order else {
                return Ok(Ok(Told::Never("the plan has no billing cycle there".to_owned())));
            };
            return self.place(claim, &order).await;
        }
        let (customer_id, service_id) = store::handover::external_service(pool, claim.order_id).await?;
        let Some(service_id) = service_id else {
            return Ok(Ok(Told::Never("the order was never placed".to_owned())));
        };
        let told = match &claim.task {
            Task::Cancel { reason } => self.external.cancel(service_id, reason).await,
            Task::SetStatus { status, reason, on } => {
                let mut update = store::handover::usage(pool, claim.order_id).await?;
                update.status = Some((*status, *on, reason.clone()));
                self.external.update(service_id, &update).await
            }
            Task::ReportUsage => {
                let update = store::handover::usage(pool, claim.order_id).await?;
                self.external.update(service_id, &update).await
            }
            Task::AddItem { description, net } => match self.is_ours(claim) {
                Ok(()) => self.external.add_item(customer_id, description, *net).await.map(|_| ()),
                overtaken => overtaken,
            },
            Task::PlaceOrder | Task::ByHand { .. } => Ok(()),
        };
        Ok(told.map(|()| Told::Nothing))
    }

    /// Places an order unless it was placed before, and accepts it unless that was done. What it is called there is noted
    /// before it is accepted: whatever happens then, it isn't forgotten.
    async fn place(&self, claim: &Claim, order: &super::ExternalOrder) -> Result<Result<Told, whmcs::Error>, Failure> {
        let placed = match self.found_or_placed(claim, order).await {
            Ok(Some(placed)) => placed,
            Ok(None) => {
                let reason = "the order was placed but can't be found again: is whmcs.order_field a custom field of \
                              the product? Cancel the order there, mend that, and try again";
                return Ok(Ok(Told::Never(reason.to_owned())));
            }
            Err(error) => return Ok(Err(error)),
        };
        let mut step = self.journal.step().await?;
        if !store::handover::set_external(step.connection(), claim, placed.order_id, placed.service_id).await? {
            return Ok(Err(overtaken()));
        }
        step.commit().await?;
        if let Err(error) = self.is_ours(claim) {
            return Ok(Err(error));
        }
        match (placed.acceptance, placed.order_id) {
            (Acceptance::Accepted, _) => {}
            (Acceptance::Rejected, _) => {
                let message = "the order was cancelled there".to_owned();
                return Ok(Err(whmcs::Error::Refused { message }));
            }
            (Acceptance::Pending, None) => {
                return Ok(Ok(Told::Never("the service is pending, but has no order to accept".to_owned())));
            }
            (Acceptance::Pending, Some(order_id)) => match self.external.accept_order(order_id, &order.s3uid).await {
                Ok(()) => {}
                Err(error @ whmcs::Error::Refused { .. }) => {
                    return Ok(Ok(Told::Never(format!("order {order_id} isn't accepted: {error}"))));
                }
                Err(error) => return Ok(Err(error)),
            },
        }
        Ok(Ok(Told::Order))
    }

    async fn found_or_placed(
        &self,
        claim: &Claim,
        order: &super::ExternalOrder,
    ) -> Result<Option<Placed>, whmcs::Error> {
        if !self.external.knows_customer(order.customer_id).await? {
            let message = format!("there is no client {}", order.customer_id);
            return Err(whmcs::Error::Refused { message });
        }
        if let Some(placed) = self.external.find_order(order).await? {
            return Ok(Some(placed));
        }
        self.is_ours(claim)?;
        self.external.place_order(order).await?;
        self.external.find_order(order).await
    }

    /// Asked right before what must not be done twice: a process that was frozen may have been overtaken.
    fn is_ours(&self, claim: &Claim) -> Result<(), whmcs::Error> {
        if self.journal.clock().now() < claim.lease_until { Ok(()) } else { Err(overtaken()) }
    }

    async fn conclude(&self, claim: &Claim, outcome: Outcome) -> Result<(), Failure> {
        let mut step = self.journal.step().await?;
        let now = step.now();
        let retry_at = match &outcome {
            Outcome::Retry(after, _) => now + *after,
            _ => now,
        };
        let after = match &outcome {
            Outcome::Done => After::Done,
            Outcome::Retry(_, detail) => After::Waiting(retry_at, detail),
            Outcome::Park(detail) => After::Parked(detail),
            Outcome::FailOrder(detail) => After::Dropped(detail),
        };
        if !store::handover::conclude(step.connection(), claim, after, now).await? {
            return Ok(());
        }
        match &outcome {
            Outcome::Done => {
                if claim.task == Task::PlaceOrder {
                    self.provision(&mut step, claim.order_id).await?;
                }
            }
            Outcome::Retry(_, detail) => {
                tracing::warn!(
                    task_id = claim.id,
                    attempts = claim.attempts,
                    detail,
                    "the invoicing system isn't told yet"
                );
            }
            Outcome::Park(detail) => park(&mut step, claim, detail).await?,
            Outcome::FailOrder(detail) => {
                if let Some(order) = store::orders::lock(step.connection(), claim.order_id).await?
                    && order.state == OrderState::Ordered
                {
                    deadlines::fail(&mut step, &order, detail, Refusal::conflict).await?;
                }
            }
        }
        step.commit().await
    }

    /// The order is accepted: its account can be made.
    async fn provision(&self, step: &mut Step, id: OrderId) -> Result<(), Failure> {
        let Some(order) = store::orders::lock(step.connection(), id).await? else { return Ok(()) };
        if order.state != OrderState::Ordered {
            return Ok(());
        }
        let deadline = step.now() + self.settings.order_deadline;
        provision(step, &order, deadline).await
    }
}

fn overtaken() -> whmcs::Error {
    whmcs::Error::Unreachable("the attempt took too long and was given up".to_owned())
}

/// Tells operators that a person must look.
async fn park(step: &mut Step, claim: &Claim, detail: &str) -> Result<(), Failure> {
    tracing::error!(task_id = claim.id, detail, "the invoicing system can't be told; see `purser handover`");
    let order = store::orders::lock(step.connection(), claim.order_id).await?;
    let Some(order) = order else { return Ok(()) };
    step.record(Record {
        event: InvoicingTaskParked::EVENT,
        subject: Subject::Account(order.s3uid.clone()),
        customer_id: Some(order.customer_id),
        actor: "billing",
        description: format!("A person must look: {detail}"),
        data: &InvoicingTaskParked {
            task_id: claim.id,
            s3uid: order.s3uid,
            what: claim.task.to_string(),
            detail: detail.to_owned(),
        },
        traceparent: None,
    })
    .await
}
