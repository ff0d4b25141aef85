//! `create_order`: takes the order; the provisioner makes the account, and its event brings the answer.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Record, Step};
use messages::{CreateOrder, ProvisionAccount, Refusal, Request, Scope, Subject};
use model::{ByteCount, OrderId, S3Uid};
use uuid::Uuid;

use crate::domain::order::{self, Order, OrderAction, OrderState};
use crate::domain::plan::Plan;
use crate::{Billing, store};

#[async_trait]
impl DatabaseCommand<CreateOrder> for Billing {
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &CreateOrder) -> Result<Decision, Failure> {
        place(self, step, request, parameters).await
    }
}

/// Places an order under either of its two names.
pub(super) async fn place(
    billing: &Billing,
    step: &mut Step,
    request: &Request,
    action: &impl OrderAction,
) -> Result<Decision, Failure> {
    let parameters = action.order();
    let customer_id = Scope::of(request.principal, parameters.id)?
        .customer_id()
        .ok_or_else(|| Refusal::new("id required: an administrator orders for a customer"))?;
    let location = billing.settings.locations.resolve(parameters.location.as_deref())?;
    let customer = store::customers::lock(step.connection(), customer_id)
        .await?
        .ok_or_else(|| Refusal::new("customer not found"))?;
    let plan = store::plans::newest(step.connection(), Some(parameters.plan_id))
        .await?
        .pop()
        .ok_or_else(|| Refusal::new("S3 plan not found"))?;
    let free_accounts = store::orders::free_accounts(step.connection(), customer_id).await?;
    order::check(&plan, &customer, &location, free_accounts, billing.settings.free_accounts_max)?;

    let key = request.key()?;
    let now = step.now();
    let deadline = now + billing.settings.order_deadline;
    let order = Order {
        id: OrderId(Uuid::now_v7()),
        customer_id,
        s3uid: S3Uid::random(),
        location,
        bucket_name: parameters.bucket_name.clone(),
        action: request.action.clone(),
        principal: key.principal,
        message_id: key.message_id,
        state: OrderState::Provisioning,
        deadline: request.deadline.map_or(deadline, |asked| asked.min(deadline)),
    };
    store::orders::insert(step.connection(), &order, &plan, customer.currency, now).await?;
    announce(step, request, &order, &plan).await?;
    Ok(Decision::Later)
}

/// The order's history entry, and the command to the provisioner.
async fn announce(step: &mut Step, request: &Request, order: &Order, plan: &Plan) -> Result<(), Failure> {
    let subject = Subject::Account(order.s3uid.clone());
    step.record(Record {
        event: "order.placed",
        subject: subject.clone(),
        customer_id: Some(order.customer_id),
        actor: &request.principal.actor(),
        description: format!("Plan {} ordered in {}", plan.name, order.location),
        data: &serde_json::json!({
            "order_id": order.id, "s3uid": order.s3uid, "plan_id": plan.id, "plan_version": plan.version,
            "location": order.location, "bucket_name": order.bucket_name,
        }),
        traceparent: request.traceparent.as_deref(),
    })
    .await?;
    let command = ProvisionAccount {
        order_id: order.id,
        s3uid: order.s3uid.clone(),
        customer_id: order.customer_id,
        location: order.location.clone(),
        bucket_name: order.bucket_name.clone(),
        quota_bytes: ByteCount::from_i64(plan.quota_bytes).bytes(),
    };
    step.send(&subject, request.principal, order.id.0, Some(order.deadline), request.traceparent.as_deref(), &command)
        .await
}
