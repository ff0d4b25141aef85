//! Exact money. Floats appear at the wire's edge only, never here.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can't be done with money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is no currency code.
    #[error("a currency is three letters of ISO 4217, for example EUR, not {0:?}")]
    InvalidCurrency(String),
    /// Amounts of two currencies don't add up to anything.
    #[error("{0} and {1} can't be added")]
    CurrencyMismatch(Currency, Currency),
    /// The sum exceeds what a decimal holds (about 7.9 × 10²⁸).
    #[error("the amount is too large")]
    Overflow,
}

/// An ISO 4217 currency, which owns its precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Z]{3}$"))]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code, upper-case.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimal places the currency's smallest coin has (ISO 4217 minor units).
    pub fn decimal_places(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_uppercase().as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(MoneyError::InvalidCurrency(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in a currency, always rounded to the currency's precision: half away from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// `amount` rounded once, here, to the currency's precision.
    pub fn rounded(amount: Decimal, currency: Currency) -> Self {
        let places = currency.decimal_places();
        let mut amount = amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
        amount.rescale(places);
        if amount.is_zero() {
            amount.set_sign_positive(true);
        }
        Self { amount, currency }
    }

    /// The exact amount, with as many decimal places as the currency has.
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// The currency.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Nothing, in a currency.
    pub fn zero(currency: Currency) -> Self {
        Self::rounded(Decimal::ZERO, currency)
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.amount.is_sign_negative() && !self.amount.is_zero()
    }

    /// The same amount the other way.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::rounded(-self.amount, self.currency)
    }

    /// The sum of amounts of one currency.
    pub fn sum(amounts: impl IntoIterator<Item = Self>, currency: Currency) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    #[must_use]
    /// The tax on this net amount at `percent` percent, rounded on its own.
    pub fn tax(&self, percent: Decimal) -> Self {
        Self::rounded(self.amount * percent / Decimal::ONE_HUNDRED, self.currency)
    }

    /// The sum of two amounts of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self::rounded(amount, self.currency))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur(text: &str) -> Money {
        Money::rounded(text.parse().unwrap(), Currency::EUR)
    }

    #[test]
    fn gross_is_net_plus_tax_rounded_once() {
        for (net, percent, gross) in
            [("4.99", "19", "5.94"), ("5.94", "19", "7.07"), ("1.00", "19", "1.19"), ("0", "19", "0.00")]
        {
            let net = eur(net);
            let tax = net.tax(percent.parse().unwrap());
            assert_eq!(net.checked_add(tax).unwrap(), eur(gross), "{net} at {percent} %");
        }
    }

    #[test]
    fn rounding_goes_half_away_from_zero_at_the_currency_s_precision() {
        for (amount, code, rounded) in [
            ("0.005", "EUR", "0.01"),
            ("-0.005", "EUR", "-0.01"),
            ("0.5", "JPY", "1"),
            ("1.0005", "KWD", "1.001"),
            ("9", "USD", "9.00"),
        ] {
            let money = Money::rounded(amount.parse().unwrap(), code.parse().unwrap());
            assert_eq!(money.amount().to_string(), rounded, "{amount} {code}");
        }
    }

    #[test]
    fn currencies_are_three_letters() {
        assert_eq!("usd".parse::<Currency>().unwrap().code(), "USD");
        for bad in ["", "US", "USDT", "U5D", "€€€"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?}");
        }
        assert!(eur("1").checked_add(Money::rounded(Decimal::ONE, "USD".parse().unwrap())).is_err());
    }

    proptest! {
        #[test]
        fn adding_is_exact_in_cents(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000) {
            let sum = eur(&Decimal::new(a, 2).to_string()).checked_add(eur(&Decimal::new(b, 2).to_string())).unwrap();
            prop_assert_eq!(sum.amount(), Decimal::new(a + b, 2));
        }
    }
}
