//! What must hold for any text that is imported as a plan file. `fuzz/` has this file and the parser as modules of its own:
//! this crate would bring it a database.

use rust_decimal::Decimal;
use toml::{Table, Value};

use crate::domain::plan::{Plan, PlanPrice};
use crate::plan_file::read;

const BYTES_PER_GB: i64 = 1_000_000_000;

/// A plan file.
///
/// # Panics
/// Where a plan isn't what its file says, can't be charged for, or a refusal doesn't say which plan or line it is about.
pub(crate) fn plan_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let plans = match read(text) {
        Ok(plans) => plans,
        Err(invalid) => {
            let message = invalid.to_string();
            let names_its_place = message.contains("plan") || message.contains("line");
            assert!(names_its_place, "a refusal without a place: {message}");
            return;
        }
    };
    let tables: Vec<Value> = plans.values().map(|plan| Value::Table(written(plan))).collect();
    let file = Table::from_iter([("plan".to_owned(), Value::Array(tables))]);
    let text = toml::to_string(&file).expect("what was read can be written");
    assert_eq!(read(&text).expect("what was written can be read"), plans, "{text}");
    for (id, plan) in &plans {
        assert!(*id == plan.id && id.0 > 0 && !plan.payment_period.is_zero() && plan.quota_bytes >= 0);
        for (currency, price) in &plan.prices {
            assert!(
                [price.price, price.setup_fee].iter().all(|money| money.amount().scale() == currency.decimal_places())
            );
            // A hundred years of the dearest account.
            for amount in [price.price.amount(), price.traffic_overage_per_gb, price.storage_overage_per_gb] {
                assert!(amount.checked_mul(Decimal::from(u32::MAX)).is_some(), "{amount} can't be charged for");
            }
        }
    }
}

fn written(plan: &Plan) -> Table {
    let text = |text: &dyn std::fmt::Display| Value::String(text.to_string());
    let gb = |bytes: i64| Value::Integer(bytes / BYTES_PER_GB);
    Table::from_iter(
        [
            ("id", Value::Integer(plan.id.0)),
            ("name", text(&plan.name)),
            ("active", Value::Boolean(plan.active)),
            ("storage_type", text(&plan.storage_type)),
            ("locations", Value::Array(plan.locations.iter().map(|location| text(location)).collect())),
            ("base_price", text(&plan.base_price)),
            ("quota_gb", gb(plan.quota_bytes)),
            ("included_storage_gb", gb(plan.included_storage_bytes)),
            ("included_traffic_in_gb", gb(plan.included_traffic_in_bytes)),
            ("included_traffic_out_gb", gb(plan.included_traffic_out_bytes)),
            ("minimum_term", text(&plan.minimum_term)),
            ("payment_period", text(&plan.payment_period)),
            ("billing_day", text(&plan.billing_day)),
            ("overage_traffic", text(&plan.overage_traffic.as_str())),
            (
                "prices",
                Value::Table(plan.prices.iter().map(|(code, price)| (code.to_string(), price_of(price))).collect()),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn price_of(price: &PlanPrice) -> Value {
    let amounts = [
        ("price", price.price.amount()),
        ("setup_fee", price.setup_fee.amount()),
        ("traffic_overage_per_gb", price.traffic_overage_per_gb),
        ("storage_overage_per_gb", price.storage_overage_per_gb),
    ];
    Value::Table(
        amounts.map(|(name, amount)| (name.to_owned(), Value::String(amount.to_string()))).into_iter().collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_of_plan_files_holds() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/plan_file");
        let files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty());
        for file in files {
            super::plan_file(&std::fs::read(file).unwrap());
        }
    }
}
