//! `create_order`: takes the order; the provisioner makes the account, and its event brings the answer.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Record, Step};
use messages::{CreateOrder, EventData, OrderPlaced, Refusal, Request, Scope, Subject};
use model::{BucketName, CustomerId, OrderId, PlanId, S3Uid};
use uuid::Uuid;

use crate::domain::handover::billing_cycle;
use crate::domain::order::{self, Order, OrderState};
use crate::domain::plan::Plan;
use crate::handover::tasks;
use crate::provisioning::send_provision;
use crate::{Billing, InvoicingSystem, store};

/// What is ordered.
pub(super) struct Wish<'a> {
    pub(super) plan: PlanWish<'a>,
    /// The package's own name where absent.
    pub(super) bucket_name: Option<&'a BucketName>,
    /// The default location where absent.
    pub(super) location: Option<&'a str>,
    /// The customer, for administrators.
    pub(super) id: Option<CustomerId>,
}

/// How a plan is named.
pub(super) enum PlanWish<'a> {
    Id(PlanId),
    Name(&'a str),
}

impl<'a> From<&'a CreateOrder> for Wish<'a> {
    fn from(parameters: &'a CreateOrder) -> Self {
        Self {
            plan: PlanWish::Id(parameters.plan_id),
            bucket_name: Some(&parameters.bucket_name),
            location: parameters.location.as_deref(),
            id: parameters.id,
        }
    }
}

#[async_trait]
impl DatabaseCommand<CreateOrder> for Billing {
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &CreateOrder) -> Result<Decision, Failure> {
        place(self, step, request, parameters.into()).await
    }
}

/// Places an order under any of its names.
pub(super) async fn place(
    billing: &Billing,
    step: &mut Step,
    request: &Request,
    wish: Wish<'_>,
) -> Result<Decision, Failure> {
    let customer_id = Scope::of(request.principal, wish.id)?
        .customer_id()
        .ok_or_else(|| Refusal::new("id required: an administrator orders for a customer"))?;
    let location = billing.settings.locations.resolve(wish.location)?;
    let customer = store::customers::lock(step.connection(), customer_id)
        .await?
        .ok_or_else(|| Refusal::not_found("customer not found"))?;
    let plan = wished_plan(step, &wish.plan).await?;
    let free_accounts = store::orders::free_accounts(step.connection(), customer_id).await?;
    let (currency, today) = (customer.currency, step.now().date_naive());
    let standing = store::receivables::standing(step.connection(), customer_id, currency, today).await?;
    check_whmcs(&billing.settings.invoicing, &plan)?;
    let tax_percent = billing.settings.tax_rates.percent(&customer, today);
    let free_accounts_max = billing.settings.free_accounts_max;
    order::check(&plan, &customer, &location, (&standing, tax_percent), free_accounts, free_accounts_max)?;

    let key = request.key()?;
    let now = step.now();
    let deadline = now + billing.settings.order_deadline;
    let s3uid = S3Uid::random();
    let name = order::name_of(&s3uid);
    let bucket_name = match wish.bucket_name {
        Some(bucket_name) => bucket_name.clone(),
        None => name.parse().map_err(|error| Failure::Unavailable(format!("package name {name}: {error}")))?,
    };
    let is_native = billing.settings.invoicing.is_native();
    let order = Order {
        id: OrderId(Uuid::now_v7()),
        customer_id,
        s3uid,
        name,
        location,
        bucket_name,
        action: request.action.clone(),
        principal: key.principal,
        message_id: key.message_id,
        state: if is_native { OrderState::Provisioning } else { OrderState::Ordered },
        deadline: request.deadline.map_or(deadline, |asked| asked.min(deadline)),
    };
    store::orders::insert(step.connection(), &order, &plan, customer.currency, now).await?;
    announce(step, request, &order, &plan).await?;
    if is_native {
        send_provision(step, request.principal, &order, plan.quota_bytes, request.traceparent.as_deref()).await?;
    } else {
        tasks::place_order(step, order.id).await?;
    }
    Ok(Decision::Later)
}

async fn wished_plan(step: &mut Step, wish: &PlanWish<'_>) -> Result<Plan, Failure> {
    let plan = match wish {
        PlanWish::Id(id) => store::plans::newest(step.connection(), Some(*id)).await?.pop(),
        // Of two plans of one name the active one is meant.
        PlanWish::Name(name) => {
            let named = store::plans::newest(step.connection(), None).await?.into_iter();
            named.filter(|plan| plan.name == *name).max_by_key(|plan| (plan.active, plan.id))
        }
    };
    plan.ok_or_else(|| Refusal::not_found("S3 plan not found").into())
}

/// The order's history entry.
async fn announce(step: &mut Step, request: &Request, order: &Order, plan: &Plan) -> Result<(), Failure> {
    let subject = Subject::Account(order.s3uid.clone());
    step.record(Record {
        event: OrderPlaced::EVENT,
        subject: subject.clone(),
        customer_id: Some(order.customer_id),
        actor: &request.principal.actor(),
        description: format!("Plan {} ordered in {}", plan.name, order.location),
        data: &OrderPlaced {
            order_id: order.id,
            s3uid: order.s3uid.clone(),
            plan_id: plan.id,
            plan_version: plan.version,
            location: order.location.clone(),
            bucket_name: order.bucket_name.clone(),
        },
        traceparent: request.traceparent.as_deref(),
    })
    .await
}

/// Whether WHMCS, where that issues the invoices, has this plan.
fn check_whmcs(invoicing: &InvoicingSystem, plan: &Plan) -> Result<(), Refusal> {
    let InvoicingSystem::Whmcs(plans) = invoicing else { return Ok(()) };
    if !plans.contains(&plan.id) {
        return Err(Refusal::conflict(format!("S3 plan {} is no product of WHMCS", plan.id)));
    }
    if billing_cycle(plan.payment_period).is_none() {
        let period = plan.payment_period;
        return Err(Refusal::conflict(format!("S3 plan {}: WHMCS has no billing cycle of {period}", plan.id)));
    }
    Ok(())
}
