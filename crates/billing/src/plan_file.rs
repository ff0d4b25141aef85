//! A plan file's text, and the plans that it describes.

use std::collections::BTreeMap;

use model::{ByteCount, Currency, Location, Money, PlanId};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::domain::plan::{OverageTraffic, Plan, PlanPrice};
use crate::domain::schedule::BillingDay;
use crate::domain::term::Term;

/// Why a text is no plan file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(String);

/// The plans of a file, each at version 1.
pub(crate) fn read(text: &str) -> Result<BTreeMap<PlanId, Plan>, Invalid> {
    let file: PlanFile = toml::from_str(text).map_err(|error| Invalid(error.to_string()))?;
    let mut plans = BTreeMap::new();
    for entry in file.plan {
        let plan = entry.into_plan()?;
        if let Some(twice) = plans.insert(plan.id, plan) {
            return Err(Invalid(format!("plan {} stands twice in the file", twice.id)));
        }
    }
    Ok(plans)
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

/// Ample for any price, and small enough for any sum of them.
const AMOUNT_MAX: i64 = 1_000_000_000;
/// As many as can be counted in bytes.
const GB_MAX: u64 = 9_223_372_036;

const fn no_ftps() -> i8 {
    -1
}

impl PlanEntry {
    fn check_sizes(&self) -> Result<(), String> {
        for (name, gb) in [
            ("quota_gb", self.quota_gb),
            ("included_storage_gb", self.included_storage_gb),
            ("included_traffic_in_gb", self.included_traffic_in_gb),
            ("included_traffic_out_gb", self.included_traffic_out_gb),
        ] {
            if gb > GB_MAX {
                return Err(format!("{name} must be at most {GB_MAX}"));
            }
        }
        if self.quota_gb < self.included_storage_gb {
            return Err("quota_gb must not be below included_storage_gb".to_owned());
        }
        Ok(())
    }

    fn into_plan(self) -> Result<Plan, Invalid> {
        let id = self.id;
        let invalid = |message: String| Invalid(format!("plan {id}: {message}"));
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
        self.check_sizes().map_err(invalid)?;
        check_amount("base_price", self.base_price).map_err(invalid)?;
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

fn check_amount(name: &str, amount: Decimal) -> Result<(), String> {
    if amount.is_sign_negative() && !amount.is_zero() {
        return Err(format!("{name} must not be negative"));
    }
    if amount > Decimal::from(AMOUNT_MAX) {
        return Err(format!("{name} must be at most {AMOUNT_MAX}"));
    }
    Ok(())
}

impl PriceEntry {
    fn into_price(self, currency: Currency) -> Result<PlanPrice, String> {
        for (name, amount) in [
            ("price", self.price),
            ("setup_fee", self.setup_fee),
            ("traffic_overage_per_gb", self.traffic_overage_per_gb),
            ("storage_overage_per_gb", self.storage_overage_per_gb),
        ] {
            check_amount(&format!("prices.{currency}.{name}"), amount)?;
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
            ("quota_gb = 100", "quota_gb = 9223372037", "quota_gb must be at most 9223372036"),
            (
                "price = \"9.80\"\n        setup",
                "price = \"1000000000.01\"\n        setup",
                "EUR.price must be at most 1000000000",
            ),
            ("base_price = \"9.80\"", "base_price = \"79228162514264337593543950335\"", "base_price must be at most"),
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
