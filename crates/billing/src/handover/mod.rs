//! Handing over to the system that issues the invoices in Purser's stead.
//!
//! What it must be told is noted as a task in the transaction in which it happens; [`runner`] does the tasks, those of
//! one order one after the other. The system may be down for days: tasks wait, nothing is lost or told twice.

pub mod operators;
pub(crate) mod runner;
pub(crate) mod tasks;
mod whmcs;

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::NaiveDate;
use model::{CustomerId, OrderId, PlanId, S3Uid};
use rust_decimal::Decimal;

pub use self::whmcs::WhmcsInvoicing;
use crate::domain::handover::ExternalStatus;

/// What of WHMCS an operator must tell Purser.
#[derive(Debug, Clone)]
pub struct WhmcsSettings {
    /// WHMCS's product for each plan.
    pub products: BTreeMap<PlanId, i64>,
    /// The number of the products' custom field that holds Purser's order. It is how an order is found again.
    pub order_field: u32,
    /// How orders are paid, in WHMCS's name: `banktransfer`.
    pub payment_method: String,
}

/// An order, as it is handed over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExternalOrder {
    pub(crate) id: OrderId,
    pub(crate) customer_id: CustomerId,
    pub(crate) plan_id: PlanId,
    pub(crate) s3uid: S3Uid,
    /// The service's readable name.
    pub(crate) name: String,
    /// Net, per period, in the customer's currency.
    pub(crate) price: Decimal,
    pub(crate) billing_cycle: &'static str,
}

/// What the other system calls an order and its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) order_id: Option<i64>,
    pub(crate) service_id: i64,
    pub(crate) acceptance: Acceptance,
}

/// Whether an order was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It is to be.
    Pending,
    /// It was.
    Accepted,
    /// It was cancelled, by staff or by a check for fraud.
    Rejected,
}

/// What is told of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServiceUpdate {
    /// With the day from which it counts, and why.
    pub(crate) status: Option<(ExternalStatus, NaiveDate, Option<String>)>,
    pub(crate) disk_usage_mb: u64,
    pub(crate) disk_limit_mb: u64,
    pub(crate) bandwidth_usage_mb: u64,
    /// 0: unlimited.
    pub(crate) bandwidth_limit_mb: u64,
}

/// The system that issues invoices.
#[async_trait]
pub(crate) trait ExternalInvoicing: Debug + Send + Sync {
    /// Whether it knows this customer.
    async fn knows_customer(&self, id: CustomerId) -> Result<bool, ::whmcs::Error>;

    /// The order, if it was placed before.
    async fn find_order(&self, order: &ExternalOrder) -> Result<Option<Placed>, ::whmcs::Error>;

    /// Places an order. **The same again is a second one**: look for it first.
    async fn place_order(&self, order: &ExternalOrder) -> Result<(), ::whmcs::Error>;

    /// Accepts an order.
    async fn accept_order(&self, order_id: i64, s3uid: &S3Uid) -> Result<(), ::whmcs::Error>;

    /// Asks for a service's end with what is paid; asked again, it changes nothing.
    async fn cancel(&self, service_id: i64, reason: &str) -> Result<(), ::whmcs::Error>;

    /// Changes what is known of a service; the same again changes nothing.
    async fn update(&self, service_id: i64, update: &ServiceUpdate) -> Result<(), ::whmcs::Error>;

    /// Adds a net amount to the customer's next invoice. **The same again is a second one.**
    async fn add_item(&self, id: CustomerId, description: &str, net: Decimal) -> Result<i64, ::whmcs::Error>;
}
