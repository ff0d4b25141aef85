//! `storage_info`: a customer's packages, by name.

use std::collections::BTreeMap;

use async_trait::async_trait;
use history::Failure;
use messages::{Refusal, Request, StorageInfo, StoragePackage};
use model::{Currency, Money, PlainTime, Timestamp};
use runtime::Query;
use rust_decimal::Decimal;

use crate::domain::plan::PlanPrice;
use crate::domain::schedule::Schedule;
use crate::domain::service::{earliest_termination, minimum_until};
use crate::domain::storage;
use crate::domain::term::Term;
use crate::store::packages::Row;
use crate::{Billing, store};

#[async_trait]
impl Query<StorageInfo> for Billing {
    type Reply = BTreeMap<String, StoragePackage>;

    async fn answer(&self, request: &Request, parameters: StorageInfo) -> Result<Self::Reply, Failure> {
        let customer = self.storage_customer(request, parameters.id).await?;
        let rows = store::packages::of_customer(&self.pool, customer.id, parameters.name.as_deref()).await?;
        if rows.is_empty() && parameters.name.is_some() {
            return Err(Refusal::not_found(super::PACKAGE_NOT_FOUND).into());
        }
        let tax_percent = self.settings.tax_rates.percent(&customer, self.clock.now().date_naive());
        let now = self.clock.now();
        rows.into_iter().map(|row| Ok((row.name.clone(), self.package(row, tax_percent, now)?))).collect()
    }
}

impl Billing {
    fn package(&self, row: Row, tax_percent: Decimal, now: Timestamp) -> Result<StoragePackage, Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::Unavailable(format!("package {}: {error}", row.name));
        let currency: Currency = row.currency.parse().map_err(|error| broken(&error))?;
        let minimum_term: Term = row.minimum_term.parse().map_err(|error| broken(&error))?;
        let payment_period: Term = row.payment_period.parse().map_err(|error| broken(&error))?;
        let price = PlanPrice {
            price: Money::rounded(row.price, currency),
            setup_fee: Money::rounded(row.setup_fee, currency),
            traffic_overage_per_gb: row.traffic_overage_price_per_gb,
            storage_overage_per_gb: Decimal::ZERO,
        };
        let billing_day = row.billing_day.parse().map_err(|error| broken(&error))?;
        let start = row.started_at.unwrap_or(now).date_naive();
        let until = row.minimum_until.unwrap_or_else(|| minimum_until(start, minimum_term));
        let schedule = Schedule { start, period: payment_period, billing_day };
        let period_number = row.period_number.and_then(|number| u32::try_from(number).ok()).unwrap_or(1);
        let last_moment =
            row.termination_at.unwrap_or_else(|| earliest_termination(&schedule, period_number, until, now));
        let shown = |moment: Option<Timestamp>| moment.map_or_else(String::new, |at| PlainTime(at).to_string());
        Ok(StoragePackage {
            tariff: row.tariff,
            kind: storage::KIND.to_owned(),
            size: storage::gb(row.quota_bytes),
            used: storage::gb_rounded_up(row.used_bytes),
            traffic_in: storage::gb(row.included_traffic_in_bytes),
            traffic_out: storage::gb(row.included_traffic_out_bytes),
            ftps: storage::ftps(row.ftps),
            hostname: self.settings.endpoints.get(&row.location).cloned().unwrap_or_default(),
            username: row.access_key.unwrap_or_default(),
            minterm: minimum_term.to_string(),
            payment_period: payment_period.to_string(),
            state: row.state.unwrap_or(row.order_state),
            price: storage::pricing(&price, currency, tax_percent),
            order_datetime: PlainTime(row.ordered_at),
            termination_datetime: shown(row.cancelled_at),
            max_termination_datetime: PlainTime(last_moment),
            expiry_datetime: shown(row.termination_at),
        })
    }
}
