//! Taxes: percent by country, each from a day on.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::customer::Customer;

/// Percent of tax by country (ISO 3166-1, upper-case) and by the day from which they apply; none where a country isn't
/// listed, and none before its first day.
#[derive(Debug, Clone, Default)]
pub struct TaxRates(BTreeMap<String, BTreeMap<NaiveDate, Decimal>>);

impl TaxRates {
    /// The percent that a customer pays for what is delivered from `day` on; none where they are exempt.
    pub(crate) fn percent(&self, customer: &Customer, day: NaiveDate) -> Decimal {
        if customer.is_tax_exempt {
            return Decimal::ZERO;
        }
        let rates = self.0.get(&customer.country);
        let rate = rates.and_then(|rates| rates.range(..=day).next_back());
        rate.map(|(_, percent)| *percent).unwrap_or_default()
    }
}

impl FromIterator<(String, BTreeMap<NaiveDate, Decimal>)> for TaxRates {
    fn from_iter<I: IntoIterator<Item = (String, BTreeMap<NaiveDate, Decimal>)>>(rates: I) -> Self {
        Self(rates.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::customer::tests::customer;

    #[test]
    fn the_rate_of_the_day_counts() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let german = [("2007-01-01", 19), ("2020-07-01", 16), ("2021-01-01", 19)];
        let german = german.into_iter().map(|(from, percent)| (day(from), Decimal::from(percent))).collect();
        let rates: TaxRates = [("DE".to_owned(), german)].into_iter().collect();
        let mut customer = customer("DE");
        for (on, percent) in
            [("2006-12-31", 0), ("2007-01-01", 19), ("2020-07-01", 16), ("2020-12-31", 16), ("2026-11-22", 19)]
        {
            assert_eq!(rates.percent(&customer, day(on)), Decimal::from(percent), "{on}");
        }
        customer.is_tax_exempt = true;
        assert_eq!(rates.percent(&customer, day("2026-11-22")), Decimal::ZERO);
        customer.is_tax_exempt = false;
        customer.country = "US".to_owned();
        assert_eq!(rates.percent(&customer, day("2026-11-22")), Decimal::ZERO);
    }
}
