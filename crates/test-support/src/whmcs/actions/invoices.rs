//! Invoices and their payments.

use chrono::NaiveDateTime;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Answer, Call, currency_prefix, filled, money, success, time};
use crate::whmcs::books::{Books, Invoice, Payment};
use crate::whmcs::fields::TIME_FORMAT;

pub(super) fn get_all(call: Call<'_>, books: &Books) -> Value {
    let parameters = call.parameters;
    let (client, status) = (parameters.id("userid"), parameters.filled("status"));
    // `Overdue` is no state, but can be asked for.
    let is_overdue = |invoice: &Invoice| invoice.status == "Unpaid" && invoice.due_date < call.now.date();
    let matches = |invoice: &&Invoice| {
        client.is_none_or(|client| invoice.client == client)
            && status.is_none_or(|status| match status {
                "Overdue" => is_overdue(invoice),
                status => invoice.status.eq_ignore_ascii_case(status),
            })
    };
    let mut found: Vec<Value> =
        books.invoices.values().filter(matches).map(|invoice| summary(call, books, invoice)).collect();
    // Any other order is by number here, too.
    let _ = parameters.text("orderby");
    if parameters.text("order").is_none_or(|order| order.eq_ignore_ascii_case("desc")) {
        found.reverse();
    }
    call.page("invoices/invoice", found)
}

fn summary(call: Call<'_>, books: &Books, invoice: &Invoice) -> Value {
    let client = books.clients.get(&invoice.client);
    let currency = client.map_or("", |client| client.currency.as_str());
    filled(
        call.action.blank("/invoices/invoice/0"),
        json!({
            "id": invoice.id,
            "userid": invoice.client,
            "firstname": "Test",
            "lastname": "Client",
            "date": invoice.date.to_string(),
            "duedate": invoice.due_date.to_string(),
            "datepaid": time(invoice.paid_at),
            "subtotal": money(invoice.total()),
            "total": money(invoice.total()),
            "status": invoice.status,
            "paymentmethod": invoice.payment_method,
            "currencycode": currency,
            "currencyprefix": currency_prefix(currency),
            "currencysuffix": currency,
        }),
    )
}

pub(super) fn get(call: Call<'_>, books: &Books) -> Answer {
    let id = call.parameters.id("invoiceid").unwrap_or_default();
    let invoice = books.invoices.get(&id).ok_or("Invoice ID Not Found")?;
    let items = invoice.items.iter().zip(1..).map(|(item, number)| {
        json!({
            "id": number,
            "type": item.kind,
            "relid": item.related,
            "description": item.description,
            "amount": money(item.amount),
            "taxed": 0,
        })
    });
    let fields = json!({
        "invoiceid": invoice.id,
        "userid": invoice.client,
        "date": invoice.date.to_string(),
        "duedate": invoice.due_date.to_string(),
        "datepaid": time(invoice.paid_at),
        "subtotal": money(invoice.total()),
        "total": money(invoice.total()),
        "balance": money(invoice.balance()),
        "status": invoice.status,
        "paymentmethod": invoice.payment_method,
        "items": {"item": items.collect::<Vec<_>>()},
        "transactions": transactions(call, invoice),
    });
    Ok(filled(call.success(), fields))
}

fn transactions(call: Call<'_>, invoice: &Invoice) -> Value {
    if invoice.payments.is_empty() {
        return json!("");
    }
    let payments = invoice.payments.iter().zip(1..).map(|(payment, number)| {
        filled(
            call.action.blank("/transactions/transaction/0"),
            json!({
                "id": number.to_string(),
                "userid": invoice.client.to_string(),
                "gateway": payment.gateway,
                "date": time(Some(payment.date)),
                "amountin": money(payment.amount),
                "fees": money(payment.fees),
                "transid": payment.transaction_id,
                "invoiceid": invoice.id.to_string(),
            }),
        )
    });
    json!({"transaction": payments.collect::<Vec<_>>()})
}

pub(super) fn add_payment(call: Call<'_>, books: &mut Books) -> Answer {
    let parameters = call.parameters;
    // Nothing here sends mail.
    let _ = parameters.flag("noemail");
    let id = parameters.id("invoiceid").unwrap_or_default();
    let invoice = books.invoices.get_mut(&id).ok_or("Invoice ID Not Found")?;
    if invoice.status == "Cancelled" {
        return Err("It is not possible to add a payment to an invoice that is Cancelled".to_owned());
    }
    let date = parameters.text("date").unwrap_or_default();
    let date = NaiveDateTime::parse_from_str(date, TIME_FORMAT).map_err(|_| "Invalid Date Format")?;
    let payment = Payment {
        transaction_id: parameters.text("transid").unwrap_or_default().to_owned(),
        gateway: parameters.text("gateway").unwrap_or_default().to_owned(),
        date,
        amount: parameters.amount("amount").unwrap_or_else(|| invoice.balance()),
        fees: parameters.amount("fees").unwrap_or_default(),
    };
    invoice.payments.push(payment);
    if invoice.status == "Unpaid" && invoice.balance() <= Decimal::ZERO {
        "Paid".clone_into(&mut invoice.status);
        invoice.paid_at = Some(date);
    }
    Ok(success())
}
