//! What is said of invoices: taxes, dunning, and the system that issues them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use model::PlanId;
use rust_decimal::Decimal;
use secrecy::SecretString;
use url::Url;

use super::Problem;
use super::reader::Section;
use super::values::{self, http_url, integer, percent, text};

/// `[whmcs]`: it issues the invoices in Purser's stead. Customers have the same numbers there.
#[derive(Debug, Clone)]
pub struct WhmcsConfig {
    /// WHMCS's base address.
    pub url: Url,
    /// The identifier of its API credentials.
    pub identifier: String,
    /// The secret of these.
    pub secret: SecretString,
    /// What lets Purser in from an address that isn't on WHMCS's list.
    pub access_key: Option<SecretString>,
    /// The number of the products' custom field that holds Purser's order.
    pub order_field: u32,
    /// How orders are paid, in WHMCS's name.
    pub payment_method: String,
    /// `[whmcs.products]`: WHMCS's product by plan.
    pub products: BTreeMap<PlanId, i64>,
    /// How long one call may take.
    pub timeout_seconds: u64,
}

/// `[billing.dunning]`: how many days after an invoice's due date something happens to its service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DunningConfig {
    /// The customer is reminded.
    pub reminder_after_days: Option<u32>,
    /// The account is locked: reading only.
    pub lock_after_days: Option<u32>,
    /// The account is suspended.
    pub suspension_after_days: Option<u32>,
    /// The account is deleted.
    pub termination_after_days: Option<u32>,
}

pub(super) fn whmcs(mut section: Section<'_>) -> Option<WhmcsConfig> {
    let url = section.required("url", http_url);
    let identifier = section.required("identifier", text);
    let secret = section.required("secret", values::secret);
    let access_key = section.optional("access_key", values::secret);
    let order_field = section.required("order_field", integer(1..=u32::MAX));
    let payment_method = section.required("payment_method", text);
    let timeout_seconds = section.or("timeout_seconds", 30, integer(1..=40));
    let products = products(section.table("products"));
    section.finish();
    Some(WhmcsConfig {
        url: url?,
        identifier: identifier?,
        secret: secret?,
        access_key,
        order_field: order_field?,
        payment_method: payment_method?,
        products,
        timeout_seconds,
    })
}

/// `[whmcs.products]`: one key per plan.
fn products(section: Section<'_>) -> BTreeMap<PlanId, i64> {
    let (entries, problems) = section.into_entries();
    let mut products = BTreeMap::new();
    for (plan, value) in entries {
        match (plan.parse(), integer(1..=i64::MAX)(&value)) {
            (Ok(id), Ok(product)) => {
                products.insert(PlanId(id), product);
            }
            (Err(_), _) => problems.push(Problem::new(format!("whmcs.products.{plan}"), "is no plan's number")),
            (_, Err(message)) => problems.push(Problem::new(format!("whmcs.products.{plan}"), message)),
        }
    }
    products
}

/// `[billing.dunning]`; its steps come in their order.
pub(super) fn dunning(mut section: Section<'_>) -> DunningConfig {
    let mut earlier = 0;
    let mut step = |name: &'static str| {
        let days = section.optional(name, integer(earlier..=3650));
        earlier = days.unwrap_or(earlier);
        days
    };
    let dunning = DunningConfig {
        reminder_after_days: step("reminder_after_days"),
        lock_after_days: step("lock_after_days"),
        suspension_after_days: step("suspension_after_days"),
        termination_after_days: step("termination_after_days"),
    };
    section.finish();
    dunning
}

/// `[billing.tax_percent]`: one key per country, with its percent, or with percents by the day from which they apply.
pub(super) fn tax_percent(section: Section<'_>) -> BTreeMap<String, BTreeMap<NaiveDate, Decimal>> {
    let (entries, problems) = section.into_entries();
    let mut rates = BTreeMap::new();
    for (country, value) in entries {
        // Variables come in lower case.
        let country = country.to_ascii_uppercase();
        let key = format!("billing.tax_percent.{country}");
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            problems.push(Problem::new(key, "countries are two letters of ISO 3166, for example DE"));
            continue;
        }
        let days: Vec<_> = match value.clone().into_table() {
            Ok(table) => table.into_iter().map(|(day, value)| (day.parse(), value)).collect(),
            Err(_) => vec![(Ok(NaiveDate::MIN), value)],
        };
        for (day, value) in days {
            match (day, percent(&value)) {
                (Ok(day), Ok(rate)) => {
                    rates.entry(country.clone()).or_insert_with(BTreeMap::new).insert(day, rate);
                }
                (Err(_), _) => {
                    let message = "must be a percentage, or percentages by day: { \"2021-01-01\" = \"19.0\" }";
                    problems.push(Problem::new(key.clone(), message));
                }
                (_, Err(message)) => problems.push(Problem::new(key.clone(), message)),
            }
        }
    }
    rates
}
