//! Invoices, plan changes and payments. Amounts are decimals in texts, so that they stay exact.

use chrono::NaiveDate;
use model::{Currency, CustomerId, PlainTime, PlanId, S3Uid};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lenient;

/// Reads what the running period costs, and what the next invoice will say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoicePreview {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// The reply to `invoice_preview`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoicePreviewReply {
    /// The account.
    pub s3uid: S3Uid,
    /// The running period's first day.
    pub period_start: NaiveDate,
    /// The first day that is no longer part of it.
    pub period_end: NaiveDate,
    /// What the running period costs if nothing more is used.
    pub so_far: InvoiceAmounts,
    /// What it costs if what is stored now stays stored, and nothing more is transferred.
    pub at_end: InvoiceAmounts,
    /// The next document, under the same assumption; on its day it is what is issued.
    pub next_invoice: NextInvoiceReply,
}

/// The document that comes next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NextInvoiceReply {
    /// The day it is for; it is issued once the usage before it is final.
    pub due_from: NaiveDate,
    /// What it says.
    #[serde(flatten)]
    pub amounts: InvoiceAmounts,
}

/// Lines with their sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceAmounts {
    /// Of all amounts.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<InvoiceLineReply>,
    /// The sum of the lines' net amounts.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub net: Decimal,
    /// The sum of the lines' taxes.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub tax: Decimal,
    /// Net and tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub gross: Decimal,
}

/// What a line charges for, or gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceLineKind {
    /// Once, with the first period.
    SetupFee,
    /// The plan's price, in advance, by day.
    BaseFee,
    /// Storage beyond what is included, weighted by time, in arrears.
    StorageOverage,
    /// Traffic beyond what is included, in arrears.
    TrafficOverage,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceLineReply {
    /// What it is for.
    pub kind: InvoiceLineKind,
    /// The same in words.
    pub description: String,
    /// The first day that it is about; a correction stands on the period that it corrects.
    pub period_start: NaiveDate,
    /// The first day that is no longer part of it.
    pub period_end: NaiveDate,
    /// Of scale 9; less than nothing where something is given back.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub quantity: Decimal,
    /// What one of the quantity is: `piece`, `period`, `GB-period` or `GB`.
    pub unit: String,
    /// The net price of one.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub unit_price: Decimal,
    /// Quantity times price, rounded once.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub net: Decimal,
    /// Percent.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub tax_percent: Decimal,
    /// The tax on the net amount, rounded once.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub tax: Decimal,
    /// Net and tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub gross: Decimal,
}

/// Lists a customer's invoices and credit notes, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListInvoices {
    /// One account's only.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
    /// 1: those that aren't paid only.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub open: Option<i64>,
}

/// The reply to `list_invoices`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListInvoicesReply {
    /// Newest first; 500 at most.
    pub invoices: Vec<InvoiceSummaryReply>,
    /// What the customer has paid too much, or was given back, by currency.
    pub credit: Vec<AmountReply>,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AmountReply {
    /// The currency.
    pub currency: Currency,
    /// The amount.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub amount: Decimal,
}

/// Whether a document asks for money or gives it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceKind {
    /// It asks for money.
    Invoice,
    /// It gives money back: its amounts are negative.
    CreditNote,
}

/// An invoice or credit note without its lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceSummaryReply {
    /// Its number.
    pub number: String,
    /// What it is.
    pub kind: InvoiceKind,
    /// The account.
    pub s3uid: S3Uid,
    /// When it was issued.
    pub issued_at: PlainTime,
    /// The last day on which it is paid in time.
    pub due_date: NaiveDate,
    /// Of all amounts.
    pub currency: Currency,
    /// Net.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub net: Decimal,
    /// Tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub tax: Decimal,
    /// Net and tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub gross: Decimal,
    /// What is still to be paid.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub open: Decimal,
}

/// Reads one invoice or credit note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetInvoice {
    /// Its number.
    pub number: String,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// An invoice or credit note: the reply to `get_invoice`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceReply {
    /// Its number.
    pub number: String,
    /// What it is.
    pub kind: InvoiceKind,
    /// The account.
    pub s3uid: S3Uid,
    /// The account's readable name.
    pub name: String,
    /// The operator's entity that bills.
    pub billing_entity: String,
    /// The customer as they were when it was issued.
    pub customer: InvoiceCustomerReply,
    /// When it was issued.
    pub issued_at: PlainTime,
    /// The last day on which it is paid in time.
    pub due_date: NaiveDate,
    /// What is still to be paid.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub open: Decimal,
    /// What it says.
    #[serde(flatten)]
    pub amounts: InvoiceAmounts,
}

/// Whom an invoice is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceCustomerReply {
    /// The customer.
    pub id: CustomerId,
    /// Empty where it isn't known.
    pub name: String,
    /// May have several lines; empty where it isn't known.
    pub address: String,
    /// ISO 3166-1, two letters.
    pub country: String,
    /// Empty where there is none.
    pub vat_id: String,
    /// Where invoices go.
    pub email: String,
}

/// Moves an account to another plan, or to the newest version of its own, from today on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangePlan {
    /// The account; may be left out by a customer who has only one.
    #[serde(default, alias = "account_id", deserialize_with = "lenient::optional_text")]
    pub s3uid: Option<String>,
    /// The plan.
    #[serde(deserialize_with = "lenient::integer")]
    pub plan_id: PlanId,
    /// The customer, for administrators.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
}

/// Reads what moving an account to another plan would cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PlanChangePreview(pub ChangePlan);

/// The reply to `change_plan`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangePlanReply {
    /// The account.
    pub s3uid: S3Uid,
    /// The plan that it has now.
    pub plan_id: PlanId,
    /// The document about it; absent where the change costs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
}

/// The reply to `plan_change_preview`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChangePreviewReply {
    /// The account.
    pub s3uid: S3Uid,
    /// The plan that it would have.
    pub plan_id: PlanId,
    /// What would be invoiced at once: what is left of the old plan given back, what is left of the period charged.
    pub now: InvoiceAmounts,
    /// The new plan's net price for each period after this one.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub next_price: Decimal,
    /// The same with tax.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub next_price_gross: Decimal,
    /// When the next period begins.
    pub next_period_start: NaiveDate,
}

/// Notes that a customer has paid. For administrators and internal services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddPayment {
    /// The customer.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub id: Option<CustomerId>,
    /// How much, more than nothing: `"11.90"`.
    #[serde(serialize_with = "rust_decimal::serde::str::serialize", deserialize_with = "lenient::decimal")]
    #[schemars(with = "String")]
    pub amount: Decimal,
    /// In which currency.
    pub currency: Currency,
    /// What the bank or the payment service calls it. The same one counts once.
    #[serde(deserialize_with = "lenient::text")]
    pub reference: String,
    /// The invoice that is paid first; the oldest ones where absent, and with what is left.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub invoice: Option<String>,
    /// When it was paid; today where absent.
    #[serde(default, deserialize_with = "lenient::optional_date")]
    pub paid_on: Option<NaiveDate>,
}

/// The reply to `add_payment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AddPaymentReply {
    /// The payment.
    pub payment_id: Uuid,
    /// What it settled.
    pub settled: Vec<SettledReply>,
    /// What of it became credit.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub credited: Decimal,
}

/// What an invoice got of a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SettledReply {
    /// The invoice.
    pub number: String,
    /// How much.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub amount: Decimal,
    /// What is still to be paid of it.
    #[serde(with = "rust_decimal::serde::str")]
    #[schemars(with = "String")]
    pub open: Decimal,
}
