//! A typed client of WHMCS's API (`POST <base>/includes/api.php`).
//!
//! [`Client`] has one method for each action that Purser uses. What WHMCS answers is read leniently: numbers and
//! amounts may be text, empty lists may be `""`, dates may be `0000-00-00`.
//!
//! Money depends on [`Error`]: it keeps apart what certainly wasn't done and what may have been. WHMCS has no
//! idempotency key, and nothing here repeats a request. Who wants to repeat one whose outcome is [`Error::Unknown`]
//! has to look first whether it was done: an order by a custom field ([`Service::custom_field`]), an acceptance or a
//! cancellation by the order's or service's state. A billable item can't be looked up until it is on an invoice.
//!
//! | module | actions |
//! |---|---|
//! | `clients` | `GetClientsDetails` |
//! | `services` | `GetClientsProducts`, `UpdateClientProduct` |
//! | `orders` | `AddOrder`, `AcceptOrder`, `CancelOrder`, `GetOrders` |
//! | `cancellations` | `AddCancelRequest`, `GetCancelledPackages` |
//! | `billable` | `AddBillableItem` |
//! | `invoices` | `GetInvoices`, `GetInvoice`, `AddInvoicePayment` |

mod answer;
mod billable;
mod call;
mod cancellations;
mod client;
mod clients;
mod custom_fields;
mod error;
mod ids;
mod invoices;
mod lenient;
mod orders;
mod pages;
mod services;
mod status;

pub use billable::{BillableItem, InvoiceAction, RecurCycle, Unit};
pub use cancellations::{CancelOutcome, CancelType, Cancellation};
pub use client::{Client, InvalidSettings, Settings};
pub use clients::ClientDetails;
pub use custom_fields::CustomField;
pub use error::Error;
pub use ids::{BillableItemId, CancellationId, ClientId, InvoiceId, OrderId, ProductId, ServiceId};
pub use invoices::{Invoice, InvoiceItem, InvoicePayment, InvoiceSummary, Transaction};
pub use orders::{AcceptOrder, AddOrder, AddedOrder, Order, OrderFilter, OrderLine};
pub use services::{DateChange, Service, ServiceChanges, ServiceFilter};
pub use status::{ClientStatus, InvoiceStatus, OrderStatus, ServiceStatus};
