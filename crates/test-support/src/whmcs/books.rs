//! What the stand-in knows: clients, products, orders, services, invoices.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its number.
    pub id: i64,
    /// Its address.
    pub email: String,
    /// ISO 4217.
    pub currency: String,
    /// ISO 3166.
    pub country: String,
    /// `Active`, `Inactive`, `Closed`.
    pub status: String,
}

impl Client {
    /// An active one in the Netherlands.
    pub fn new(id: i64, email: &str, currency: &str) -> Self {
        let (email, currency) = (email.to_owned(), currency.to_owned());
        Self { id, email, currency, country: "NL".to_owned(), status: "Active".to_owned() }
    }
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What a month costs.
    pub price: Decimal,
    /// Its custom fields' names by their numbers.
    pub custom_fields: BTreeMap<u32, String>,
}

impl Product {
    /// One with these custom fields.
    pub fn new(id: i64, name: &str, price: Decimal, custom_fields: &[(u32, &str)]) -> Self {
        let custom_fields = custom_fields.iter().map(|(id, name)| (*id, (*name).to_owned())).collect();
        Self { id, name: name.to_owned(), price, custom_fields }
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// Who ordered.
    pub client: i64,
    /// When.
    pub date: NaiveDateTime,
    /// What was due at once.
    pub amount: Decimal,
    /// How it is paid.
    pub payment_method: String,
    /// Its invoice, if it has one.
    pub invoice: Option<i64>,
    /// `Pending`, `Active`, `Cancelled`, `Fraud`.
    pub status: String,
    /// What came out of it.
    pub services: Vec<i64>,
    /// Whether the client got a confirmation.
    pub is_confirmed: bool,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub client: i64,
    /// How it came about, if by an order.
    pub order: Option<i64>,
    /// What it is one of.
    pub product: i64,
    /// `Pending`, `Active`, `Suspended`, `Terminated`, `Cancelled`, `Fraud`, `Completed`.
    pub status: String,
    /// The day of its order.
    pub registered: NaiveDate,
    /// Its domain or host name.
    pub domain: String,
    /// Its user name.
    pub username: String,
    /// `Monthly`, ….
    pub billing_cycle: String,
    /// How it is paid.
    pub payment_method: String,
    /// The amount of its first invoice.
    pub first_payment_amount: Decimal,
    /// The amount of each later one.
    pub recurring_amount: Decimal,
    /// Until when it is paid.
    pub next_due_date: Option<NaiveDate>,
    /// When it ended.
    pub termination_date: Option<NaiveDate>,
    /// Why it is suspended.
    pub suspend_reason: String,
    /// `on`, `off` or empty.
    pub override_auto_suspend: String,
    /// Disk used and allowed, bandwidth used and allowed, in MB.
    pub megabytes: Megabytes,
    /// What stands in the product's custom fields.
    pub custom_fields: BTreeMap<u32, String>,
}

/// What a service uses and may use, in MB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Megabytes {
    /// Stored.
    pub disk_usage: u64,
    /// What may be stored.
    pub disk_limit: u64,
    /// Transferred.
    pub bandwidth_usage: u64,
    /// What may be transferred.
    pub bandwidth_limit: u64,
}

/// A request to cancel a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Its number.
    pub id: i64,
    /// Of what.
    pub service: i64,
    /// `Immediate` or `End of Billing Period`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub date: NaiveDateTime,
}

/// A billable item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillableItem {
    /// Its number.
    pub id: i64,
    /// Who pays.
    pub client: i64,
    /// What the invoice says.
    pub description: String,
    /// The whole amount.
    pub amount: Decimal,
    /// `quantity` or `hours`.
    pub unit: String,
    /// How many of them.
    pub quantity: Decimal,
    /// `noinvoice`, `nextcron`, `nextinvoice`, `duedate`, `recur`.
    pub invoice_action: String,
    /// For `duedate` and `recur`.
    pub due_date: Option<NaiveDate>,
    /// The invoice that it is on.
    pub invoice: Option<i64>,
}

/// An invoice; without tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its number.
    pub id: i64,
    /// Who pays.
    pub client: i64,
    /// Its date.
    pub date: NaiveDate,
    /// Until when it is to be paid.
    pub due_date: NaiveDate,
    /// When it was paid in full.
    pub paid_at: Option<NaiveDateTime>,
    /// `Draft`, `Unpaid`, `Paid`, `Cancelled`, ….
    pub status: String,
    /// How it is paid.
    pub payment_method: String,
    /// What it is for.
    pub items: Vec<InvoiceItem>,
    /// What was paid.
    pub payments: Vec<Payment>,
}

impl Invoice {
    /// What is to be paid in all.
    pub fn total(&self) -> Decimal {
        self.items.iter().map(|item| item.amount).sum()
    }

    /// What is still to be paid.
    pub fn balance(&self) -> Decimal {
        self.total() - self.payments.iter().map(|payment| payment.amount).sum::<Decimal>()
    }
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceItem {
    /// `Hosting` for a service, `Item` for a billable item.
    pub kind: String,
    /// The number of the service or the item.
    pub related: i64,
    /// What the client reads.
    pub description: String,
    /// Without tax.
    pub amount: Decimal,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The payment method's own number for it.
    pub transaction_id: String,
    /// The payment method.
    pub gateway: String,
    /// When.
    pub date: NaiveDateTime,
    /// How much.
    pub amount: Decimal,
    /// What the payment method keeps.
    pub fees: Decimal,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) clients: BTreeMap<i64, Client>,
    pub(super) products: BTreeMap<i64, Product>,
    pub(super) orders: BTreeMap<i64, Order>,
    pub(super) services: BTreeMap<i64, Service>,
    pub(super) cancel_requests: Vec<CancelRequest>,
    pub(super) billable_items: Vec<BillableItem>,
    pub(super) invoices: BTreeMap<i64, Invoice>,
}

/// The number after the highest one.
pub(super) fn next_id<T>(records: &BTreeMap<i64, T>) -> i64 {
    records.last_key_value().map_or(1, |(id, _)| id + 1)
}

impl Books {
    pub(super) fn new_service(&self, client: i64, product: &Product, today: NaiveDate) -> Service {
        Service {
            id: next_id(&self.services),
            client,
            order: None,
            product: product.id,
            status: "Pending".to_owned(),
            registered: today,
            domain: String::new(),
            username: String::new(),
            billing_cycle: "Monthly".to_owned(),
            payment_method: super::PAYMENT_METHODS[0].to_owned(),
            first_payment_amount: product.price,
            recurring_amount: product.price,
            next_due_date: Some(today),
            termination_date: None,
            suspend_reason: String::new(),
            override_auto_suspend: String::new(),
            megabytes: Megabytes::default(),
            custom_fields: product.custom_fields.keys().map(|id| (*id, String::new())).collect(),
        }
    }

    pub(super) fn add_service(&mut self, client: i64, product: i64, today: NaiveDate) -> i64 {
        let product = self.products.get(&product).cloned();
        let product = product.unwrap_or_else(|| Product::new(0, "none", Decimal::ZERO, &[]));
        let service = Service { status: "Active".to_owned(), ..self.new_service(client, &product, today) };
        let id = service.id;
        self.services.insert(id, service);
        id
    }

    pub(super) fn add_invoice(
        &mut self,
        client: i64,
        payment_method: &str,
        items: Vec<InvoiceItem>,
        today: NaiveDate,
    ) -> i64 {
        let id = next_id(&self.invoices);
        let invoice = Invoice {
            id,
            client,
            date: today,
            due_date: today,
            paid_at: None,
            status: "Unpaid".to_owned(),
            payment_method: payment_method.to_owned(),
            items,
            payments: Vec::new(),
        };
        self.invoices.insert(id, invoice);
        id
    }

    pub(super) fn invoice_billable_items(&mut self, client: i64, until: NaiveDate, today: NaiveDate) -> Option<i64> {
        let id = next_id(&self.invoices);
        let mut items = Vec::new();
        for item in &mut self.billable_items {
            let is_due = item.due_date.is_none_or(|day| day <= until);
            if item.client == client && item.invoice.is_none() && item.invoice_action != "noinvoice" && is_due {
                item.invoice = Some(id);
                let (description, amount) = (item.description.clone(), item.amount);
                items.push(InvoiceItem { kind: "Item".to_owned(), related: item.id, description, amount });
            }
        }
        if items.is_empty() {
            return None;
        }
        Some(self.add_invoice(client, super::PAYMENT_METHODS[0], items, today))
    }
}
