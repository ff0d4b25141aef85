//! What `/storage` shows: prices with tax and a decimal comma, sizes in GB.

use messages::{StoragePlan, StoragePrice, StoragePricing};
use model::{ByteCount, Currency, Money};
use rust_decimal::{Decimal, RoundingStrategy};

use super::plan::{Plan, PlanPrice};

/// All plans are for private customers.
pub(crate) const KIND: &str = "P";

/// A plan as `/storage/prices` shows it to a customer who pays in `currency`; `None` where it has no price in that.
pub(crate) fn plan(plan: &Plan, currency: Currency, tax_percent: Decimal) -> Option<StoragePlan> {
    Some(StoragePlan {
        kind: KIND.to_owned(),
        name: plan.name.clone(),
        size: gb(plan.quota_bytes),
        traffic_in: gb(plan.included_traffic_in_bytes),
        traffic_out: gb(plan.included_traffic_out_bytes),
        ftps: ftps(plan.ftps),
        minterm: plan.minimum_term.to_string(),
        price: pricing(plan.prices.get(&currency)?, currency, tax_percent),
    })
}

/// The three prices of a plan in one currency.
pub(crate) fn pricing(price: &PlanPrice, currency: Currency, tax_percent: Decimal) -> StoragePricing {
    StoragePricing {
        ground: money(price.price, tax_percent),
        traffic: unit_price(price.traffic_overage_per_gb, currency, tax_percent),
        setup: money(price.setup_fee, tax_percent),
    }
}

/// Whole GB of a plan's size, which is one.
pub(crate) fn gb(bytes: i64) -> u64 {
    ByteCount::from_i64(bytes).bytes() / ByteCount::from_gb(1).bytes()
}

/// Whole GB that are stored, rounded up.
pub(crate) fn gb_rounded_up(bytes: i64) -> u64 {
    ByteCount::from_i64(bytes).bytes().div_ceil(ByteCount::from_gb(1).bytes())
}

/// 1 for yes, -1 for no.
pub(crate) const fn ftps(allowed: bool) -> i8 {
    if allowed { 1 } else { -1 }
}

fn money(net: Money, tax_percent: Decimal) -> StoragePrice {
    let gross = net.amount() + net.tax(tax_percent).amount();
    shown(net.amount(), gross, tax_percent, net.currency().decimal_places())
}

/// A price per unit may be finer than the currency's coins; its gross price is as fine.
fn unit_price(net: Decimal, currency: Currency, tax_percent: Decimal) -> StoragePrice {
    let places = net.normalize().scale().max(currency.decimal_places());
    let gross = net + net * tax_percent / Decimal::ONE_HUNDRED;
    shown(net, gross.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero), tax_percent, places)
}

fn shown(net: Decimal, gross: Decimal, tax_percent: Decimal, places: u32) -> StoragePrice {
    let comma = |mut amount: Decimal| {
        amount.rescale(places);
        amount.to_string().replace('.', ",")
    };
    let mut tax = tax_percent.normalize();
    tax.rescale(tax.scale().max(1));
    StoragePrice { net: comma(net), tax: tax.to_string(), gross: comma(gross) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(net: &str, tax: &str, gross: &str) -> StoragePrice {
        StoragePrice { net: net.to_owned(), tax: tax.to_owned(), gross: gross.to_owned() }
    }

    #[test]
    fn prices_read_as_the_german_document_writes_them() {
        for (net, percent, expected) in [
            ("4.99", "19", price("4,99", "19.0", "5,94")),
            ("5.94", "19.00", price("5,94", "19.0", "7,07")),
            ("0", "19", price("0,00", "19.0", "0,00")),
            ("10", "8.1", price("10,00", "8.1", "10,81")),
            ("10", "0", price("10,00", "0.0", "10,00")),
        ] {
            let net = Money::rounded(net.parse().unwrap(), Currency::EUR);
            assert_eq!(money(net, percent.parse().unwrap()), expected);
        }
        for (net, expected) in [
            ("1", price("1,00", "19.0", "1,19")),
            ("0.01", price("0,01", "19.0", "0,01")),
            ("0.005", price("0,005", "19.0", "0,006")),
        ] {
            assert_eq!(unit_price(net.parse().unwrap(), Currency::EUR, Decimal::new(19, 0)), expected, "{net}");
        }
    }

    #[test]
    fn sizes_are_whole_gigabytes() {
        assert_eq!((gb(100_000_000_000), gb_rounded_up(0), gb_rounded_up(1)), (100, 0, 1));
    }
}
