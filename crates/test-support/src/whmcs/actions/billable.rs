//! Billable items.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::json;

use super::{Answer, Call};
use crate::whmcs::books::{BillableItem, Books};

pub(super) fn add(call: Call<'_>, books: &mut Books) -> Answer {
    let parameters = call.parameters;
    let client = parameters.id("clientid").unwrap_or_default();
    if !books.clients.contains_key(&client) {
        return Err("Client ID not Found".to_owned());
    }
    let description = parameters.filled("description").ok_or("You must provide a description")?;
    let unit = parameters.text("unit").unwrap_or_default();
    if !["quantity", "hours"].contains(&unit) {
        return Err("Invalid Unit, please specify either 'hours' or 'quantity'".to_owned());
    }
    let action = parameters.filled("invoiceaction").unwrap_or("noinvoice");
    if !["noinvoice", "nextcron", "nextinvoice", "duedate", "recur"].contains(&action) {
        return Err("Invalid Invoice Action".to_owned());
    }
    let recurrence = (parameters.id("recur"), parameters.filled("recurcycle"), parameters.id("recurfor"));
    if action == "recur" && !matches!(recurrence, (Some(1..), Some("Days" | "Weeks" | "Months" | "Years"), Some(_))) {
        return Err("Recurring must have a unit, cycle and limit".to_owned());
    }
    let due_date = parameters.filled("duedate");
    if matches!(action, "recur" | "duedate") && due_date.is_none() {
        return Err("Due date is required".to_owned());
    }
    let due_date = due_date.map(str::parse::<NaiveDate>).transpose();
    let due_date = due_date.map_err(|_| "Invalid Date Format - Expected: 'YYYY-mm-dd'")?;
    let id = i64::try_from(books.billable_items.len()).unwrap_or(i64::MAX - 1) + 1;
    books.billable_items.push(BillableItem {
        id,
        client,
        description: description.to_owned(),
        amount: parameters.amount("amount").unwrap_or_default(),
        unit: unit.to_owned(),
        quantity: parameters.amount("quantity").unwrap_or(Decimal::ZERO),
        invoice_action: action.to_owned(),
        due_date,
        invoice: None,
    });
    Ok(json!({"status": "success", "billableid": id}))
}
