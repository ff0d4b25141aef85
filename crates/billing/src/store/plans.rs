//! `billing.plan_versions` and `billing.plan_prices`. A plan is its newest version.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use history::Failure;
use model::{Currency, Money, OrderId, PlanId, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::broken;
use crate::domain::charge::Segment;
use crate::domain::plan::{OverageTraffic, Plan, PlanPrice};
use crate::domain::schedule::Schedule;
use crate::domain::term::Term;

struct Row {
    plan_id: i64,
    version: i32,
    name: String,
    active: bool,
    storage_type: String,
    locations: Vec<String>,
    base_price: Decimal,
    quota_bytes: i64,
    included_storage_bytes: i64,
    included_traffic_in_bytes: i64,
    included_traffic_out_bytes: i64,
    minimum_term: String,
    payment_period: String,
    billing_day: String,
    overage_traffic: String,
    ftps: bool,
}

struct PriceRow {
    plan_id: i64,
    version: i32,
    currency: String,
    price: Decimal,
    setup_fee: Decimal,
    traffic_overage_price_per_gb: Decimal,
    storage_overage_price_per_gb: Decimal,
}

impl TryFrom<Row> for Plan {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let locations = row.locations.iter().map(|name| name.parse()).collect::<Result<_, _>>();
        Ok(Self {
            id: PlanId(row.plan_id),
            version: row.version,
            name: row.name,
            active: row.active,
            storage_type: row.storage_type,
            locations: locations.map_err(|error: model::InvalidLocation| broken("plan", &error))?,
            base_price: row.base_price,
            quota_bytes: row.quota_bytes,
            included_storage_bytes: row.included_storage_bytes,
            included_traffic_in_bytes: row.included_traffic_in_bytes,
            included_traffic_out_bytes: row.included_traffic_out_bytes,
            minimum_term: row.minimum_term.parse().map_err(|error| broken("plan", &error))?,
            payment_period: row.payment_period.parse().map_err(|error| broken("plan", &error))?,
            billing_day: row.billing_day.parse().map_err(|error| broken("plan", &error))?,
            overage_traffic: OverageTraffic::from_name(&row.overage_traffic)
                .ok_or_else(|| broken("plan", &row.overage_traffic))?,
            ftps: row.ftps,
            prices: BTreeMap::new(),
        })
    }
}

/// The newest versions of all plans, or of one, by id.
pub(crate) async fn newest(connection: &mut PgConnection, id: Option<PlanId>) -> Result<Vec<Plan>, Failure> {
    let id = id.map(|id| id.0);
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT plan_id AS "plan_id!", version AS "version!", name AS "name!", active AS "active!",
                  storage_type AS "storage_type!", locations AS "locations!", base_price AS "base_price!",
                  quota_bytes AS "quota_bytes!", included_storage_bytes AS "included_storage_bytes!",
                  included_traffic_in_bytes AS "included_traffic_in_bytes!",
                  included_traffic_out_bytes AS "included_traffic_out_bytes!", minimum_term AS "minimum_term!",
                  payment_period AS "payment_period!", billing_day AS "billing_day!",
                  overage_traffic AS "overage_traffic!", ftps AS "ftps!"
           FROM billing.plans WHERE $1::bigint IS NULL OR plan_id = $1 ORDER BY plan_id"#,
        id
    )
    .fetch_all(&mut *connection)
    .await?;
    let prices = sqlx::query_as!(
        PriceRow,
        "SELECT plan_id, version, currency, price, setup_fee, traffic_overage_price_per_gb,
                storage_overage_price_per_gb
         FROM billing.plan_prices JOIN billing.plans USING (plan_id, version)
         WHERE $1::bigint IS NULL OR plan_id = $1",
        id
    )
    .fetch_all(connection)
    .await?;
    let mut plans: BTreeMap<i64, Plan> = BTreeMap::new();
    for row in rows {
        plans.insert(row.plan_id, row.try_into()?);
    }
    for row in prices {
        let currency: Currency = row.currency.parse().map_err(|error| broken("price", &error))?;
        if let Some(plan) = plans.get_mut(&row.plan_id) {
            plan.prices.insert(currency, price(&row, currency));
        }
    }
    Ok(plans.into_values().collect())
}

fn price(row: &PriceRow, currency: Currency) -> PlanPrice {
    PlanPrice {
        price: Money::rounded(row.price, currency),
        setup_fee: Money::rounded(row.setup_fee, currency),
        traffic_overage_per_gb: row.traffic_overage_price_per_gb,
        storage_overage_per_gb: row.storage_overage_price_per_gb,
    }
}

/// A plan that a service had.
#[derive(Debug)]
pub(crate) struct Held {
    number: i32,
    from: NaiveDate,
    plan: Plan,
}

impl Held {
    /// With its price in the service's currency.
    pub(crate) fn segment(self, currency: Currency) -> Result<Segment, Failure> {
        let price = self.plan.prices.get(&currency).cloned();
        Ok(Segment {
            number: u32::try_from(self.number).map_err(|error| broken("service plan", &error))?,
            from: self.from,
            price: price.ok_or_else(|| broken("service plan", &format!("no price in {currency}")))?,
            plan: self.plan,
        })
    }
}

/// The plans that services had, one after the other, by service.
pub(crate) async fn of_services(
    connection: &mut PgConnection,
    services: &[i64],
) -> Result<BTreeMap<i64, Vec<Held>>, Failure> {
    let rows = sqlx::query!(
        "SELECT service_id, number, from_day, plan_id, plan_version FROM billing.service_plans
         WHERE service_id = ANY ($1) ORDER BY service_id, number",
        services
    )
    .fetch_all(&mut *connection)
    .await?;
    let names: BTreeSet<_> = rows.iter().map(|row| (row.plan_id, row.plan_version)).collect();
    let plans = versions(connection, names).await?;
    let mut held: BTreeMap<i64, Vec<Held>> = BTreeMap::new();
    for row in rows {
        let plan = plans.get(&(row.plan_id, row.plan_version)).cloned();
        let plan = plan.ok_or_else(|| broken("service plan", &format!("plan {} is gone", row.plan_id)))?;
        held.entry(row.service_id).or_default().push(Held { number: row.number, from: row.from_day, plan });
    }
    Ok(held)
}

/// The periods and the minimum term of what was ordered, if it begins on `start`.
pub(crate) async fn terms_of_order(
    connection: &mut PgConnection,
    order_id: OrderId,
    start: NaiveDate,
) -> Result<(Schedule, Term), Failure> {
    let row = sqlx::query!(
        "SELECT v.payment_period, v.billing_day, v.minimum_term FROM billing.orders o
         JOIN billing.plan_versions v ON v.plan_id = o.plan_id AND v.version = o.plan_version WHERE o.id = $1",
        order_id.0
    )
    .fetch_one(connection)
    .await?;
    let period = row.payment_period.parse().map_err(|error| broken("plan", &error))?;
    let billing_day = row.billing_day.parse().map_err(|error| broken("plan", &error))?;
    let minimum_term = row.minimum_term.parse().map_err(|error| broken("plan", &error))?;
    Ok((Schedule { start, period, billing_day }, minimum_term))
}

/// Versions of plans, by plan and version.
async fn versions(
    connection: &mut PgConnection,
    names: BTreeSet<(i64, i32)>,
) -> Result<BTreeMap<(i64, i32), Plan>, Failure> {
    let (ids, numbers): (Vec<i64>, Vec<i32>) = names.into_iter().unzip();
    let rows = sqlx::query_as!(
        Row,
        "SELECT plan_id, version, name, active, storage_type, locations, base_price, quota_bytes,
                included_storage_bytes, included_traffic_in_bytes, included_traffic_out_bytes, minimum_term,
                payment_period, billing_day, overage_traffic, ftps
         FROM billing.plan_versions
         WHERE (plan_id, version) IN (SELECT * FROM UNNEST($1::bigint[], $2::integer[]))",
        &ids,
        &numbers
    )
    .fetch_all(&mut *connection)
    .await?;
    let prices = sqlx::query_as!(
        PriceRow,
        "SELECT plan_id, version, currency, price, setup_fee, traffic_overage_price_per_gb,
                storage_overage_price_per_gb
         FROM billing.plan_prices
         WHERE (plan_id, version) IN (SELECT * FROM UNNEST($1::bigint[], $2::integer[]))",
        &ids,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    let mut plans = BTreeMap::new();
    for row in rows {
        plans.insert((row.plan_id, row.version), Plan::try_from(row)?);
    }
    for row in prices {
        let currency: Currency = row.currency.parse().map_err(|error| broken("price", &error))?;
        if let Some(plan) = plans.get_mut(&(row.plan_id, row.version)) {
            plan.prices.insert(currency, price(&row, currency));
        }
    }
    Ok(plans)
}

/// Adds a version of a plan. Versions are never changed.
pub(crate) async fn insert(connection: &mut PgConnection, plan: &Plan, now: Timestamp) -> Result<(), Failure> {
    let locations: Vec<String> = plan.locations.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "INSERT INTO billing.plan_versions (plan_id, version, name, active, storage_type, locations, base_price,
             quota_bytes, included_storage_bytes, included_traffic_in_bytes, included_traffic_out_bytes, minimum_term,
             payment_period, ftps, created_at, billing_day, overage_traffic)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        plan.id.0,
        plan.version,
        plan.name,
        plan.active,
        plan.storage_type,
        &locations,
        plan.base_price,
        plan.quota_bytes,
        plan.included_storage_bytes,
        plan.included_traffic_in_bytes,
        plan.included_traffic_out_bytes,
        plan.minimum_term.to_string(),
        plan.payment_period.to_string(),
        plan.ftps,
        now,
        plan.billing_day.to_string(),
        plan.overage_traffic.as_str()
    )
    .execute(&mut *connection)
    .await?;
    for (currency, price) in &plan.prices {
        sqlx::query!(
            "INSERT INTO billing.plan_prices (plan_id, version, currency, price, setup_fee,
                 traffic_overage_price_per_gb, storage_overage_price_per_gb)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            plan.id.0,
            plan.version,
            currency.code(),
            price.price.amount(),
            price.setup_fee.amount(),
            price.traffic_overage_per_gb,
            price.storage_overage_per_gb
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Keeps two imports from making the same version.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query!("LOCK TABLE billing.plan_versions IN SHARE ROW EXCLUSIVE MODE").execute(connection).await?;
    Ok(())
}
