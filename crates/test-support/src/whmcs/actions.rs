//! What each action does, and what it answers.

mod billable;
mod clients;
mod invoices;
mod orders;
mod services;

use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::books::Books;
use super::fields::{Action, TIME_FORMAT};
use super::parameters::Parameters;

/// The payment methods that there are, in their system names; the first is the default.
pub const PAYMENT_METHODS: [&str; 3] = ["mailin", "banktransfer", "paypal"];

/// How many items a page has where nobody asks for more or less.
const PAGE_SIZE: usize = 25;

/// A call of an action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) action: Action,
    pub(super) parameters: &'a Parameters,
    pub(super) now: NaiveDateTime,
}

/// The answer, or the message of an error.
type Answer = Result<Value, String>;

/// Does what is asked for.
pub(super) fn perform(call: Call<'_>, books: &mut Books) -> Answer {
    match call.action.name {
        "GetClientsDetails" => clients::get_details(call, books),
        "GetClientsProducts" => Ok(services::get(call, books)),
        "UpdateClientProduct" => services::update(call, books),
        "AddCancelRequest" => services::add_cancel_request(call, books),
        "GetCancelledPackages" => Ok(services::get_cancelled(call, books)),
        "AddOrder" => orders::add(call, books),
        "AcceptOrder" => orders::accept(call, books),
        "CancelOrder" => orders::cancel(call, books),
        "GetOrders" => Ok(orders::get(call, books)),
        "AddBillableItem" => billable::add(call, books),
        "GetInvoices" => Ok(invoices::get_all(call, books)),
        "GetInvoice" => invoices::get(call, books),
        "AddInvoicePayment" => invoices::add_payment(call, books),
        _ => Err("Command Not Found".to_owned()),
    }
}

impl Call<'_> {
    /// The documented answer, empty but for its success.
    fn success(&self) -> Value {
        filled(self.action.blank(""), json!({"result": "success"}))
    }

    /// The documented answer with one page of `items` under `list`, such as `products/product`.
    fn page(&self, list: &str, items: Vec<Value>) -> Value {
        let start: usize = self.parameters.parsed("limitstart").unwrap_or(0);
        let length: usize = self.parameters.parsed("limitnum").unwrap_or(PAGE_SIZE);
        let (total, blank) = (items.len(), self.action.blank(""));
        let items: Vec<Value> = items.into_iter().skip(start).take(length).collect();
        // Each action has its own way to write numbers: its documented answer shows it.
        let number = |name: &str, count: usize| match &blank[name] {
            Value::String(_) => json!(count.to_string()),
            _ => json!(count),
        };
        let mut answer = self.success();
        answer["totalresults"] = number("totalresults", total);
        answer["startnumber"] = number("startnumber", start);
        answer["numreturned"] = number("numreturned", items.len());
        let (outer, inner) = list.split_once('/').unwrap_or((list, list));
        answer[outer] = if items.is_empty() { json!("") } else { json!({inner: items}) };
        answer
    }
}

/// `blank` with the fields of `fields` instead of its own.
fn filled(mut blank: Value, fields: Value) -> Value {
    if let (Value::Object(blank), Value::Object(fields)) = (&mut blank, fields) {
        blank.extend(fields);
    }
    blank
}

fn success() -> Value {
    Value::Object(Map::from_iter([("result".to_owned(), json!("success"))]))
}

/// An amount as WHMCS writes it.
fn money(mut amount: Decimal) -> String {
    amount.rescale(2);
    amount.to_string()
}

/// A day as WHMCS writes it.
fn date(day: Option<NaiveDate>) -> String {
    day.map_or_else(|| "0000-00-00".to_owned(), |day| day.to_string())
}

/// A time as WHMCS writes it.
fn time(time: Option<NaiveDateTime>) -> String {
    time.map_or_else(|| "0000-00-00 00:00:00".to_owned(), |time| time.format(TIME_FORMAT).to_string())
}

/// The name of a currency's sign.
fn currency_prefix(currency: &str) -> &'static str {
    match currency {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        _ => "",
    }
}
