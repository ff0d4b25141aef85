use proptest::prelude::*;

use super::*;
use crate::domain::document::{DocumentKind, Invoiced, Line, Totals, lines};
use crate::domain::ledger::{LedgerAccount, Transaction};
use crate::domain::plan::tests::plan;
use crate::domain::schedule::BillingDay;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn segment(number: u32, from: NaiveDate, price: &str) -> Segment {
    let mut plan = plan(1, true, "NL", &["EUR"]);
    plan.included_storage_bytes = 0;
    let mut price_of = plan.prices[&Currency::EUR].clone();
    price_of.price = Money::rounded(decimal(price), Currency::EUR);
    price_of.setup_fee = Money::rounded(Decimal::ZERO, Currency::EUR);
    Segment { number, from, plan, price: price_of }
}

fn life(start: &str, price: &str) -> Life {
    let start = day(start);
    Life {
        schedule: Schedule { start, period: "1M".parse().unwrap(), billing_day: BillingDay::Anniversary },
        currency: Currency::EUR,
        segments: vec![segment(1, start, price)],
        charged_until: None,
        used_until: None,
    }
}

/// Documents as they are issued one after the other.
#[derive(Default)]
struct Books {
    invoiced: BTreeMap<ChargeKey, Invoiced>,
    documents: Vec<Vec<Line>>,
}

impl Books {
    fn issue(&mut self, life: &Life, usage: &Usage, extent: Extent, tax: Decimal) -> Option<Totals> {
        let issued = lines(&charges(life, usage, extent), &self.invoiced, |_| tax).unwrap();
        if issued.is_empty() {
            return None;
        }
        for line in &issued {
            let before = self.invoiced.get(&line.key);
            let sum = |net: Money| before.map_or(net, |before| before.net.checked_add(net).unwrap());
            let invoiced = Invoiced {
                from: line.from,
                to: line.to,
                plan_name: line.plan_name.clone(),
                quantity: before.map_or(Decimal::ZERO, |before| before.quantity) + line.quantity,
                unit_price: line.unit_price,
                net: sum(line.net),
                tax_percent: line.tax_percent,
            };
            self.invoiced.insert(line.key, invoiced);
        }
        let totals = Totals::of(&issued, life.currency).unwrap();
        self.documents.push(issued);
        Some(totals)
    }

    fn net(&self) -> Decimal {
        self.documents.iter().flatten().map(|line| line.net.amount()).sum()
    }
}

fn shown(totals: &Totals) -> String {
    format!("{} + {} = {}", totals.net.amount(), totals.tax.amount(), totals.gross.amount())
}

#[test]
fn a_year_of_a_german_plan() {
    let (life, mut books, usage) = (life("2026-01-31", "4.99"), Books::default(), Usage::new());
    let mut gross = Decimal::ZERO;
    for periods in 1..=12 {
        let extent = Extent { periods, usage_until: life.schedule.period(periods).start };
        let totals = books.issue(&life, &usage, extent, decimal("19")).unwrap();
        assert_eq!(shown(&totals), "4.99 + 0.95 = 5.94");
        assert!(books.issue(&life, &usage, extent, decimal("19")).is_none(), "a replay changes nothing");
        gross += totals.gross.amount();
    }
    assert_eq!(gross, decimal("71.28"));
}

#[test]
fn an_early_end_gives_back_the_days_that_are_left() {
    let (mut life, mut books, usage) = (life("2026-04-01", "200.00"), Books::default(), Usage::new());
    let extent = Extent { periods: 1, usage_until: life.schedule.start };
    assert_eq!(shown(&books.issue(&life, &usage, extent, decimal("25")).unwrap()), "200.00 + 50.00 = 250.00");
    life.charged_until = Some(day("2026-04-02"));
    let totals = books.issue(&life, &usage, extent, decimal("25")).unwrap();
    assert_eq!((shown(&totals).as_str(), totals.kind()), ("-193.33 + -48.33 = -241.66", DocumentKind::CreditNote));
    let credited = &books.documents[1][0];
    assert_eq!((credited.from, credited.to), (day("2026-04-02"), day("2026-05-01")));
}

#[test]
fn storage_is_weighted_by_time() {
    let life = life("2026-03-01", "0");
    let stored = |from: &str, gb: i64| -> Usage {
        let byte_hours = Decimal::from(gb) * Decimal::from(24) * Decimal::from(BYTES_PER_GB);
        let days = day(from).iter_days().take_while(|day| *day < self::day("2026-04-01"));
        days.map(|day| (day, DayUsage { byte_hours, ..DayUsage::default() })).collect()
    };
    let extent = Extent { periods: 1, usage_until: day("2026-04-01") };
    let storage = |life: &Life, usage: &Usage| {
        let key = ChargeKey { period_number: 1, segment_number: 1, kind: ChargeKind::StorageOverage };
        charges(life, usage, extent)[&key].clone()
    };
    let charge = storage(&life, &stored("2026-03-05", 2500));
    assert_eq!(charge.quantity.to_string(), "2177.419354839");
    assert_eq!(charge.net.to_string(), "108.87 EUR", "at 0.05 per GB");
    let mut included = life.clone();
    included.segments[0].plan.included_storage_bytes = 1000 * BYTES_PER_GB;
    assert_eq!(storage(&included, &stored("2026-03-05", 2500)).quantity.to_string(), "1177.419354839");
    assert_eq!(storage(&included, &stored("2026-03-05", 900)).quantity.to_string(), "0.000000000");
    let mut ended = included;
    ended.used_until = Some(day("2026-03-11"));
    // 6 days of 2500 GB less 10 days of 1000 GB, over 31 days.
    assert_eq!(storage(&ended, &stored("2026-03-05", 2500)).quantity.to_string(), "161.290322581");
}

#[test]
fn traffic_beyond_what_is_included_costs_by_the_plan_s_word() {
    let mut life = life("2026-03-01", "0");
    let gb = |count: i64| Decimal::from(count) * Decimal::from(BYTES_PER_GB);
    let used = DayUsage { bytes_in: gb(30), bytes_out: gb(70), ..DayUsage::default() };
    let usage = Usage::from([(day("2026-03-07"), used)]);
    let extent = Extent { periods: 1, usage_until: day("2026-04-01") };
    for (traffic, included_in, included_out, gb) in [
        (OverageTraffic::Out, 10, 50, "20.000000000"),
        (OverageTraffic::Out, 10, 0, "0.000000000"),
        (OverageTraffic::In, 10, 50, "20.000000000"),
        (OverageTraffic::Both, 10, 50, "40.000000000"),
        (OverageTraffic::Both, 0, 100, "0.000000000"),
    ] {
        let plan = &mut life.segments[0].plan;
        plan.overage_traffic = traffic;
        plan.included_traffic_in_bytes = included_in * BYTES_PER_GB;
        plan.included_traffic_out_bytes = included_out * BYTES_PER_GB;
        let key = ChargeKey { period_number: 1, segment_number: 1, kind: ChargeKind::TrafficOverage };
        assert_eq!(charges(&life, &usage, extent)[&key].quantity.to_string(), gb, "{traffic:?}");
    }
}

#[test]
fn a_plan_change_credits_the_old_days_and_charges_the_new() {
    let (mut life, mut books, usage) = (life("2026-04-01", "30.00"), Books::default(), Usage::new());
    let extent = Extent { periods: 1, usage_until: life.schedule.start };
    books.issue(&life, &usage, extent, decimal("20")).unwrap();
    life.segments.push(segment(2, day("2026-04-11"), "60.00"));
    let totals = books.issue(&life, &usage, extent, decimal("20")).unwrap();
    assert_eq!(shown(&totals), "20.00 + 4.00 = 24.00");
    let nets: Vec<String> = books.documents[1].iter().map(|line| line.net.amount().to_string()).collect();
    assert_eq!(nets, ["-20.00", "40.00"]);
    // A second change on the same day takes the first one back whole.
    life.segments.push(segment(3, day("2026-04-11"), "30.00"));
    let totals = books.issue(&life, &usage, extent, decimal("20")).unwrap();
    assert_eq!(shown(&totals), "-20.00 + -4.00 = -24.00");
}

#[test]
fn late_usage_is_corrected_on_its_own_period() {
    let (life, mut books) = (life("2026-03-01", "1.00"), Books::default());
    let usage = |gb: i64| {
        let byte_hours = Decimal::from(gb) * Decimal::from(24) * Decimal::from(BYTES_PER_GB);
        Usage::from([(day("2026-03-05"), DayUsage { byte_hours, ..DayUsage::default() })])
    };
    let extent = |periods| Extent { periods, usage_until: life.schedule.period(periods).start };
    books.issue(&life, &usage(3100), extent(1), Decimal::ZERO).unwrap();
    assert_eq!(shown(&books.issue(&life, &usage(3100), extent(2), Decimal::ZERO).unwrap()), "6.00 + 0.00 = 6.00");
    assert_eq!(shown(&books.issue(&life, &usage(6200), extent(3), Decimal::ZERO).unwrap()), "6.00 + 0.00 = 6.00");
    let correction = &books.documents[2][0];
    assert!(correction.description.starts_with("Correction: "), "{}", correction.description);
    assert_eq!(
        (correction.key.period_number, correction.from, correction.to),
        (1, day("2026-03-01"), day("2026-04-01"))
    );
    assert_eq!(correction.quantity.to_string(), "100.000000000");
}

/// What can happen to a service on a day.
#[derive(Debug, Clone)]
enum Happening {
    PlanChange(i64),
    LateUsage(u64, i64),
    EndAtOnce,
    CancelForPeriodEnd,
    Undelete,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1i64..30_000).prop_map(Happening::PlanChange),
        (0u64..200, 0i64..5_000).prop_map(|(back, gb)| Happening::LateUsage(back, gb)),
        Just(Happening::CancelForPeriodEnd),
        Just(Happening::Undelete),
        Just(Happening::EndAtOnce),
    ]
}

/// What a service should have cost, counted day by day without the engine's intervals.
fn recomputed(life: &Life, usage: &Usage, end: NaiveDate) -> Decimal {
    let (mut base, mut stored) = (BTreeMap::<(u32, u32), i64>::new(), BTreeMap::<(u32, u32), (Decimal, i64)>::new());
    let (mut number, mut period) = (1, life.schedule.period(1));
    let charged = life.charged_until.unwrap_or(end);
    let mut today = life.schedule.start;
    while today < end {
        if today == period.end {
            number += 1;
            period = life.schedule.period(number);
        }
        let segment = life.segments.iter().rev().find(|segment| segment.from <= today).unwrap().number;
        if today < charged {
            *base.entry((number, segment)).or_default() += 1;
        }
        if life.used_until.is_none_or(|used_until| today < used_until) {
            let (sum, days) = stored.entry((number, segment)).or_default();
            *sum += usage.get(&today).map(|day| day.byte_hours).unwrap_or_default();
            *days += 1;
        }
        today = today.succ_opt().unwrap();
    }
    let segment = |number: u32| life.segments.iter().find(|segment| segment.number == number).unwrap();
    let full_days = |number: u32| Decimal::from(life.schedule.period(number).full_days);
    let cents = |amount: Decimal| Money::rounded(amount, life.currency).amount();
    let base = base.into_iter().map(|((period, plan), days)| {
        cents(scaled(Decimal::from(days) / full_days(period)) * segment(plan).price.price.amount())
    });
    let stored = stored.into_iter().map(|((period, plan), (byte_hours, days))| {
        let included = Decimal::from(segment(plan).plan.included_storage_bytes) * Decimal::from(24 * days);
        let gb = (byte_hours - included).max(Decimal::ZERO) / (Decimal::from(24 * BYTES_PER_GB) * full_days(period));
        cents(scaled(gb) * segment(plan).price.storage_overage_per_gb)
    });
    base.chain(stored).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn random_lives_are_billed_exactly_once(
        offset in 0u64..1500,
        period in "[1-3]M|1Y|[1-4]W|30D",
        billing_day in 0u32..32,
        tax in 0i64..30,
        happenings in proptest::collection::vec((0u64..400, happening()), 0..12),
    ) {
        let start = day("2023-01-01") + Days::new(offset);
        let billing_day = if billing_day == 0 { BillingDay::Anniversary } else { BillingDay::OfMonth(billing_day) };
        let mut life = life("2023-01-01", "9.99");
        life.schedule = Schedule { start, period: period.parse().unwrap(), billing_day };
        life.segments = vec![segment(1, start, "9.99")];
        let (mut books, mut usage) = (Books::default(), Usage::new());
        let tax = Decimal::from(tax);
        let last_day = start + Days::new(420);
        let (mut today, mut begun) = (start, 0);
        while today <= last_day {
            let over = life.charged_until.is_some_and(|end| end <= today);
            if !over && life.schedule.period(begun + 1).start == today {
                begun += 1;
                let extent = Extent { periods: begun, usage_until: today };
                books.issue(&life, &usage, extent, tax);
                prop_assert!(books.issue(&life, &usage, extent, tax).is_none());
            }
            usage.entry(today).or_default().byte_hours += Decimal::from(today.to_epoch_days() % 7) * Decimal::from(BYTES_PER_GB);
            let on_day = |(on, _): &&(u64, Happening)| start + Days::new(*on) == today;
            for (_, what) in happenings.iter().filter(on_day) {
                match what {
                    _ if life.used_until.is_some_and(|end| end <= today) || begun == 0 => {}
                    Happening::PlanChange(cents) if !over && life.charged_until.is_none() => {
                        let number = u32::try_from(life.segments.len()).unwrap() + 1;
                        life.segments.push(segment(number, today, &Decimal::new(*cents, 2).to_string()));
                        books.issue(&life, &Usage::new(), Extent { periods: begun, usage_until: start }, tax);
                    }
                    Happening::PlanChange(_) => {}
                    Happening::LateUsage(back, gb) => {
                        let on = (today - Days::new(*back)).max(start);
                        usage.entry(on).or_default().byte_hours += Decimal::from(*gb) * Decimal::from(BYTES_PER_GB);
                    }
                    Happening::EndAtOnce => {
                        let tomorrow = today + Days::new(1);
                        (life.charged_until, life.used_until) = (Some(tomorrow), Some(tomorrow));
                        books.issue(&life, &Usage::new(), Extent { periods: begun, usage_until: start }, tax);
                    }
                    Happening::CancelForPeriodEnd => {
                        let end = life.schedule.period(begun).end;
                        (life.charged_until, life.used_until) = (Some(end), Some(end));
                    }
                    Happening::Undelete => (life.charged_until, life.used_until) = (None, None),
                }
            }
            today = today + Days::new(1);
        }
        let end = life.charged_until.unwrap_or_else(|| life.schedule.period(begun).end);
        (life.charged_until, life.used_until) = (Some(end), Some(end));
        let last = Extent { periods: begun, usage_until: end };
        books.issue(&life, &usage, last, tax);
        prop_assert!(books.issue(&life, &usage, last, tax).is_none());
        prop_assert_eq!(books.net(), recomputed(&life, &usage, end));

        let mut balances = BTreeMap::<LedgerAccount, Decimal>::new();
        for document in &books.documents {
            let transaction = Transaction::document(&Totals::of(document, life.currency).unwrap());
            for (account, amount) in transaction.entries() {
                *balances.entry(*account).or_default() += amount.amount();
            }
        }
        prop_assert_eq!(balances.values().sum::<Decimal>(), Decimal::ZERO);
        prop_assert_eq!(-balances.get(&LedgerAccount::Revenue).copied().unwrap_or_default(), books.net());
    }
}
