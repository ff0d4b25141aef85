//! Rating: what a service costs, from its life and its usage alone.
//!
//! The same life and usage always give the same charges, and a charge keeps its key while its quantity may change. A
//! document's lines are the difference between what is charged now and what was invoiced before: whatever happened in
//! between, a plan change, an early end or late usage, nothing is invoiced twice or forgotten.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use model::{Currency, Money};
use rust_decimal::Decimal;

use super::plan::{OverageTraffic, Plan, PlanPrice};
use super::schedule::{Period, Schedule, days_between, scaled};

const BYTES_PER_GB: i64 = 1_000_000_000;

/// What is charged for. The order is that of an invoice's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChargeKind {
    /// Once, with the first period.
    SetupFee,
    /// The plan's price, in advance, by day.
    BaseFee,
    /// GB stored beyond what is included, weighted by time, in arrears.
    StorageOverage,
    /// GB transferred beyond what is included, in arrears.
    TrafficOverage,
}

impl ChargeKind {
    /// As stored and on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SetupFee => "setup_fee",
            Self::BaseFee => "base_fee",
            Self::StorageOverage => "storage_overage",
            Self::TrafficOverage => "traffic_overage",
        }
    }

    /// The kind of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::SetupFee, Self::BaseFee, Self::StorageOverage, Self::TrafficOverage]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether it depends on what was used.
    pub(crate) const fn is_usage(self) -> bool {
        matches!(self, Self::StorageOverage | Self::TrafficOverage)
    }

    /// What one of the quantity is.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::SetupFee => "piece",
            Self::BaseFee => "period",
            Self::StorageOverage => "GB-period",
            Self::TrafficOverage => "GB",
        }
    }
}

/// What identifies a charge of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChargeKey {
    pub(crate) period_number: u32,
    /// Which of the service's plans it belongs to.
    pub(crate) segment_number: u32,
    pub(crate) kind: ChargeKind,
}

/// What a service costs under one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Charge {
    pub(crate) from: NaiveDate,
    /// The first day that is not part of it.
    pub(crate) to: NaiveDate,
    pub(crate) plan_name: String,
    /// Of scale 9.
    pub(crate) quantity: Decimal,
    /// May be finer than the currency's coins.
    pub(crate) unit_price: Decimal,
    /// The quantity times the price, rounded once.
    pub(crate) net: Money,
}

/// A time under one version of a plan; it lasts until the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) from: NaiveDate,
    pub(crate) plan: Plan,
    pub(crate) price: PlanPrice,
}

/// All of a service that its price depends on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Life {
    pub(crate) schedule: Schedule,
    pub(crate) currency: Currency,
    /// At least one; the first begins with the schedule.
    pub(crate) segments: Vec<Segment>,
    /// From this day on no base fee is owed.
    pub(crate) charged_until: Option<NaiveDate>,
    /// From this day on nothing is used.
    pub(crate) used_until: Option<NaiveDate>,
}

/// What an account used on one day of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct DayUsage {
    /// Bytes × hours.
    pub(crate) byte_hours: Decimal,
    pub(crate) bytes_in: Decimal,
    pub(crate) bytes_out: Decimal,
}

/// Usage by day.
pub(crate) type Usage = BTreeMap<NaiveDate, DayUsage>;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Base fees of this many periods, from the first on.
    pub(crate) periods: u32,
    /// Usage of the periods that are over by this day.
    pub(crate) usage_until: NaiveDate,
}

/// All charges of a service, as things stand.
pub(crate) fn charges(life: &Life, usage: &Usage, extent: Extent) -> BTreeMap<ChargeKey, Charge> {
    let mut charges = BTreeMap::new();
    let billed = (1..=extent.periods).map(|number| life.schedule.period(number));
    for period in billed.take_while(|period| life.charged_until.is_none_or(|end| period.start < end)) {
        // Owed for what was ordered, whatever plan follows.
        if let (1, Some(ordered)) = (period.number, life.segments.first()) {
            let key = ChargeKey { period_number: 1, segment_number: ordered.number, kind: ChargeKind::SetupFee };
            let fee = ordered.price.setup_fee.amount();
            charges.insert(key, life.charge(ordered, (period.start, period.end), scaled(Decimal::ONE), fee));
        }
        for (segment, from, to) in life.parts(&period, life.charged_until) {
            let key =
                ChargeKey { period_number: period.number, segment_number: segment.number, kind: ChargeKind::BaseFee };
            let (part, price) = (period.fraction_of(from, to), segment.price.price.amount());
            charges.insert(key, life.charge(segment, (from, to), part, price));
        }
    }
    let end = life.used_until.unwrap_or(NaiveDate::MAX);
    for period in life.schedule.periods_before(end.min(extent.usage_until)) {
        if period.end.min(end) > extent.usage_until {
            break;
        }
        for (segment, from, to) in life.parts(&period, life.used_until) {
            for (kind, quantity, unit_price) in overage(segment, usage, &period, from, to) {
                let key = ChargeKey { period_number: period.number, segment_number: segment.number, kind };
                charges.insert(key, life.charge(segment, (from, to), quantity, unit_price));
            }
        }
    }
    charges
}

impl Life {
    /// The parts of a period that lie under one plan each, until `end`.
    fn parts(&self, period: &Period, end: Option<NaiveDate>) -> Vec<(&Segment, NaiveDate, NaiveDate)> {
        let (start, end) = (period.start, end.map_or(period.end, |end| end.min(period.end)));
        let next_from = |index: usize| self.segments.get(index + 1).map_or(NaiveDate::MAX, |next| next.from);
        let parts = self.segments.iter().enumerate();
        let parts = parts.map(|(index, segment)| (segment, segment.from.max(start), next_from(index).min(end)));
        parts.filter(|(_, from, to)| from < to).collect()
    }

    fn charge(
        &self,
        segment: &Segment,
        (from, to): (NaiveDate, NaiveDate),
        quantity: Decimal,
        unit_price: Decimal,
    ) -> Charge {
        let net = Money::rounded(quantity * unit_price, self.currency);
        Charge { from, to, plan_name: segment.plan.name.clone(), quantity, unit_price, net }
    }
}

/// What was used beyond what is included, from `from` to `to`; what is included counts by the day.
fn overage(
    segment: &Segment,
    usage: &Usage,
    period: &Period,
    from: NaiveDate,
    to: NaiveDate,
) -> [(ChargeKind, Decimal, Decimal); 2] {
    let Segment { plan, price, .. } = segment;
    let used = usage.range(from..to).fold(DayUsage::default(), |sum, (_, day)| DayUsage {
        byte_hours: sum.byte_hours + day.byte_hours,
        bytes_in: sum.bytes_in + day.bytes_in,
        bytes_out: sum.bytes_out + day.bytes_out,
    });
    let (days, full_days) = (Decimal::from(days_between(from, to)), Decimal::from(period.full_days.max(1)));
    let hours = Decimal::from(24);
    let stored = used.byte_hours - Decimal::from(plan.included_storage_bytes) * hours * days;
    let stored = stored.max(Decimal::ZERO) / (hours * full_days * Decimal::from(BYTES_PER_GB));
    // Included 0: as much as they like.
    let beyond = |bytes: Decimal, included: i64| match included {
        0 => Decimal::ZERO,
        included => (bytes - Decimal::from(included) * days / full_days).max(Decimal::ZERO),
    };
    let out = || beyond(used.bytes_out, plan.included_traffic_out_bytes);
    let r#in = || beyond(used.bytes_in, plan.included_traffic_in_bytes);
    let transferred = match plan.overage_traffic {
        OverageTraffic::Out => out(),
        OverageTraffic::In => r#in(),
        OverageTraffic::Both => out() + r#in(),
    };
    let transferred = transferred / Decimal::from(BYTES_PER_GB);
    [
        (ChargeKind::StorageOverage, scaled(stored), price.storage_overage_per_gb),
        (ChargeKind::TrafficOverage, scaled(transferred), price.traffic_overage_per_gb),
    ]
}

/// What an account would have used by `until` if it went on storing `bytes` from `now` on and transferred nothing more.
pub(crate) fn projected(usage: &Usage, bytes: i64, now: model::Timestamp, until: NaiveDate) -> Usage {
    let mut projected = usage.clone();
    let today = now.date_naive();
    let passed = Decimal::from((now - super::schedule::midnight(today)).num_seconds()) / Decimal::from(3_600);
    let mut day = today;
    while day < until {
        let hours = if day == today { Decimal::from(24) - passed } else { Decimal::from(24) };
        projected.entry(day).or_default().byte_hours += Decimal::from(bytes) * hours;
        day = day.checked_add_days(Days::new(1)).unwrap_or(until);
    }
    projected
}

#[cfg(test)]
#[path = "charge_tests.rs"]
mod tests;
