//! Invoices, payments and plan changes: requests, successes and events.

use anyhow::{Result, bail};
use messages::{
    AddPayment, AddPaymentReply, AmountReply, ChangePlan, ChangePlanReply, GetInvoice, HoldService, HoldServiceReply,
    InvoiceAmounts, InvoiceCustomerReply, InvoiceIssued, InvoiceKind, InvoiceLineKind, InvoiceLineReply,
    InvoicePreview, InvoicePreviewReply, InvoiceReply, InvoiceSummaryReply, InvoicingTaskParked, ListInvoices,
    ListInvoicesReply, NextInvoiceReply, PaymentReceived, PlanChangePreview, PlanChangePreviewReply, Reply,
    ServiceDunned, ServiceHeld, ServiceHold, ServicePlanChanged, SettledReply,
};
use model::{Currency, CustomerId, PlanId, ServiceId};
use serde_json::{Map, Value};

use super::{PACKAGE, S3UID, fields, read};

const NUMBER: &str = "NL-2026-000042";
const CREDIT_NOTE: &str = "NL-CN-2026-000007";
const PAYMENT_ID: &str = "0193500c-2b3d-7e4f-9a5b-6c7d8e9f0a1b";
/// A period: its first day, and the first that is no longer part of it.
const PERIOD: [&str; 2] = ["2026-11-22", "2026-12-22"];
const REFERENCE: &str = "SEPA 2026-11-25 4711";

/// Whether an action's samples are here.
pub(super) fn has(action: &str) -> bool {
    matches!(
        action,
        "add_payment"
            | "change_plan"
            | "get_invoice"
            | "hold_service"
            | "invoice_preview"
            | "list_invoices"
            | "plan_change_preview"
    )
}

/// An action's parameters.
pub(super) fn request(action: &str) -> Result<Map<String, Value>> {
    let s3uid = Some(S3UID.to_owned());
    let change = ChangePlan { s3uid: s3uid.clone(), plan_id: PlanId(2), id: None };
    match action {
        "add_payment" => fields(&AddPayment {
            id: Some(CustomerId(1)),
            amount: read("11.90")?,
            currency: Currency::EUR,
            reference: REFERENCE.to_owned(),
            invoice: Some(NUMBER.to_owned()),
            paid_on: Some(read("2026-11-25")?),
        }),
        "change_plan" => fields(&change),
        "get_invoice" => fields(&GetInvoice { number: NUMBER.to_owned(), id: None }),
        "hold_service" => {
            let reason = Some("abuse report 4711".to_owned());
            fields(&HoldService { s3uid, id: None, hold: ServiceHold::Lock, reason })
        }
        "invoice_preview" => fields(&InvoicePreview { s3uid, id: None }),
        "list_invoices" => fields(&ListInvoices { s3uid, id: None, open: Some(1) }),
        "plan_change_preview" => fields(&PlanChangePreview(change)),
        _ => bail!("{action} has no sample request; write one here"),
    }
}

/// An action's success.
pub(super) fn reply(action: &str) -> Result<Reply> {
    Ok(match action {
        "add_payment" => Reply::success(
            action,
            &AddPaymentReply { payment_id: read(PAYMENT_ID)?, settled: settled()?, credited: read("0.04")? },
        ),
        "change_plan" => Reply::success(
            action,
            &ChangePlanReply { s3uid: read(S3UID)?, plan_id: PlanId(2), invoice: Some(CREDIT_NOTE.to_owned()) },
        ),
        "get_invoice" => Reply::success(action, &invoice()?),
        "hold_service" => Reply::success(action, &HoldServiceReply { s3uid: read(S3UID)?, state: "locked".to_owned() }),
        "invoice_preview" => Reply::success(action, &preview()?),
        "list_invoices" => {
            let credit = vec![AmountReply { currency: Currency::EUR, amount: read("3.94")? }];
            Reply::success(action, &ListInvoicesReply { invoices: vec![summary()?], credit })
        }
        "plan_change_preview" => Reply::success(action, &change()?),
        _ => bail!("{action} has no sample reply; write one here"),
    })
}

/// What an invoice or a credit note says in its event.
pub(super) fn issued(is_invoice: bool) -> Result<(String, InvoiceIssued)> {
    let (number, [net, tax, gross]) =
        if is_invoice { (NUMBER, ["9.80", "2.06", "11.86"]) } else { (CREDIT_NOTE, ["-3.26", "-0.68", "-3.94"]) };
    let data = InvoiceIssued {
        number: number.to_owned(),
        service_id: ServiceId(456),
        s3uid: read(S3UID)?,
        currency: Currency::EUR,
        net: read(net)?,
        tax: read(tax)?,
        gross: read(gross)?,
        due_date: read("2026-12-06")?,
    };
    let what = if is_invoice { "Invoice" } else { "Credit note" };
    Ok((format!("{what} {number} over {gross} EUR"), data))
}

/// What the event of a payment says.
pub(super) fn payment() -> Result<PaymentReceived> {
    Ok(PaymentReceived {
        payment_id: read(PAYMENT_ID)?,
        reference: REFERENCE.to_owned(),
        currency: Currency::EUR,
        amount: read("11.90")?,
        settled: settled()?,
        credited: read("0.04")?,
    })
}

/// What the event of a service that is held back says.
pub(super) fn held() -> Result<ServiceHeld> {
    let reason = Some("abuse report 4711".to_owned());
    Ok(ServiceHeld { service_id: ServiceId(456), s3uid: read(S3UID)?, hold: ServiceHold::Lock, reason })
}

/// What the event of a task for a person says.
pub(super) fn parked() -> Result<InvoicingTaskParked> {
    let what = "the customer withdrew the cancellation for 2026-12-22: remove the service's cancellation request";
    Ok(InvoicingTaskParked { task_id: 7, s3uid: read(S3UID)?, what: what.to_owned(), detail: what.to_owned() })
}

/// What the events of dunning say; `false`: everything is paid again.
pub(super) fn dunned(is_overdue: bool) -> Result<ServiceDunned> {
    Ok(ServiceDunned {
        service_id: ServiceId(456),
        s3uid: read(S3UID)?,
        due_date: is_overdue.then(|| read("2026-12-06")).transpose()?,
        currency: Currency::EUR,
        overdue: read(if is_overdue { "11.86" } else { "0.00" })?,
    })
}

/// What the event of a plan change says.
pub(super) fn plan_changed() -> Result<ServicePlanChanged> {
    Ok(ServicePlanChanged {
        service_id: ServiceId(456),
        s3uid: read(S3UID)?,
        from: read("2026-12-02")?,
        plan_id: PlanId(2),
        plan_version: 1,
        previous_plan_id: PlanId(1),
        previous_plan_version: 3,
    })
}

fn settled() -> Result<Vec<SettledReply>> {
    Ok(vec![SettledReply { number: NUMBER.to_owned(), amount: read("11.86")?, open: read("0.00")? }])
}

/// A line, from quantity, unit price, net, tax and gross.
fn line(
    kind: InvoiceLineKind,
    description: &str,
    unit: &str,
    [period_start, period_end]: [&str; 2],
    [quantity, unit_price, net, tax, gross]: [&str; 5],
) -> Result<InvoiceLineReply> {
    Ok(InvoiceLineReply {
        kind,
        description: description.to_owned(),
        period_start: read(period_start)?,
        period_end: read(period_end)?,
        quantity: read(quantity)?,
        unit: unit.to_owned(),
        unit_price: read(unit_price)?,
        net: read(net)?,
        tax_percent: read("21")?,
        tax: read(tax)?,
        gross: read(gross)?,
    })
}

/// The base fee of one full period.
fn base_fee(days: [&str; 2]) -> Result<InvoiceLineReply> {
    let figures = ["1.000000000", "9.80", "9.80", "2.06", "11.86"];
    line(InvoiceLineKind::BaseFee, "Standard S3 Plan: base fee", "period", days, figures)
}

/// Storage beyond what is included, from gigabytes for the period, net, tax and gross.
fn storage([quantity, net, tax, gross]: [&str; 4]) -> Result<InvoiceLineReply> {
    let description = "Standard S3 Plan: storage beyond what is included";
    let figures = [quantity, "0.05", net, tax, gross];
    line(InvoiceLineKind::StorageOverage, description, "GB-period", PERIOD, figures)
}

fn amounts(lines: Vec<InvoiceLineReply>, [net, tax, gross]: [&str; 3]) -> Result<InvoiceAmounts> {
    Ok(InvoiceAmounts { currency: Currency::EUR, lines, net: read(net)?, tax: read(tax)?, gross: read(gross)? })
}

fn invoice() -> Result<InvoiceReply> {
    Ok(InvoiceReply {
        number: NUMBER.to_owned(),
        kind: InvoiceKind::Invoice,
        s3uid: read(S3UID)?,
        name: PACKAGE.to_owned(),
        billing_entity: "NL".to_owned(),
        customer: InvoiceCustomerReply {
            id: CustomerId(1),
            name: "Alice Example".to_owned(),
            address: "Main Street 1\n1234 AB Amsterdam".to_owned(),
            country: "NL".to_owned(),
            vat_id: "NL123456789B01".to_owned(),
            email: "alice@example.com".to_owned(),
        },
        issued_at: read("2026-11-22 01:02:03")?,
        due_date: read("2026-12-06")?,
        open: read("11.86")?,
        amounts: amounts(vec![base_fee(PERIOD)?], ["9.80", "2.06", "11.86"])?,
    })
}

fn summary() -> Result<InvoiceSummaryReply> {
    Ok(InvoiceSummaryReply {
        number: NUMBER.to_owned(),
        kind: InvoiceKind::Invoice,
        s3uid: read(S3UID)?,
        issued_at: read("2026-11-22 01:02:03")?,
        due_date: read("2026-12-06")?,
        currency: Currency::EUR,
        net: read("9.80")?,
        tax: read("2.06")?,
        gross: read("11.86")?,
        open: read("11.86")?,
    })
}

fn preview() -> Result<InvoicePreviewReply> {
    let so_far = vec![base_fee(PERIOD)?, storage(["0.500000000", "0.03", "0.01", "0.04"])?];
    let at_end = vec![base_fee(PERIOD)?, storage(["2.000000000", "0.10", "0.02", "0.12"])?];
    let next = vec![storage(["2.000000000", "0.10", "0.02", "0.12"])?, base_fee([PERIOD[1], "2027-01-22"])?];
    let at_end_sums = ["9.90", "2.08", "11.98"];
    Ok(InvoicePreviewReply {
        s3uid: read(S3UID)?,
        period_start: read(PERIOD[0])?,
        period_end: read(PERIOD[1])?,
        so_far: amounts(so_far, ["9.83", "2.07", "11.90"])?,
        at_end: amounts(at_end, at_end_sums)?,
        next_invoice: NextInvoiceReply { due_from: read(PERIOD[1])?, amounts: amounts(next, at_end_sums)? },
    })
}

fn change() -> Result<PlanChangePreviewReply> {
    let days = ["2026-12-02", PERIOD[1]];
    let fee = |description: &str, figures| line(InvoiceLineKind::BaseFee, description, "period", days, figures);
    let back = ["-0.666666667", "9.80", "-6.53", "-1.37", "-7.90"];
    let charged = ["0.666666667", "4.90", "3.27", "0.69", "3.96"];
    let lines = vec![
        fee("Credit for the unused part: Standard S3 Plan: base fee", back)?,
        fee("Archive S3 Plan: base fee", charged)?,
    ];
    Ok(PlanChangePreviewReply {
        s3uid: read(S3UID)?,
        plan_id: PlanId(2),
        now: amounts(lines, ["-3.26", "-0.68", "-3.94"])?,
        next_price: read("4.90")?,
        next_price_gross: read("5.93")?,
        next_period_start: read(PERIOD[1])?,
    })
}
