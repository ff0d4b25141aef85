//! `get_users`: accounts with their customers, their services and what they used in a period.

use async_trait::async_trait;
use chrono::SubsecRound;
use history::Failure;
use messages::{GetUsers, GetUsersReply, Refusal, Request, Scope, UserPriceReply, UserReply, UserServiceReply};
use model::{ByteCount, CustomerId, PlanId, ServiceId};
use runtime::Query;

use crate::domain::wording;
use crate::store::users::Row;
use crate::{Metering, store};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

#[async_trait]
impl Query<GetUsers> for Metering {
    type Reply = GetUsersReply;

    async fn answer(&self, request: &Request, parameters: GetUsers) -> Result<GetUsersReply, Failure> {
        let limit = parameters.limit.unwrap_or(LIMIT_DEFAULT);
        let offset = parameters.offset.unwrap_or(0);
        if !(1..=LIMIT_MAX).contains(&limit) || offset < 0 {
            return Err(Refusal::new(format!("limit must be 1 to {LIMIT_MAX} and offset 0 or more")).into());
        }
        if let (Some(from), Some(to)) = (parameters.period_from, parameters.period_to)
            && from > to
        {
            return Err(Refusal::new(format!("period_from {from} must not be after period_to {to}")).into());
        }
        let scope = Scope::of(request.principal, parameters.id)?;
        if let Some(id) = scope.customer_id()
            && !store::users::customer_exists(&self.pool, id).await?
        {
            return Err(Refusal::not_found("customer not found").into());
        }
        let now = self.clock.now();
        let rows = store::users::page(&self.pool, scope, &parameters, now, offset, limit).await?;
        let total = match rows.first() {
            Some(row) => row.total,
            None if offset == 0 => 0,
            // A page beyond the end says nothing of those before.
            None => {
                let first = store::users::page(&self.pool, scope, &parameters, now, 0, 1).await?;
                first.first().map_or(0, |row| row.total)
            }
        };
        Ok(GetUsersReply { s3_users: rows.into_iter().map(user).collect::<Result<_, _>>()?, total })
    }
}

fn user(row: Row) -> Result<UserReply, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::Unavailable(format!("account {}: {error}", row.s3uid));
    let customer_id = CustomerId(row.customer_id);
    let traffic = ByteCount::from_i64(row.traffic_bytes).gb();
    Ok(UserReply {
        id: customer_id,
        s3uid: row.s3uid.parse().map_err(|error| broken(&error))?,
        email: row.email,
        region: row.location,
        billing: row.billing_entity,
        currency: row.currency.parse().map_err(|error| broken(&error))?,
        traffic,
        total_traffic_period_gb: traffic,
        storage_usage: ByteCount::from_i64(row.stored_bytes).mb_rounded_up(),
        total_storage_peak_gb: ByteCount::from_i64(row.peak_bytes).gb(),
        price: UserPriceReply { base_price: row.base_price, price: row.price },
        service: UserServiceReply {
            id: ServiceId(row.id),
            entity_id: customer_id,
            service_ident: row.name,
            plan_id: PlanId(row.plan_id),
            period: wording::period(&row.payment_period).to_owned(),
            period_start: row.period_start.trunc_subsecs(0),
            period_end: row.period_end.trunc_subsecs(0),
            next_commit_date: row.period_end.trunc_subsecs(0),
            status: wording::status(&row.state).to_owned(),
        },
        measured_at: row.measured_at.map(|moment| moment.trunc_subsecs(0)),
    })
}
