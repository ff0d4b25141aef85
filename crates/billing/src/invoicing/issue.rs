//! Documents with their ledger entries, what is open of them, and what is said about them.

use chrono::Days;
use history::{Failure, Record, Step};
use messages::{EventData, InvoiceIssued, Subject};
use model::{CustomerId, Money, Timestamp};

use super::{Account, uncountable};
use crate::Settings;
use crate::domain::charge::{Extent, Usage, charges};
use crate::domain::document::{DocumentKind, Line, Totals, lines};
use crate::domain::ledger::{LedgerAccount, Transaction, settle};
use crate::store::documents::{Issued, NewDocument};
use crate::store::ledger::{Posting, Source};
use crate::store::receivables::{First, NewReceivable};
use crate::{observe, store};

/// A document before it has a number.
pub(super) struct Draft<'a> {
    account: &'a Account,
    occasion: &'a str,
    lines: Vec<Line>,
    totals: Totals,
}

impl<'a> Draft<'a> {
    /// `None` where there is nothing to charge or to give back.
    pub(super) fn new(account: &'a Account, occasion: &'a str, lines: Vec<Line>) -> Result<Option<Self>, Failure> {
        if lines.is_empty() {
            return Ok(None);
        }
        let totals = Totals::of(&lines, account.billed.life.currency).map_err(|error| uncountable(&error))?;
        Ok(Some(Self { account, occasion, lines, totals }))
    }

    pub(super) fn kind(&self) -> DocumentKind {
        self.totals.kind()
    }
}

/// The lines that bring what was invoiced of a service to what is owed.
pub(crate) async fn compose(
    step: &mut Step,
    settings: &Settings,
    account: &Account,
    usage: &Usage,
    extent: Extent,
) -> Result<Vec<Line>, Failure> {
    compose_all(step, settings, &[(account, usage, extent)]).await?.pop().unwrap_or_else(|| Ok(Vec::new()))
}

/// The same for several services, in their order; each may fail for itself.
pub(super) async fn compose_all(
    step: &mut Step,
    settings: &Settings,
    bases: &[(&Account, &Usage, Extent)],
) -> Result<Vec<Result<Vec<Line>, Failure>>, Failure> {
    let services: Vec<_> =
        bases.iter().map(|(account, ..)| (account.billed.id, account.billed.life.currency)).collect();
    let invoiced = store::documents::invoiced(step.connection(), &services).await?;
    let composed = bases.iter().zip(&invoiced).map(|((Account { billed, customer }, usage, extent), invoiced)| {
        let percent = |day| settings.tax_rates.percent(customer, day);
        lines(&charges(&billed.life, usage, *extent), invoiced, percent).map_err(|error| uncountable(&error))
    });
    Ok(composed.collect())
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
    let Some(draft) = Draft::new(account, occasion, lines)? else { return Ok(None) };
    Ok(issue_all(step, settings, &[draft], at).await?.pop())
}

/// Issues documents of different services, numbered in their order. A credit note is issued alone.
pub(super) async fn issue_all(
    step: &mut Step,
    settings: &Settings,
    drafts: &[Draft<'_>],
    at: Timestamp,
) -> Result<Vec<Issued>, Failure> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let due_on = at.date_naive() + Days::new(u64::from(settings.payment_term_days));
    let services: Vec<_> = drafts.iter().map(|draft| draft.account.billed.id).collect();
    // What an entity has invoiced it also gives back.
    let entities = store::documents::entities(step.connection(), &services).await?;
    let documents = drafts.iter().map(|Draft { account: Account { billed, customer }, occasion, lines, totals }| {
        let entity = entities.get(&billed.id);
        NewDocument {
            service_id: billed.id,
            customer_id: customer.id,
            billing_entity: entity.unwrap_or(&customer.billing_entity),
            occasion,
            lines,
            totals: *totals,
            issued_at: at,
            due_on,
        }
    });
    let documents: Vec<_> = documents.collect();
    let issued = store::documents::insert(step.connection(), &documents).await?;
    book(step, &documents, &issued).await?;
    announce(step, drafts, &documents, &issued).await?;
    for (document, issued) in documents.iter().zip(&issued) {
        let (kind, currency) = (issued.kind, document.totals.gross.currency());
        step.after_commit(move || observe::issued(kind, currency));
    }
    Ok(issued)
}

/// The ledger's side of documents: an invoice uses up the customer's credit; a credit note settles what they owe, and the
/// rest becomes credit.
async fn book(step: &mut Step, documents: &[NewDocument<'_>], issued: &[Issued]) -> Result<(), Failure> {
    let now = step.now();
    let postings = documents.iter().zip(issued).map(|(document, issued)| Posting {
        customer_id: document.customer_id,
        currency: document.totals.gross.currency(),
        source: Source::Document(issued.id),
        transaction: Transaction::document(&document.totals),
    });
    let postings: Vec<_> = postings.collect();
    let transactions = store::ledger::post_all(step.connection(), &postings, now).await?;
    let invoices = || documents.iter().zip(issued).filter(|(_, issued)| issued.kind == DocumentKind::Invoice);
    let receivables = invoices().map(|(document, issued)| NewReceivable {
        document_id: issued.id,
        service_id: document.service_id,
        customer_id: document.customer_id,
        gross: document.totals.gross,
        due_on: document.due_on,
    });
    store::receivables::insert(step.connection(), &receivables.collect::<Vec<_>>(), now).await?;
    let customers: Vec<_> = invoices().map(|(document, _)| document.customer_id).collect();
    let with_credit = store::ledger::with_credit(step.connection(), &customers).await?;
    for ((document, issued), transaction) in documents.iter().zip(issued).zip(transactions) {
        match issued.kind {
            DocumentKind::CreditNote => give_back(step, document, issued, transaction).await?,
            DocumentKind::Invoice if with_credit.contains(&document.customer_id) => {
                use_credit(step, document, issued).await?;
            }
            DocumentKind::Invoice => {}
        }
    }
    Ok(())
}

async fn give_back(
    step: &mut Step,
    document: &NewDocument<'_>,
    issued: &Issued,
    transaction: i64,
) -> Result<(), Failure> {
    let (customer_id, available) = (document.customer_id, document.totals.gross.negated());
    let (left, _) = settle_open(step, transaction, customer_id, available, First::Service(document.service_id)).await?;
    if !left.amount().is_zero() {
        let (now, source) = (step.now(), Source::Document(issued.id));
        let transaction = Transaction::credit_granted(left);
        store::ledger::post(step.connection(), customer_id, left.currency(), source, transaction, now).await?;
    }
    Ok(())
}

async fn use_credit(step: &mut Step, document: &NewDocument<'_>, issued: &Issued) -> Result<(), Failure> {
    let (customer_id, gross, now) = (document.customer_id, document.totals.gross, step.now());
    let currency = gross.currency();
    let credit = store::ledger::balance(step.connection(), customer_id, currency, LedgerAccount::Credit).await?;
    let used = Money::rounded(credit.negated().amount().min(gross.amount()), currency);
    if !used.is_negative() && !used.amount().is_zero() {
        let (source, transaction) = (Source::Document(issued.id), Transaction::credit_applied(used));
        let id = store::ledger::post(step.connection(), customer_id, currency, source, transaction, now).await?;
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
    drafts: &[Draft<'_>],
    documents: &[NewDocument<'_>],
    issued: &[Issued],
) -> Result<(), Failure> {
    let said = drafts.iter().zip(documents).zip(issued).map(|((draft, document), issued)| InvoiceIssued {
        number: issued.number.clone(),
        service_id: document.service_id,
        s3uid: draft.account.billed.s3uid.clone(),
        currency: document.totals.gross.currency(),
        net: document.totals.net.amount(),
        tax: document.totals.tax.amount(),
        gross: document.totals.gross.amount(),
        due_date: document.due_on,
    });
    let said: Vec<_> = said.collect();
    let records = said.iter().zip(drafts).zip(issued).map(|((data, draft), issued)| {
        let (event, what) = match issued.kind {
            DocumentKind::Invoice => (InvoiceIssued::EVENT, "Invoice"),
            DocumentKind::CreditNote => ("credit_note.issued", "Credit note"),
        };
        Record {
            event,
            subject: Subject::Account(data.s3uid.clone()),
            customer_id: Some(draft.account.billed.customer_id),
            actor: "billing",
            description: format!("{what} {} over {}", issued.number, draft.totals.gross),
            data,
            traceparent: None,
        }
    });
    step.record_all(records).await
}
