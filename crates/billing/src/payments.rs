//! Payments: they settle invoices, and what is left becomes credit.

use history::{Failure, Journal, Record, Step};
use messages::{AddPayment, AddPaymentReply, EventData, PaymentReceived, Refusal, SettledReply, Subject};
use model::Money;
use uuid::Uuid;

use crate::domain::ledger::Transaction;
use crate::invoicing::{Settled, settle_open, uncountable};
use crate::store::ledger::Source;
use crate::store::receivables::{First, Payment};
use crate::{Settings, dunning, store};

const REFERENCE_CHARACTERS_MAX: usize = 200;

/// Notes a payment, as an operator types it in.
pub async fn add(journal: &Journal, settings: &Settings, payment: &AddPayment) -> Result<AddPaymentReply, Failure> {
    let mut step = journal.step().await?;
    let reply = receive(&mut step, settings, "operator", None, payment).await?;
    step.commit().await?;
    Ok(reply)
}

/// Notes a payment, settles invoices with it, and restores what it pays for.
pub(crate) async fn receive(
    step: &mut Step,
    settings: &Settings,
    actor: &str,
    traceparent: Option<&str>,
    wish: &AddPayment,
) -> Result<AddPaymentReply, Failure> {
    let customer_id = wish.id.ok_or_else(|| Refusal::new("id required: the customer who has paid"))?;
    let amount = checked_amount(wish)?;
    // Services before their customer: everybody locks in this order.
    let services = store::services::lock_of_customer(step.connection(), customer_id).await?;
    let customer = store::customers::lock(step.connection(), customer_id).await?;
    let customer = customer.ok_or_else(|| Refusal::not_found("customer not found"))?;
    let now = step.now();
    let payment = Payment {
        id: Uuid::now_v7(),
        customer_id,
        amount,
        reference: wish.reference.trim(),
        paid_on: wish.paid_on.unwrap_or_else(|| now.date_naive()),
    };
    let open = store::receivables::open(step.connection(), customer_id, amount.currency(), First::Oldest).await?;
    if amount.currency() != customer.currency && open.is_empty() {
        let message = format!("the customer owes nothing in {} and pays in {}", amount.currency(), customer.currency);
        return Err(Refusal::conflict(message).into());
    }
    if !store::receivables::insert_payment(step.connection(), &payment, now).await? {
        let message = format!("the payment {:?} of this customer is noted already", payment.reference);
        return Err(Refusal::conflict(message).into());
    }
    let (left, settled) = settle(step, &payment, wish.invoice.as_deref()).await?;
    announce(step, actor, traceparent, &payment, left, &settled).await?;
    for service in &services {
        dunning::restore_if_paid(step, service, settings).await?;
    }
    Ok(AddPaymentReply { payment_id: payment.id, settled: replies(&settled), credited: left.amount() })
}

fn checked_amount(wish: &AddPayment) -> Result<Money, Refusal> {
    let amount = Money::rounded(wish.amount, wish.currency);
    if amount.amount() != wish.amount {
        let places = wish.currency.decimal_places();
        return Err(Refusal::new(format!("amount has more than {}'s {places} decimal places", wish.currency)));
    }
    if amount.is_negative() || amount.amount().is_zero() {
        return Err(Refusal::new("amount must be more than 0"));
    }
    let characters = wish.reference.trim().chars().count();
    if characters == 0 || characters > REFERENCE_CHARACTERS_MAX {
        return Err(Refusal::new(format!(
            "reference must have 1 to {REFERENCE_CHARACTERS_MAX} characters: what the bank calls the payment"
        )));
    }
    Ok(amount)
}

/// Settles open invoices; returns what is left, and what was settled.
async fn settle(
    step: &mut Step,
    payment: &Payment<'_>,
    invoice: Option<&str>,
) -> Result<(Money, Vec<Settled>), Failure> {
    let (customer_id, amount, now) = (payment.customer_id, payment.amount, step.now());
    let first = invoice.map_or(First::Oldest, First::Number);
    let open = store::receivables::open(step.connection(), customer_id, amount.currency(), first).await?;
    if let Some(number) = invoice
        && open.first().is_none_or(|open| open.number != number)
    {
        let message = format!("the customer has no open invoice {number} in {}", amount.currency());
        return Err(Refusal::not_found(message).into());
    }
    let owed = Money::sum(open.iter().map(|open| open.amount), amount.currency());
    let owed = owed.map_err(|error| uncountable(&error))?;
    let settled = Money::rounded(amount.amount().min(owed.amount()), amount.currency());
    let transaction = Transaction::payment(amount, settled).map_err(|error| uncountable(&error))?;
    let source = Source::Payment(payment.id);
    let id = store::ledger::post(step.connection(), customer_id, amount.currency(), source, transaction, now).await?;
    settle_open(step, id, customer_id, amount, first).await
}

async fn announce(
    step: &mut Step,
    actor: &str,
    traceparent: Option<&str>,
    payment: &Payment<'_>,
    left: Money,
    settled: &[Settled],
) -> Result<(), Failure> {
    step.record(Record {
        event: PaymentReceived::EVENT,
        subject: Subject::Customer(payment.customer_id),
        customer_id: Some(payment.customer_id),
        actor,
        description: format!("Payment of {} received", payment.amount),
        data: &PaymentReceived {
            payment_id: payment.id,
            reference: payment.reference.to_owned(),
            currency: payment.amount.currency(),
            amount: payment.amount.amount(),
            settled: replies(settled),
            credited: left.amount(),
        },
        traceparent,
    })
    .await
}

fn replies(settled: &[Settled]) -> Vec<SettledReply> {
    let reply = |(number, amount, open): &Settled| SettledReply {
        number: number.clone(),
        amount: amount.amount(),
        open: open.amount(),
    };
    settled.iter().map(reply).collect()
}
