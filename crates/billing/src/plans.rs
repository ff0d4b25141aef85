//! Plans, as operators write them: a TOML file, imported as new versions where something changed.

use std::collections::BTreeMap;

use history::{Failure, Journal, Record, Step};
use messages::{EventData, PlanChanged, Subject};
use model::{ByteCount, Currency, Location, Money, PlanId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::domain::plan::{OverageTraffic, Plan, PlanPrice};
use crate::domain::schedule::BillingDay;
use crate::domain::term::Term;
use crate::store;

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    plan: Vec<PlanEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanEntry {
    id: i64,
    name: String,
    active: bool,
    storage_type: String,
    locations: Vec<Location>,
    base_price: Decimal,
    quota_gb: u64,
    included_storage_gb: u64,
    included_traffic_in_gb: u64,
    included_traffic_out_gb: u64,
    minimum_term: String,
    payment_period: String,
    /// "anniversary" (the default), or a day of the month from 1 to 31.
    billing_day: Option<BillingDayEntry>,
    /// Which traffic costs money beyond what is included: "out" (the default), "in" or "both".
    overage_traffic: Option<OverageTraffic>,
    /// 1: reachable over FTPS; -1 (the default): not.
    #[serde(default = "no_ftps")]
    ftps: i8,
    prices: BTreeMap<Currency, PriceEntry>,
}

/// A number or a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum BillingDayEntry {
    Day(u32),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceEntry {
    price: Decimal,
    setup_fee: Decimal,
    traffic_overage_per_gb: Decimal,
    storage_overage_per_gb: Decimal,
}

const fn no_ftps() -> i8 {
    -1
}

/// Imports a plan file: all of it or nothing. Running it again changes nothing.
pub async fn import(journal: &Journal, text: &str) -> Result<ImportSummary, ImportError> {
    let file: PlanFile = toml::from_str(text).map_err(|error| ImportError::Invalid(error.to_string()))?;
    let mut plans = BTreeMap::new();
    for entry in file.plan {
        let plan = entry.into_plan()?;
        if let Some(twice) = plans.insert(plan.id, plan) {
            return Err(ImportError::Invalid(format!("plan {} stands twice in the file", twice.id)));
        }
    }
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

impl PlanEntry {
    fn into_plan(self) -> Result<Plan, ImportError> {
        let id = self.id;
        let invalid = |message: String| ImportError::Invalid(format!("plan {id}: {message}"));
        if id < 1 {
            return Err(invalid("id must be a positive number".to_owned()));
        }
        if self.name.trim().is_empty() {
            return Err(invalid("name must not be empty".to_owned()));
        }
        if self.locations.is_empty() {
            return Err(invalid("locations must name one location at least".to_owned()));
        }
        if self.prices.is_empty() {
            return Err(invalid("prices must have one currency at least".to_owned()));
        }
        if self.quota_gb < self.included_storage_gb {
            return Err(invalid("quota_gb must not be below included_storage_gb".to_owned()));
        }
        if self.base_price.is_sign_negative() {
            return Err(invalid("base_price must not be negative".to_owned()));
        }
        if self.ftps != no_ftps() {
            return Err(invalid("ftps must be -1: there is no access over FTPS".to_owned()));
        }
        let mut prices = BTreeMap::new();
        for (currency, entry) in self.prices {
            prices.insert(currency, entry.into_price(currency).map_err(invalid)?);
        }
        let term = |text: String| text.parse().map_err(|error| invalid(format!("{error}")));
        let payment_period: Term = term(self.payment_period)?;
        if payment_period.is_zero() {
            return Err(invalid("payment_period must not be 0".to_owned()));
        }
        let billing_day = match self.billing_day {
            None => BillingDay::Anniversary,
            Some(BillingDayEntry::Day(day)) => day.to_string().parse().map_err(|error| invalid(format!("{error}")))?,
            Some(BillingDayEntry::Text(text)) => text.parse().map_err(|error| invalid(format!("{error}")))?,
        };
        if billing_day != BillingDay::Anniversary && payment_period.months().is_none() {
            return Err(invalid(format!(
                "billing_day must be \"anniversary\": a payment_period of {payment_period} has no fixed day of the month"
            )));
        }
        Ok(Plan {
            id: PlanId(id),
            version: 1,
            name: self.name,
            active: self.active,
            storage_type: self.storage_type,
            locations: self.locations,
            base_price: self.base_price,
            quota_bytes: ByteCount::from_gb(self.quota_gb).to_i64(),
            included_storage_bytes: ByteCount::from_gb(self.included_storage_gb).to_i64(),
            included_traffic_in_bytes: ByteCount::from_gb(self.included_traffic_in_gb).to_i64(),
            included_traffic_out_bytes: ByteCount::from_gb(self.included_traffic_out_gb).to_i64(),
            minimum_term: term(self.minimum_term)?,
            payment_period,
            billing_day,
            overage_traffic: self.overage_traffic.unwrap_or(OverageTraffic::Out),
            ftps: false,
            prices,
        })
    }
}

impl PriceEntry {
    fn into_price(self, currency: Currency) -> Result<PlanPrice, String> {
        for (name, amount) in [
            ("price", self.price),
            ("setup_fee", self.setup_fee),
            ("traffic_overage_per_gb", self.traffic_overage_per_gb),
            ("storage_overage_per_gb", self.storage_overage_per_gb),
        ] {
            if amount.is_sign_negative() && !amount.is_zero() {
                return Err(format!("prices.{currency}.{name} must not be negative"));
            }
        }
        let coins = |name: &str, amount: Decimal| {
            let money = Money::rounded(amount, currency);
            let places = currency.decimal_places();
            if money.amount() == amount {
                Ok(money)
            } else {
                Err(format!("prices.{currency}.{name} has more than {currency}'s {places} decimal places"))
            }
        };
        Ok(PlanPrice {
            price: coins("price", self.price)?,
            setup_fee: coins("setup_fee", self.setup_fee)?,
            traffic_overage_per_gb: self.traffic_overage_per_gb,
            storage_overage_per_gb: self.storage_overage_per_gb,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[plan]]
        id = 1
        name = "Standard"
        active = true
        storage_type = "standard"
        locations = ["NL"]
        base_price = "9.80"
        quota_gb = 100
        included_storage_gb = 100
        included_traffic_in_gb = 0
        included_traffic_out_gb = 1000
        minimum_term = "1M"
        payment_period = "1M"
        [plan.prices.EUR]
        price = "9.80"
        setup_fee = "0.00"
        traffic_overage_per_gb = "0.01"
        storage_overage_per_gb = "0.05"
    "#;

    fn parse(text: &str) -> Result<Plan, String> {
        let file: PlanFile = toml::from_str(text).map_err(|error| error.to_string())?;
        file.plan.into_iter().next().unwrap().into_plan().map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_file_is_exact() {
        let plan = parse(GOOD).unwrap();
        assert_eq!(plan.prices[&Currency::EUR].price.to_string(), "9.80 EUR");
        assert_eq!(plan.quota_bytes, 100_000_000_000);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, complaint) in [
            ("id = 1", "id = 0", "id must be a positive number"),
            ("quota_gb = 100", "quota_gb = 99", "quota_gb must not be below included_storage_gb"),
            ("locations = [\"NL\"]", "locations = []", "one location at least"),
            ("minimum_term = \"1M\"", "minimum_term = \"soon\"", "a term is a number"),
            (
                "price = \"9.80\"\n        setup",
                "price = \"9.805\"\n        setup",
                "prices.EUR.price has more than EUR's 2 decimal places",
            ),
            ("setup_fee = \"0.00\"", "setup_fee = \"-1\"", "prices.EUR.setup_fee must not be negative"),
            ("payment_period = \"1M\"", "payment_period = \"0M\"", "payment_period must not be 0"),
            ("active = true", "active = true\nftps = 1", "ftps must be -1"),
            ("active = true", "active = true\nbilling_day = 32", "a billing day is"),
            ("payment_period = \"1M\"", "payment_period = \"2W\"\nbilling_day = 1", "has no fixed day of the month"),
            ("storage_type", "storrage_type", "unknown field `storrage_type`"),
            ("[plan.prices.EUR]", "[plan.prices.EURO]", "three letters of ISO 4217"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = parse(&text).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
