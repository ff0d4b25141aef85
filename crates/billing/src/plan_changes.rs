//! Moving a service to another plan, or to the newest version of its own: what is left of the old one is given back, what
//! is left of the period is charged, and the account gets its new quota.

use chrono::NaiveDate;
use history::{Failure, Record, Step};
use messages::{
    ChangePlan, ChangePlanReply, EventData, PlanChangePreviewReply, Refusal, Request, ServicePlanChanged,
    SetAccountQuota, Subject,
};
use model::{ByteCount, Location, Money, Principal, Timestamp};
use uuid::Uuid;

use crate::cancellations::{requested_service, viewed_service};
use crate::domain::charge::{Extent, Segment, Usage};
use crate::domain::customer::Customer;
use crate::domain::order;
use crate::domain::plan::{self, Plan, PlanPrice};
use crate::domain::service::{Service, minimum_until};
use crate::invoices::amounts;
use crate::invoicing::{self, Account};
use crate::store::services::Named;
use crate::{Settings, store};

/// A service that is about to have another plan.
struct Change {
    service: Service,
    /// With the new plan as its last one.
    account: Account,
    previous: Plan,
    plan: Plan,
    extent: Extent,
}

/// What is asked for, if it can be.
async fn checked(
    step: &mut Step,
    settings: &Settings,
    service: Service,
    mut account: Account,
    wish: &ChangePlan,
) -> Result<Change, Failure> {
    if service.is_external {
        return Err(Refusal::conflict("plans are changed in WHMCS, which issues the invoices").into());
    }
    let newest = store::plans::newest(step.connection(), Some(wish.plan_id)).await?.pop();
    let plan = newest.ok_or_else(|| Refusal::not_found("S3 plan not found"))?;
    let facts = store::plan_changes::facts(step.connection(), service.id).await?;
    let life = &mut account.billed.life;
    let last = life.segments.last().ok_or_else(|| Failure::Unavailable("the service has no plan".to_owned()))?;
    let (previous, number) = (last.plan.clone(), last.number + 1);
    let price = plan::check_change(&previous, &plan, life.currency, &facts.location, facts.used_bytes)?.clone();
    if service.cancellation.is_some() || service.terminated_at.is_some() {
        let message = "the S3 account's service is cancelled; withdraw that before its plan is changed";
        return Err(Refusal::conflict(message).into());
    }
    check_sale(step, settings, &account.customer, &previous, &price).await?;
    let (life, from) = (&mut account.billed.life, step.now().date_naive());
    life.segments.push(Segment { number, from, plan: plan.clone(), price });
    // A period that isn't invoiced yet will be, with both plans.
    let extent = Extent { periods: account.billed.invoiced_periods, usage_until: NaiveDate::MIN };
    Ok(Change { service, account, previous, plan, extent })
}

/// A plan change is a sale: what an order must fulfil it must, too.
async fn check_sale(
    step: &mut Step,
    settings: &Settings,
    customer: &Customer,
    previous: &Plan,
    price: &PlanPrice,
) -> Result<(), Failure> {
    let today = step.now().date_naive();
    let was_free = previous.prices.get(&price.price.currency()).is_some_and(|price| price.price.amount().is_zero());
    if !price.price.amount().is_zero() {
        let connection = step.connection();
        let standing = store::receivables::standing(connection, customer.id, price.price.currency(), today).await?;
        // The setup fee was owed for the order.
        let price = PlanPrice { setup_fee: Money::zero(price.price.currency()), ..price.clone() };
        order::check_credit(customer, &standing, &price, settings.tax_rates.percent(customer, today))?;
    } else if !was_free {
        let free_accounts = store::orders::free_accounts(step.connection(), customer.id).await?;
        order::check_free(free_accounts, settings.free_accounts_max)?;
    }
    Ok(())
}

/// What is known of a service beside its plan.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) location: Location,
    pub(crate) used_bytes: i64,
}

/// What a change would cost.
pub(crate) async fn preview(
    step: &mut Step,
    settings: &Settings,
    request: &Request,
    wish: &ChangePlan,
) -> Result<PlanChangePreviewReply, Failure> {
    let named = Named::by_s3uid(wish.s3uid.as_deref());
    let service = viewed_service(step, request, named, wish.id).await?;
    let account = invoicing::viewed(step, service.id).await?;
    let Change { service, account, plan, extent, .. } = checked(step, settings, service, account, wish).await?;
    let lines = invoicing::compose(step, settings, &account, &Usage::new(), extent).await?;
    let Account { billed, customer } = &account;
    let next_period_start = billed.life.schedule.period(service.period_number).end;
    let price = plan.prices.get(&billed.life.currency).map(|price| price.price);
    let price = price.ok_or_else(|| Failure::Unavailable("the plan's price is gone".to_owned()))?;
    let tax = price.tax(settings.tax_rates.percent(customer, next_period_start));
    let gross = price.checked_add(tax).map_err(|error| invoicing::uncountable(&error))?;
    Ok(PlanChangePreviewReply {
        s3uid: service.s3uid,
        plan_id: plan.id,
        now: amounts(&lines, billed.life.currency)?,
        next_price: price.amount(),
        next_price_gross: gross.amount(),
        next_period_start,
    })
}

/// Changes a service's plan from today on.
pub(crate) async fn change(
    step: &mut Step,
    settings: &Settings,
    request: &Request,
    wish: &ChangePlan,
) -> Result<ChangePlanReply, Failure> {
    let named = Named::by_s3uid(wish.s3uid.as_deref());
    let service = requested_service(step, request, named, wish.id).await?;
    let account = invoicing::account(step, service.id).await?;
    let Change { service, account, previous, plan, extent } = checked(step, settings, service, account, wish).await?;
    let now = step.now();
    let Some(segment) = account.billed.life.segments.last() else {
        return Err(Failure::Unavailable("the service has no plan".to_owned()));
    };
    let minimum_until = minimum_until(account.billed.life.schedule.start, plan.minimum_term).max(service.minimum_until);
    store::plan_changes::insert(step.connection(), service.id, segment, minimum_until).await?;
    announce(step, request, &service, &previous, &plan, now).await?;
    let occasion = format!("plan {}", segment.number);
    let issued = invoicing::issue(step, settings, &account, &Usage::new(), extent, &occasion, now).await?;
    if plan.quota_bytes != previous.quota_bytes {
        let subject = Subject::Account(service.s3uid.clone());
        let quota_bytes = ByteCount::from_i64(plan.quota_bytes).bytes();
        let decided_at = Some(store::services::decide(step.connection(), service.id, now).await?);
        let command = SetAccountQuota { s3uid: service.s3uid.clone(), quota_bytes, decided_at };
        let traceparent = request.traceparent.as_deref();
        step.send(&subject, Principal::Admin(None), Uuid::now_v7(), None, traceparent, &command).await?;
    }
    Ok(ChangePlanReply { s3uid: service.s3uid, plan_id: plan.id, invoice: issued.map(|issued| issued.number) })
}

async fn announce(
    step: &mut Step,
    request: &Request,
    service: &Service,
    previous: &Plan,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), Failure> {
    step.record(Record {
        event: ServicePlanChanged::EVENT,
        subject: Subject::Account(service.s3uid.clone()),
        customer_id: Some(service.customer_id),
        actor: &request.principal.actor(),
        description: format!("Plan changed from {} to {}", previous.name, plan.name),
        data: &ServicePlanChanged {
            service_id: service.id,
            s3uid: service.s3uid.clone(),
            from: now.date_naive(),
            plan_id: plan.id,
            plan_version: plan.version,
            previous_plan_id: previous.id,
            previous_plan_version: previous.version,
        },
        traceparent: request.traceparent.as_deref(),
    })
    .await
}
