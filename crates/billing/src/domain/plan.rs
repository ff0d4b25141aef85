//! Plans: what is sold, at what price, and who sees which.

use std::collections::BTreeMap;

use messages::{ListPlans, Refusal};
use model::{Currency, Location, Money, PlanId, Principal};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::customer::Customer;
use super::schedule::BillingDay;
use super::term::Term;

/// Which traffic costs money beyond what is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OverageTraffic {
    Out,
    In,
    Both,
}

impl OverageTraffic {
    /// As stored and as plan files say it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Both => "both",
        }
    }

    /// The one of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Out, Self::In, Self::Both].into_iter().find(|traffic| traffic.as_str() == name)
    }
}

/// What a plan costs in one currency.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanPrice {
    pub(crate) price: Money,
    pub(crate) setup_fee: Money,
    /// Per GB beyond what is included; finer than the currency's coins, so no `Money`.
    pub(crate) traffic_overage_per_gb: Decimal,
    pub(crate) storage_overage_per_gb: Decimal,
}

/// One version of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) id: PlanId,
    pub(crate) version: i32,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) storage_type: String,
    pub(crate) locations: Vec<Location>,
    /// In the operator's base currency.
    pub(crate) base_price: Decimal,
    pub(crate) quota_bytes: i64,
    pub(crate) included_storage_bytes: i64,
    /// 0: as much as they like.
    pub(crate) included_traffic_in_bytes: i64,
    pub(crate) included_traffic_out_bytes: i64,
    pub(crate) minimum_term: Term,
    pub(crate) payment_period: Term,
    pub(crate) billing_day: BillingDay,
    pub(crate) overage_traffic: OverageTraffic,
    /// Whether it is reachable over FTPS.
    pub(crate) ftps: bool,
    pub(crate) prices: BTreeMap<Currency, PlanPrice>,
}

/// The plans that a caller sees: an administrator all; a customer the active ones with a price in their currency.
pub(crate) fn visible(
    plans: Vec<Plan>,
    principal: Principal,
    customer: Option<&Customer>,
    wanted: &ListPlans,
    location: Option<&Location>,
) -> Result<Vec<Plan>, Refusal> {
    let mut seen: Vec<Plan> = plans
        .into_iter()
        .filter(|plan| location.is_none_or(|location| plan.locations.contains(location)))
        .filter_map(|plan| if principal.is_admin() { Some(plan) } else { for_customer(plan, customer?) })
        .collect();
    if let Some(id) = wanted.id {
        seen.retain(|plan| plan.id == id);
        if seen.is_empty() {
            return Err(Refusal::new("S3 plan not found"));
        }
    }
    Ok(seen)
}

/// Whether a service may change from one plan to another, and what that costs in its currency.
///
/// Both must have the same periods: a service's days are counted by one schedule for ever.
pub(crate) fn check_change<'a>(
    previous: &Plan,
    plan: &'a Plan,
    currency: Currency,
    location: &Location,
    used_bytes: i64,
) -> Result<&'a PlanPrice, Refusal> {
    let conflict = |message: String| Err(Refusal::conflict(message));
    if (plan.id, plan.version) == (previous.id, previous.version) {
        return conflict(format!("the S3 account has S3 plan {} already, in its newest version", plan.id));
    }
    if !plan.active {
        return conflict(format!("S3 plan {} is not active", plan.id));
    }
    if !plan.locations.contains(location) {
        return conflict(format!("S3 plan {} is not available in {location}, where the S3 account is", plan.id));
    }
    if (plan.payment_period, plan.billing_day) != (previous.payment_period, previous.billing_day) {
        return conflict(format!(
            "S3 plan {} has another payment period or billing day ({}, {}) than the S3 account ({}, {}); it needs a new account",
            plan.id, plan.payment_period, plan.billing_day, previous.payment_period, previous.billing_day
        ));
    }
    if used_bytes > plan.quota_bytes {
        return conflict(format!(
            "S3 plan {} holds {} bytes, but the S3 account stores {used_bytes}; delete files first",
            plan.id, plan.quota_bytes
        ));
    }
    plan.prices
        .get(&currency)
        .ok_or_else(|| Refusal::conflict(format!("S3 plan {} has no price in {currency}", plan.id)))
}

fn for_customer(mut plan: Plan, customer: &Customer) -> Option<Plan> {
    plan.prices.retain(|currency, _| *currency == customer.currency);
    (plan.active && !plan.prices.is_empty()).then_some(plan)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::customer::tests::customer;

    pub(crate) fn plan(id: i64, active: bool, location: &str, currencies: &[&str]) -> Plan {
        let price = |currency: Currency| PlanPrice {
            price: Money::rounded(Decimal::new(980, 2), currency),
            setup_fee: Money::rounded(Decimal::ZERO, currency),
            traffic_overage_per_gb: Decimal::new(1, 2),
            storage_overage_per_gb: Decimal::new(5, 2),
        };
        let currencies = currencies.iter().map(|code| code.parse().unwrap());
        Plan {
            id: PlanId(id),
            version: 1,
            name: format!("Plan {id}"),
            active,
            storage_type: "standard".to_owned(),
            locations: vec![location.parse().unwrap()],
            base_price: Decimal::new(980, 2),
            quota_bytes: 1,
            included_storage_bytes: 1,
            included_traffic_in_bytes: 0,
            included_traffic_out_bytes: 0,
            minimum_term: "1M".parse().unwrap(),
            payment_period: "1M".parse().unwrap(),
            billing_day: BillingDay::Anniversary,
            overage_traffic: OverageTraffic::Out,
            ftps: false,
            prices: currencies.map(|currency| (currency, price(currency))).collect(),
        }
    }

    #[test]
    fn customers_see_active_plans_in_their_currency_and_administrators_all() {
        let plans = || {
            vec![plan(1, true, "NL", &["EUR", "USD"]), plan(2, false, "NL", &["EUR"]), plan(3, true, "US", &["USD"])]
        };
        let customer = customer("NL");
        let ids = |principal, wanted: &ListPlans, location: Option<&str>| {
            let location = location.map(|name| name.parse().unwrap());
            visible(plans(), principal, Some(&customer), wanted, location.as_ref())
                .map(|plans| plans.iter().map(|plan| (plan.id.0, plan.prices.len())).collect::<Vec<_>>())
                .map_err(|refusal| refusal.message)
        };
        let all = ListPlans { id: None, location: None };
        let (own, admin) = (Principal::Customer(customer.id), Principal::Admin(None));
        assert_eq!(ids(own, &all, None).unwrap(), [(1, 1)]);
        assert_eq!(ids(admin, &all, None).unwrap(), [(1, 2), (2, 1), (3, 1)]);
        assert_eq!(ids(admin, &all, Some("US")).unwrap(), [(3, 1)]);
        assert_eq!(ids(admin, &ListPlans { id: Some(PlanId(2)), location: None }, None).unwrap(), [(2, 1)]);
        assert_eq!(
            ids(own, &ListPlans { id: Some(PlanId(2)), location: None }, None).unwrap_err(),
            "S3 plan not found"
        );
    }
}
