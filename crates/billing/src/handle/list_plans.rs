//! `list_plans`: what can be ordered, at what price.

use async_trait::async_trait;
use history::Failure;
use messages::{ListPlans, ListPlansReply, PlanPriceReply, PlanReply, Request};
use model::Location;
use runtime::Query;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::domain::plan::{Plan, PlanPrice, visible};
use crate::{Billing, store};

#[async_trait]
impl Query<ListPlans> for Billing {
    type Reply = ListPlansReply;

    async fn answer(&self, request: &Request, parameters: ListPlans) -> Result<ListPlansReply, Failure> {
        let location = match parameters.location.as_deref() {
            Some(name) => Some(self.settings.locations.resolve(Some(name))?),
            None => None,
        };
        let mut connection = self.pool.acquire().await?;
        let customer = match request.principal.customer_id() {
            Some(id) => store::customers::find(&mut *connection, id).await?,
            None => None,
        };
        let plans = store::plans::newest(&mut connection, None).await?;
        let plans = visible(plans, request.principal, customer.as_ref(), &parameters, location.as_ref())?;
        Ok(ListPlansReply { plans: plans.iter().map(reply).collect() })
    }
}

/// The plan on the wire. Decimals become JSON numbers here, at the wire's edge.
fn reply(plan: &Plan) -> PlanReply {
    let lower_case = |pick: fn(&PlanPrice) -> Decimal| {
        plan.prices
            .iter()
            .map(|(currency, price)| (currency.code().to_ascii_lowercase(), number(pick(price))))
            .collect()
    };
    PlanReply {
        id: plan.id,
        name: plan.name.clone(),
        active: u8::from(plan.active),
        storage_type: plan.storage_type.clone(),
        location: plan.locations.first().map(Location::to_string).unwrap_or_default(),
        locations: plan.locations.clone(),
        price: PlanPriceReply {
            base_price: number(plan.base_price),
            price: plan.prices.iter().map(|(currency, price)| (*currency, number(price.price.amount()))).collect(),
        },
        traffic_overage_price: lower_case(|price| price.traffic_overage_per_gb),
        storage_overage_price: lower_case(|price| price.storage_overage_per_gb),
    }
}

fn number(decimal: Decimal) -> f64 {
    decimal.to_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::tests::plan;

    #[test]
    fn numbers_leave_as_json_numbers_without_extra_digits() {
        let json = serde_json::to_value(reply(&plan(1, true, "NL", &["EUR"]))).unwrap();
        assert_eq!(json["price"], serde_json::json!({"base_price": 9.8, "price": {"EUR": 9.8}}));
        assert_eq!(json["traffic_overage_price"], serde_json::json!({"eur": 0.01}));
        assert_eq!((json["active"].as_i64(), json["location"].as_str()), (Some(1), Some("NL")));
    }
}
