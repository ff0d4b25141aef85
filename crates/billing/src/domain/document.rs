//! Invoices and credit notes: the difference between what is charged and what was invoiced, with its tax.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use model::{Currency, Money, MoneyError};
use rust_decimal::Decimal;

use super::charge::{Charge, ChargeKey, ChargeKind};
use super::schedule::scaled;

/// What was invoiced under one key so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invoiced {
    pub(crate) from: NaiveDate,
    pub(crate) to: NaiveDate,
    pub(crate) plan_name: String,
    pub(crate) quantity: Decimal,
    pub(crate) unit_price: Decimal,
    pub(crate) net: Money,
    /// What is taken back is taken back with the tax that it was invoiced with.
    pub(crate) tax_percent: Decimal,
}

/// Whether a document asks for money or gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentKind {
    Invoice,
    /// Its amounts are negative.
    CreditNote,
}

impl DocumentKind {
    /// As stored and on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
        }
    }

    /// The kind of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Invoice, Self::CreditNote].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One line of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) key: ChargeKey,
    pub(crate) description: String,
    pub(crate) plan_name: String,
    pub(crate) from: NaiveDate,
    /// The first day that is not part of it.
    pub(crate) to: NaiveDate,
    pub(crate) quantity: Decimal,
    pub(crate) unit_price: Decimal,
    pub(crate) net: Money,
    pub(crate) tax_percent: Decimal,
    pub(crate) tax: Money,
}

/// What a document comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) net: Money,
    pub(crate) tax: Money,
    pub(crate) gross: Money,
}

impl Totals {
    /// The sums of the lines: a document's tax is the sum of its lines'.
    pub(crate) fn of(lines: &[Line], currency: Currency) -> Result<Self, MoneyError> {
        let net = Money::sum(lines.iter().map(|line| line.net), currency)?;
        let tax = Money::sum(lines.iter().map(|line| line.tax), currency)?;
        Ok(Self { net, tax, gross: net.checked_add(tax)? })
    }

    /// What a document of this total is.
    pub(crate) fn kind(&self) -> DocumentKind {
        if self.gross.is_negative() { DocumentKind::CreditNote } else { DocumentKind::Invoice }
    }
}

/// The lines that bring what was invoiced to what is charged; none where that is the same. Usage that isn't charged
/// stays as it was invoiced: it is rated again when its period is.
pub(crate) fn lines(
    charges: &BTreeMap<ChargeKey, Charge>,
    invoiced: &BTreeMap<ChargeKey, Invoiced>,
    tax_percent: impl Fn(NaiveDate) -> Decimal,
) -> Result<Vec<Line>, MoneyError> {
    let mut lines = Vec::new();
    for (key, charge) in charges {
        lines.extend(match invoiced.get(key) {
            Some(before) => difference(*key, Some(charge), before)?,
            None => new_line(*key, charge, tax_percent(charge.from)),
        });
    }
    for (key, before) in invoiced {
        if !charges.contains_key(key) && !key.kind.is_usage() {
            lines.extend(difference(*key, None, before)?);
        }
    }
    lines.sort_by_key(|line| line.key);
    Ok(lines)
}

fn new_line(key: ChargeKey, charge: &Charge, tax_percent: Decimal) -> Option<Line> {
    // A line of nothing says nothing.
    if charge.net.amount().is_zero() {
        return None;
    }
    Some(Line {
        key,
        description: description(key.kind, &charge.plan_name),
        plan_name: charge.plan_name.clone(),
        from: charge.from,
        to: charge.to,
        quantity: charge.quantity,
        unit_price: charge.unit_price,
        net: charge.net,
        tax_percent,
        tax: charge.net.tax(tax_percent),
    })
}

fn difference(key: ChargeKey, charge: Option<&Charge>, before: &Invoiced) -> Result<Option<Line>, MoneyError> {
    let (quantity, net) = match charge {
        Some(charge) => (charge.quantity - before.quantity, charge.net.checked_add(before.net.negated())?),
        None => (-before.quantity, before.net.negated()),
    };
    if net.amount().is_zero() {
        return Ok(None);
    }
    let (from, to) = match charge {
        // What is credited begins where what is still charged ends.
        Some(charge) if !key.kind.is_usage() => (charge.to.min(before.to), charge.to.max(before.to)),
        Some(charge) => (charge.from, charge.to),
        None => (before.from, before.to),
    };
    let what = description(key.kind, &before.plan_name);
    let description = match (key.kind.is_usage(), net.is_negative()) {
        (true, _) => format!("Correction: {what}"),
        (false, true) => format!("Credit for the unused part: {what}"),
        (false, false) => format!("Further part: {what}"),
    };
    Ok(Some(Line {
        key,
        description,
        plan_name: before.plan_name.clone(),
        from,
        to,
        quantity: scaled(quantity),
        unit_price: before.unit_price,
        net,
        tax_percent: before.tax_percent,
        tax: net.tax(before.tax_percent),
    }))
}

fn description(kind: ChargeKind, plan_name: &str) -> String {
    match kind {
        ChargeKind::SetupFee => format!("{plan_name}: setup fee"),
        ChargeKind::BaseFee => format!("{plan_name}: base fee"),
        ChargeKind::StorageOverage => format!("{plan_name}: storage beyond what is included"),
        ChargeKind::TrafficOverage => format!("{plan_name}: traffic beyond what is included"),
    }
}
