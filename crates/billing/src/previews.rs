//! What is still to be invoiced, shown beforehand: composed by the very code that issues it.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use history::{Failure, Step};
use messages::{InvoiceAmounts, InvoicePreviewReply, NextInvoiceReply, Refusal};
use model::{ByteCount, Timestamp};
use rust_decimal::Decimal;

use crate::domain::charge::{ChargeKey, Extent, Usage, charges, projected};
use crate::domain::document::{Line, lines};
use crate::domain::schedule::midnight;
use crate::domain::service::Service;
use crate::invoices::amounts;
use crate::invoicing::{Account, compose, due, uncountable, viewed};
use crate::store::due::Billed;
use crate::{Settings, store};

/// What the running period of a service costs, and what its next document will say.
pub(crate) async fn preview(
    step: &mut Step,
    settings: &Settings,
    service: &Service,
) -> Result<InvoicePreviewReply, Failure> {
    if service.is_external {
        return Err(Refusal::conflict("WHMCS issues the invoices and shows them").into());
    }
    let (now, account) = (step.now(), viewed(step, service.id).await?);
    let billed = &account.billed;
    let period = billed.life.schedule.period(billed.period_number);
    let (so_far, at_end) = usage(step, billed, period.end, now).await?;
    let of_period = |usage: &Usage| period_lines(settings, &account, usage);
    let next = due(billed);
    let next_lines = compose(step, settings, &account, &at_end, next.extent).await?;
    Ok(InvoicePreviewReply {
        s3uid: billed.s3uid.clone(),
        period_start: period.start,
        period_end: period.end,
        so_far: of_period(&so_far)?,
        at_end: of_period(&at_end)?,
        next_invoice: NextInvoiceReply { due_from: next.from, amounts: amounts(&next_lines, billed.life.currency)? },
    })
}

/// Everything that the running period costs, invoiced already or not.
fn period_lines(settings: &Settings, account: &Account, usage: &Usage) -> Result<InvoiceAmounts, Failure> {
    let Account { billed, customer } = account;
    let number = billed.period_number;
    let extent = Extent { periods: number, usage_until: billed.life.schedule.period(number).end };
    let of_period = charges(&billed.life, usage, extent).into_iter().filter(|(key, _)| key.period_number == number);
    let of_period: BTreeMap<ChargeKey, _> = of_period.collect();
    let percent = |day| settings.tax_rates.percent(customer, day);
    let lines: Vec<Line> = lines(&of_period, &BTreeMap::new(), percent).map_err(|error| uncountable(&error))?;
    amounts(&lines, billed.life.currency)
}

/// What a service has used so far, and what it will have used by `until` if what is stored now stays stored.
async fn usage(step: &mut Step, billed: &Billed, until: NaiveDate, now: Timestamp) -> Result<(Usage, Usage), Failure> {
    let (start, s3uid) = (billed.life.schedule.start, &billed.s3uid);
    let mut so_far = store::usage::by_day(step.connection(), s3uid, start, until).await?;
    let (stored, open_days) = store::usage::open_days(step.connection(), s3uid, start).await?;
    for (day, bytes) in open_days.into_iter().filter(|(day, _)| *day < until) {
        // Not final yet: what was last seen that day, as if it had been there since its beginning.
        let passed = (now - midnight(day)).clamp(TimeDelta::zero(), TimeDelta::days(1));
        so_far.entry(day).or_default().byte_hours = bytes * Decimal::from(passed.num_seconds()) / Decimal::from(3_600);
    }
    let stored = ByteCount::from_i64(stored).to_i64();
    let at_end = projected(&so_far, stored, now, until);
    Ok((so_far, at_end))
}
