//! `billing.plan_versions` and `billing.plan_prices`. A plan is its newest version.

use std::collections::BTreeMap;

use history::Failure;
use model::{Currency, Money, PlanId, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::broken;
use crate::domain::plan::{Plan, PlanPrice};

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
    ftps: bool,
}

struct PriceRow {
    plan_id: i64,
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
                  payment_period AS "payment_period!", ftps AS "ftps!"
           FROM billing.plans WHERE $1::bigint IS NULL OR plan_id = $1 ORDER BY plan_id"#,
        id
    )
    .fetch_all(&mut *connection)
    .await?;
    let prices = sqlx::query_as!(
        PriceRow,
        "SELECT plan_id, currency, price, setup_fee, traffic_overage_price_per_gb, storage_overage_price_per_gb
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

/// Adds a version of a plan. Versions are never changed.
pub(crate) async fn insert(connection: &mut PgConnection, plan: &Plan, now: Timestamp) -> Result<(), Failure> {
    let locations: Vec<String> = plan.locations.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "INSERT INTO billing.plan_versions (plan_id, version, name, active, storage_type, locations, base_price,
             quota_bytes, included_storage_bytes, included_traffic_in_bytes, included_traffic_out_bytes, minimum_term,
             payment_period, ftps, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
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
        now
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
