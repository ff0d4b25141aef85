//! Issuing invoices and credit notes: in one transaction with their ledger entries and with how far the service is
//! invoiced, so that each happens once.

use chrono::{Days, NaiveDate};
use history::{Failure, Journal, Record, Step};
use messages::{EventData, InvoiceIssued, Subject};
use model::{CustomerId, Money, MoneyError, ServiceId, Timestamp};

use crate::Settings;
use crate::domain::charge::{ChargeKind, Extent, Usage, charges};
use crate::domain::customer::Customer;
use crate::domain::document::{DocumentKind, Line, Totals, lines};
use crate::domain::ledger::{LedgerAccount, Transaction, settle};
use crate::domain::schedule::midnight;
use crate::handover::tasks;
use crate::store;
use crate::store::documents::{Issued, NewDocument};
use crate::store::due::{Billed, Position};
use crate::store::ledger::Source;
use crate::store::receivables::First;

/// After its last document a service has one more, should its usage have been corrected meanwhile.
const CLOSING_DAYS: u64 = 35;

/// How many services are invoiced in one transaction. Their customers and their numbers' series are held for so long.
const SERVICES_TOGETHER: i64 = 50;

/// What became of one service in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Invoicing {
    /// A document was issued.
    Issued(String),
    /// The system that issues the invoices is told.
    HandedOver,
    /// There was nothing to charge.
    Nothing,
    /// Its usage isn't final yet.
    Waiting,
    /// It can't be invoiced at the moment; the log says why.
    Failed,
}

/// A service that is invoiced, with the customer; both are locked.
pub(crate) struct Account {
    pub(crate) billed: Billed,
    pub(crate) customer: Customer,
}

/// Reads a locked service for invoicing, and locks its customer.
pub(crate) async fn account(step: &mut Step, id: ServiceId) -> Result<Account, Failure> {
    let account = viewed(step, id).await?;
    store::customers::lock(step.connection(), account.customer.id).await?;
    Ok(account)
}

/// Reads a service as invoicing would, and locks nothing.
pub(crate) async fn viewed(step: &mut Step, id: ServiceId) -> Result<Account, Failure> {
    let billed = store::due::billed(step.connection(), id).await?;
    let customer = store::customers::find(step.connection(), billed.customer_id).await?;
    let customer = customer.ok_or_else(|| Failure::Unavailable(format!("customer {} is gone", billed.customer_id)))?;
    Ok(Account { billed, customer })
}

/// What the next document of a service is about.
pub(crate) struct Due {
    pub(crate) occasion: String,
    pub(crate) extent: Extent,
    /// Its first day; it is due from then on.
    pub(crate) from: NaiveDate,
    /// When the one after it is due; `None` where it is the last.
    pub(crate) next: Option<NaiveDate>,
    /// The usage before this day must be final first.
    pub(crate) needs_usage_until: NaiveDate,
    /// Without its usage a period isn't over for a service that has ended.
    pub(crate) is_last: bool,
}

/// The next document of a service.
pub(crate) fn due(billed: &Billed) -> Due {
    let (life, number) = (&billed.life, billed.invoiced_periods + 1);
    let period = life.schedule.period(number);
    let is_over = life.charged_until.is_some_and(|end| end <= period.start);
    if let (true, Some(used_until)) = (is_over, life.used_until) {
        let closing = used_until + Days::new(CLOSING_DAYS);
        let is_closing = billed.next_invoice_at.is_some_and(|at| at >= midnight(closing));
        return Due {
            occasion: if is_closing { "closing" } else { "final" }.to_owned(),
            extent: Extent { periods: billed.invoiced_periods, usage_until: used_until },
            from: if is_closing { closing } else { used_until },
            next: (!is_closing).then_some(closing),
            needs_usage_until: used_until,
            is_last: true,
        };
    }
    Due {
        occasion: format!("period {number}"),
        extent: Extent { periods: number, usage_until: period.start },
        from: period.start,
        next: Some(life.charged_until.map_or(period.end, |end| end.min(period.end))),
        needs_usage_until: if number == 1 { NaiveDate::MIN } else { period.start },
        is_last: false,
    }
}

/// What became of several services, and where to go on.
pub(crate) struct Round {
    pub(crate) outcomes: Vec<Invoicing>,
    pub(crate) reached: Position,
}

/// Issues the next documents that are due by `at`, after `position`; `None` where nothing is due.
///
/// `by_itself`: a service whose usage isn't final is passed over for a while.
pub(crate) async fn invoice_some(
    journal: &Journal,
    settings: &Settings,
    at: Timestamp,
    position: Position,
    by_itself: bool,
) -> Result<Option<Round>, Failure> {
    match invoice_together(journal, settings, at, position, by_itself).await? {
        Together::Done(round) => return Ok(round),
        Together::OneByOne => {}
    }
    let (mut outcomes, mut reached) = (Vec::new(), position);
    for _ in 0..SERVICES_TOGETHER {
        let Some((outcome, now)) = invoice_next(journal, settings, at, reached, by_itself).await? else { break };
        reached = now;
        outcomes.push(outcome);
    }
    Ok((!outcomes.is_empty()).then_some(Round { outcomes, reached }))
}

/// Whether several services could be invoiced in one transaction.
enum Together {
    Done(Option<Round>),
    /// Something is wrong with one of them, or another process does it.
    OneByOne,
}

async fn invoice_together(
    journal: &Journal,
    settings: &Settings,
    at: Timestamp,
    position: Position,
    by_itself: bool,
) -> Result<Together, Failure> {
    let mut step = journal.step().await?;
    let now = by_itself.then(|| step.now());
    if !store::due::lock_together(step.connection()).await? {
        step.rollback().await?;
        return Ok(Together::OneByOne);
    }
    let services = store::due::lock_next(step.connection(), at, position, now, SERVICES_TOGETHER).await?;
    if services.is_empty() {
        return Ok(Together::Done(None));
    }
    let ids: Vec<i64> = services.iter().map(|(id, _)| id.0).collect();
    store::customers::lock_of_services(step.connection(), &ids).await?;
    let mut round = Round { outcomes: Vec::with_capacity(services.len()), reached: position };
    for (id, place) in services {
        let invoiced = match viewed(&mut step, id).await {
            Ok(account) => invoice(&mut step, settings, &account, at).await,
            Err(error) => Err(error),
        };
        // Nothing of them is kept; one by one, the others are invoiced all the same.
        let Ok((outcome, is_due_again)) = invoiced else {
            step.rollback().await?;
            return Ok(Together::OneByOne);
        };
        if !is_due_again {
            round.reached = place;
        }
        round.outcomes.push(outcome);
    }
    step.commit().await?;
    Ok(Together::Done(Some(round)))
}

/// Issues the next document that is due, in a transaction of its own.
async fn invoice_next(
    journal: &Journal,
    settings: &Settings,
    at: Timestamp,
    position: Position,
    by_itself: bool,
) -> Result<Option<(Invoicing, Position)>, Failure> {
    let mut step = journal.step().await?;
    let now = by_itself.then(|| step.now());
    let next = store::due::lock_next(step.connection(), at, position, now, 1).await?;
    let Some((id, reached)) = next.into_iter().next() else { return Ok(None) };
    let invoiced = match account(&mut step, id).await {
        Ok(account) => invoice(&mut step, settings, &account, at).await,
        Err(error) => Err(error),
    };
    match invoiced {
        Ok((outcome, is_due_again)) => {
            step.commit().await?;
            // It may be due again at once: the position stays before it.
            Ok(Some((outcome, if is_due_again { position } else { reached })))
        }
        Err(error) => {
            // One service's trouble holds up no other.
            tracing::warn!(service = %id, %error, "a service can't be invoiced; it is tried again later");
            drop(step);
            put_off(journal, id).await?;
            Ok(Some((Invoicing::Failed, reached)))
        }
    }
}

async fn put_off(journal: &Journal, id: ServiceId) -> Result<(), Failure> {
    let mut step = journal.step().await?;
    let now = step.now();
    store::due::wait(step.connection(), id, now).await?;
    step.commit().await
}

/// Issues the next document of one service, which is locked with its customer. Also tells whether it may be due again at once.
async fn invoice(
    step: &mut Step,
    settings: &Settings,
    account: &Account,
    at: Timestamp,
) -> Result<(Invoicing, bool), Failure> {
    let (billed, id) = (&account.billed, account.billed.id);
    let mut due = due(billed);
    // A run for an earlier moment picks what was due by then; nothing is dated back.
    let at = at.max(step.now());
    let is_late = midnight(due.from) + settings.usage_patience <= at && !due.is_last;
    let final_until = store::usage::final_until(step.connection(), &billed.s3uid).await?.unwrap_or(NaiveDate::MIN);
    if final_until < due.needs_usage_until {
        if !is_late {
            let now = step.now();
            store::due::wait(step.connection(), id, now).await?;
            return Ok((Invoicing::Waiting, false));
        }
        // What isn't final is charged once it is, with a later document.
        due.extent.usage_until = final_until.max(billed.life.schedule.start);
    }
    let usage =
        store::usage::by_day(step.connection(), &billed.s3uid, billed.life.schedule.start, due.extent.usage_until)
            .await?;
    let outcome = if billed.is_external {
        // The price of each period is invoiced there by itself.
        let mut lines = compose(step, settings, account, &usage, due.extent).await?;
        lines.retain(|line| line.key.kind != ChargeKind::BaseFee);
        tasks::add_items(step, account, &due.occasion, &lines).await?;
        if lines.is_empty() { Invoicing::Nothing } else { Invoicing::HandedOver }
    } else {
        let issued = issue(step, settings, account, &usage, due.extent, &due.occasion, at).await?;
        issued.map_or(Invoicing::Nothing, |issued| Invoicing::Issued(issued.number))
    };
    store::due::advance(step.connection(), id, due.extent.periods, due.next.map(midnight)).await?;
    Ok((outcome, due.next.is_some()))
}

/// The lines that bring what was invoiced of a service to what is owed.
pub(crate) async fn compose(
    step: &mut Step,
    settings: &Settings,
    account: &Account,
    usage: &Usage,
    extent: Extent,
) -> Result<Vec<Line>, Failure> {
    let Account { billed, customer } = account;
    let invoiced = store::documents::invoiced(step.connection(), billed.id, billed.life.currency).await?;
    let percent = |day| settings.tax_rates.percent(customer, day);
    lines(&charges(&billed.life, usage, extent), &invoiced, percent).map_err(|error| uncountable(&error))
}

/// Issues a document; `None` where there is nothing to charge or to give back.
pub(crate) async fn issue(
    step: &mut Step,
    settings: &Settings,
    account: &Account,
    usage: &Usage,
    extent: Extent,
    occasion: &str,
    at: Timestamp,
) -> Result<Option<Issued>, Failure> {
    let lines = compose(step, settings, account, usage, extent).await?;
    if lines.is_empty() {
        return Ok(None);
    }
    let Account { billed, customer } = account;
    let totals = Totals::of(&lines, billed.life.currency).map_err(|error| uncountable(&error))?;
    let due_on = at.date_naive() + Days::new(u64::from(settings.payment_term_days));
    // What an entity has invoiced it also gives back.
    let entity = store::documents::entity(step.connection(), billed.id).await?;
    let document = NewDocument {
        service_id: billed.id,
        customer_id: customer.id,
        billing_entity: entity.as_deref().unwrap_or(&customer.billing_entity),
        occasion,
        lines: &lines,
        totals,
        issued_at: at,
        due_on,
    };
    let issued = store::documents::insert(step.connection(), &document).await?;
    book(step, &document, &issued).await?;
    announce(step, billed, &document, &issued).await?;
    Ok(Some(issued))
}

/// The ledger's side of a document: an invoice uses up the customer's credit; a credit note settles what they owe, and
/// the rest becomes credit.
async fn book(step: &mut Step, document: &NewDocument<'_>, issued: &Issued) -> Result<(), Failure> {
    let (now, gross) = (step.now(), document.totals.gross);
    let (currency, customer_id) = (gross.currency(), document.customer_id);
    let source = Source::Document(issued.id);
    let connection = step.connection();
    let transaction = Transaction::document(&document.totals);
    let id = store::ledger::post(connection, customer_id, currency, source, &transaction, now).await?;
    if issued.kind == DocumentKind::CreditNote {
        let left = settle_open(step, id, customer_id, gross.negated(), First::Service(document.service_id)).await?.0;
        if !left.amount().is_zero() {
            let transaction = Transaction::credit_granted(left);
            store::ledger::post(step.connection(), customer_id, currency, source, &transaction, now).await?;
        }
        return Ok(());
    }
    let (service_id, due_on) = (document.service_id, document.due_on);
    store::receivables::insert(connection, issued.id, service_id, customer_id, gross, due_on, now).await?;
    let credit = store::ledger::balance(connection, customer_id, currency, LedgerAccount::Credit).await?.negated();
    let used = Money::rounded(credit.amount().min(gross.amount()), currency);
    if !used.is_negative() && !used.amount().is_zero() {
        let transaction = Transaction::credit_applied(used);
        let id = store::ledger::post(connection, customer_id, currency, source, &transaction, now).await?;
        settle_open(step, id, customer_id, used, First::Document(issued.id)).await?;
    }
    Ok(())
}

/// What an invoice got: its number, how much, and what is still open of it.
pub(crate) type Settled = (String, Money, Money);

/// Settles a customer's open invoices with `available`; returns what is left of it, and what was settled.
pub(crate) async fn settle_open(
    step: &mut Step,
    transaction_id: i64,
    customer_id: CustomerId,
    available: Money,
    first: First<'_>,
) -> Result<(Money, Vec<Settled>), Failure> {
    let now = step.now();
    let open = store::receivables::open(step.connection(), customer_id, available.currency(), first).await?;
    let amounts: Vec<Money> = open.iter().map(|open| open.amount).collect();
    let parts = settle(available, &amounts).map_err(|error| uncountable(&error))?;
    let (mut left, mut settled) = (available, Vec::new());
    for (open, part) in open.iter().zip(parts).filter(|(_, part)| !part.amount().is_zero()) {
        store::receivables::settle(step.connection(), transaction_id, open.document_id, part, now).await?;
        left = left.checked_add(part.negated()).map_err(|error| uncountable(&error))?;
        let still_open = open.amount.checked_add(part.negated()).map_err(|error| uncountable(&error))?;
        settled.push((open.number.clone(), part, still_open));
    }
    Ok((left, settled))
}

async fn announce(
    step: &mut Step,
    billed: &Billed,
    document: &NewDocument<'_>,
    issued: &Issued,
) -> Result<(), Failure> {
    let Totals { net, tax, gross } = document.totals;
    let (event, what) = match issued.kind {
        DocumentKind::Invoice => (InvoiceIssued::EVENT, "Invoice"),
        DocumentKind::CreditNote => ("credit_note.issued", "Credit note"),
    };
    step.record(Record {
        event,
        subject: Subject::Account(billed.s3uid.clone()),
        customer_id: Some(billed.customer_id),
        actor: "billing",
        description: format!("{what} {} over {gross}", issued.number),
        data: &InvoiceIssued {
            number: issued.number.clone(),
            service_id: billed.id,
            s3uid: billed.s3uid.clone(),
            currency: gross.currency(),
            net: net.amount(),
            tax: tax.amount(),
            gross: gross.amount(),
            due_date: document.due_on,
        },
        traceparent: None,
    })
    .await
}

/// Sums that no decimal holds.
pub(crate) fn uncountable(error: &MoneyError) -> Failure {
    Failure::Unavailable(format!("an invoice can't be added up: {error}"))
}
