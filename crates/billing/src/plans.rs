//! Plans, as operators write them: a TOML file, imported as new versions where something changed.

use std::collections::BTreeMap;

use history::{Failure, Journal, Record, Step};
use messages::{EventData, PlanChanged, Subject};
use model::{Currency, Location, PlanId};
use serde::Serialize;
use sqlx::PgPool;

use crate::domain::plan::{Plan, PlanPrice};
use crate::{plan_file, store};

/// Why a plan file can't be imported; nothing of it is then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file isn't what it should be.
    #[error("{0}")]
    Invalid(String),
    /// The database.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportSummary {
    /// Plans that are new.
    pub added: Vec<PlanId>,
    /// Plans that got a new version.
    pub changed: Vec<PlanId>,
    /// Plans that were the same already.
    pub unchanged: Vec<PlanId>,
}

/// The newest version of a plan, as operators read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// The plan.
    pub id: PlanId,
    /// Its version.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// Whether it can be ordered.
    pub active: bool,
    /// Where.
    pub locations: Vec<Location>,
    /// Its quota in bytes.
    pub quota_bytes: i64,
    /// The length of a billing period: `1M`.
    pub payment_period: String,
    /// `anniversary`, or a day of the month.
    pub billing_day: String,
    /// The net price of a period in each currency, with the currency's decimal places.
    pub prices: BTreeMap<Currency, String>,
}

/// The newest version of each plan, by id.
pub async fn list(pool: &PgPool) -> Result<Vec<PlanSummary>, Failure> {
    let mut connection = pool.acquire().await?;
    let plans = store::plans::newest(&mut connection, None).await?;
    Ok(plans.into_iter().map(PlanSummary::from).collect())
}

/// The newest version of a plan with everything that it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanDetails {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: PlanSummary,
    /// The kind of storage.
    pub storage_type: String,
    /// Stored bytes that the price includes.
    pub included_storage_bytes: i64,
    /// Bytes of uploads that the price includes; 0: as much as they like.
    pub included_traffic_in_bytes: i64,
    /// Bytes of downloads that the price includes; 0: as much as they like.
    pub included_traffic_out_bytes: i64,
    /// Which traffic costs money beyond that: `out`, `in` or `both`.
    pub overage_traffic: &'static str,
    /// How long a service lasts at least: `1M`.
    pub minimum_term: String,
    /// Whether it is reachable over FTPS.
    pub ftps: bool,
    /// All prices in each currency.
    pub rates: BTreeMap<Currency, PlanRates>,
}

/// A plan's net prices in one currency, as decimal numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanRates {
    /// Of a period.
    pub price: String,
    /// Once.
    pub setup_fee: String,
    /// Of a GB stored beyond what is included, for a whole period.
    pub storage_overage_price_per_gb: String,
    /// Of a GB of traffic beyond what is included.
    pub traffic_overage_price_per_gb: String,
}

/// The newest version of one plan.
pub async fn find(pool: &PgPool, id: PlanId) -> Result<Option<PlanDetails>, Failure> {
    let mut connection = pool.acquire().await?;
    Ok(store::plans::newest(&mut connection, Some(id)).await?.pop().map(PlanDetails::from))
}

impl From<Plan> for PlanDetails {
    fn from(plan: Plan) -> Self {
        Self {
            storage_type: plan.storage_type.clone(),
            included_storage_bytes: plan.included_storage_bytes,
            included_traffic_in_bytes: plan.included_traffic_in_bytes,
            included_traffic_out_bytes: plan.included_traffic_out_bytes,
            overage_traffic: plan.overage_traffic.as_str(),
            minimum_term: plan.minimum_term.to_string(),
            ftps: plan.ftps,
            rates: plan.prices.iter().map(|(code, price)| (*code, PlanRates::from(price))).collect(),
            summary: plan.into(),
        }
    }
}

impl From<&PlanPrice> for PlanRates {
    fn from(price: &PlanPrice) -> Self {
        Self {
            price: price.price.amount().to_string(),
            setup_fee: price.setup_fee.amount().to_string(),
            storage_overage_price_per_gb: price.storage_overage_per_gb.normalize().to_string(),
            traffic_overage_price_per_gb: price.traffic_overage_per_gb.normalize().to_string(),
        }
    }
}

impl From<Plan> for PlanSummary {
    fn from(plan: Plan) -> Self {
        Self {
            id: plan.id,
            version: plan.version,
            name: plan.name,
            active: plan.active,
            locations: plan.locations,
            quota_bytes: plan.quota_bytes,
            payment_period: plan.payment_period.to_string(),
            billing_day: plan.billing_day.to_string(),
            prices: plan.prices.iter().map(|(code, price)| (*code, price.price.amount().to_string())).collect(),
        }
    }
}

/// Imports a plan file: all of it or nothing. Running it again changes nothing.
pub async fn import(journal: &Journal, text: &str) -> Result<ImportSummary, ImportError> {
    let plans = plan_file::read(text).map_err(|error| ImportError::Invalid(error.to_string()))?;
    let mut step = journal.step().await?;
    store::plans::lock(step.connection()).await?;
    let mut summary = ImportSummary::default();
    for plan in plans.into_values() {
        import_plan(&mut step, plan, &mut summary).await?;
    }
    step.commit().await?;
    Ok(summary)
}

async fn import_plan(step: &mut Step, mut plan: Plan, summary: &mut ImportSummary) -> Result<(), Failure> {
    let current = store::plans::newest(step.connection(), Some(plan.id)).await?.pop();
    let (event, description) = match &current {
        None => {
            summary.added.push(plan.id);
            ("plan.added", "Plan added")
        }
        Some(current) => {
            plan.version = current.version;
            if plan == *current {
                summary.unchanged.push(plan.id);
                return Ok(());
            }
            plan.version = current.version + 1;
            summary.changed.push(plan.id);
            (PlanChanged::EVENT, "Plan configuration changed")
        }
    };
    let now = step.now();
    store::plans::insert(step.connection(), &plan, now).await?;
    step.record(Record {
        event,
        subject: Subject::Plan(plan.id),
        customer_id: None,
        actor: "operator",
        description: description.to_owned(),
        data: &PlanChanged { plan_id: plan.id, version: plan.version, name: plan.name },
        traceparent: None,
    })
    .await
}
