//! Events: facts that a role publishes after it committed them.

mod accounts;
mod drift;
mod invoices;
mod parked;
mod services;
mod usage;

use std::fmt;

pub use accounts::{
    AccountAccessChanged, AccountDeleted, AccountProvisionFailed, AccountProvisioned, AccountQuotaChanged,
    AccountReleased, BucketCreated, BucketDeleted, BucketWatched, FileDeleted, KeyRotated, KeyShown,
};
pub use drift::{DriftDetected, DriftKind};
pub use invoices::{InvoiceIssued, InvoicingTaskParked, PaymentReceived, ServiceDunned, ServicePlanChanged};
use model::{CustomerId, Location, OrderId, PlanId, S3Uid, Timestamp};
pub use parked::{MessageDropped, MessageRedriven};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use services::{
    CustomerChanged, OrderFailed, OrderPlaced, PlanChanged, ServiceCancellationWithdrawn, ServiceCancelled,
    ServiceEnded, ServiceHeld, ServiceRenewed, ServiceStarted, ServiceTerminated,
};
pub use usage::{
    BucketDiscovered, BucketVanished, GapKind, QuotaThresholdCrossed, StorageInHour, TrafficInHour, UsageGapDetected,
    UsageRecorded,
};
use uuid::Uuid;

use crate::RoleName;

/// What an event is about; events of one subject are published in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// `account/<s3uid>`.
    Account(S3Uid),
    /// `order/<uuid>`.
    Order(OrderId),
    /// `plan/<number>`.
    Plan(PlanId),
    /// `customer/<number>`.
    Customer(CustomerId),
    /// `usage/<s3uid>`: what an account used, apart from what happened to it.
    Usage(S3Uid),
    /// `location/<code>`.
    Location(Location),
    /// `message/<uuid>`: a parked message that names no account.
    Message(Uuid),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(s3uid) => write!(f, "account/{s3uid}"),
            Self::Order(id) => write!(f, "order/{id}"),
            Self::Plan(id) => write!(f, "plan/{id}"),
            Self::Customer(id) => write!(f, "customer/{id}"),
            Self::Usage(s3uid) => write!(f, "usage/{s3uid}"),
            Self::Location(code) => write!(f, "location/{code}"),
            Self::Message(id) => write!(f, "message/{id}"),
        }
    }
}

/// An event as it is published; `id` to `time` are its CloudEvents attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// `ce-id`: consumers of deltas dedupe by it.
    pub id: Uuid,
    /// `ce-source`: `/purser/<role>`.
    pub source: String,
    /// `ce-type` and routing key: `bucket.created`.
    pub event: String,
    /// `ce-subject`: see [`Subject`].
    pub subject: String,
    /// Grows by one with each event of this source about this subject.
    pub subject_version: i64,
    /// `ce-time`.
    pub time: Timestamp,
    /// The customer whom it concerns.
    pub customer_id: Option<CustomerId>,
    /// One readable sentence.
    pub description: String,
    /// The event's own fields.
    pub data: serde_json::Value,
}

/// The typed data of an event.
pub trait EventData: Serialize + DeserializeOwned + Send + Sync {
    /// `ce-type` and routing key; the first one, where two events have the same data.
    const EVENT: &'static str;
}

macro_rules! event {
    ($($type:ty => $name:literal),+ $(,)?) => {
        $(impl EventData for $type { const EVENT: &'static str = $name; })+
    };
}

event!(
    AccountAccessChanged => "account.access_changed",
    AccountDeleted => "account.deleted",
    AccountProvisionFailed => "account.provision_failed",
    AccountProvisioned => "account.provisioned",
    AccountQuotaChanged => "account.quota_changed",
    AccountReleased => "account.released",
    BucketCreated => "bucket.created",
    BucketDeleted => "bucket.deleted",
    BucketDiscovered => "bucket.discovered",
    BucketVanished => "bucket.vanished",
    BucketWatched => "bucket.watched",
    CustomerChanged => "customer.changed",
    DriftDetected => "drift.detected",
    FileDeleted => "file.deleted",
    InvoiceIssued => "invoice.issued",
    InvoicingTaskParked => "invoicing.task_parked",
    KeyRotated => "key.rotated",
    KeyShown => "key.shown",
    MessageDropped => "message.dropped",
    MessageRedriven => "message.redriven",
    OrderFailed => "order.failed",
    OrderPlaced => "order.placed",
    PaymentReceived => "payment.received",
    PlanChanged => "plan.updated",
    QuotaThresholdCrossed => "quota.threshold_reached",
    ServiceCancellationWithdrawn => "service.cancellation_withdrawn",
    ServiceCancelled => "service.cancelled",
    ServiceDunned => "service.reminded",
    ServiceEnded => "service.ended",
    ServiceHeld => "service.held",
    ServicePlanChanged => "service.plan_changed",
    ServiceRenewed => "service.renewed",
    ServiceStarted => "service.started",
    ServiceTerminated => "service.terminated",
    UsageGapDetected => "usage.gap_detected",
    UsageRecorded => "usage.recorded",
);

/// Every event there is, with the role that publishes it. Schemas follow this table.
pub const EVENTS: &[(&str, RoleName)] = &[
    (AccountAccessChanged::EVENT, RoleName::Provisioner),
    (AccountDeleted::EVENT, RoleName::Provisioner),
    (AccountProvisionFailed::EVENT, RoleName::Provisioner),
    (AccountProvisioned::EVENT, RoleName::Provisioner),
    (AccountQuotaChanged::EVENT, RoleName::Provisioner),
    (AccountReleased::EVENT, RoleName::Provisioner),
    (BucketCreated::EVENT, RoleName::Provisioner),
    (BucketDeleted::EVENT, RoleName::Provisioner),
    (BucketDiscovered::EVENT, RoleName::Metering),
    (BucketVanished::EVENT, RoleName::Metering),
    (BucketWatched::EVENT, RoleName::Provisioner),
    ("credit_note.issued", RoleName::Billing),
    ("customer.added", RoleName::Billing),
    (CustomerChanged::EVENT, RoleName::Billing),
    (DriftDetected::EVENT, RoleName::Provisioner),
    ("drift.resolved", RoleName::Provisioner),
    (FileDeleted::EVENT, RoleName::Provisioner),
    (InvoiceIssued::EVENT, RoleName::Billing),
    (InvoicingTaskParked::EVENT, RoleName::Billing),
    (KeyRotated::EVENT, RoleName::Provisioner),
    (KeyShown::EVENT, RoleName::Provisioner),
    (MessageDropped::EVENT, RoleName::Billing),
    (MessageRedriven::EVENT, RoleName::Billing),
    (OrderFailed::EVENT, RoleName::Billing),
    (OrderPlaced::EVENT, RoleName::Billing),
    (PaymentReceived::EVENT, RoleName::Billing),
    ("plan.added", RoleName::Billing),
    (PlanChanged::EVENT, RoleName::Billing),
    (QuotaThresholdCrossed::EVENT, RoleName::Metering),
    ("quota.threshold_left", RoleName::Metering),
    (ServiceCancellationWithdrawn::EVENT, RoleName::Billing),
    (ServiceCancelled::EVENT, RoleName::Billing),
    (ServiceEnded::EVENT, RoleName::Billing),
    (ServiceHeld::EVENT, RoleName::Billing),
    ("service.locked", RoleName::Billing),
    (ServicePlanChanged::EVENT, RoleName::Billing),
    (ServiceDunned::EVENT, RoleName::Billing),
    (ServiceRenewed::EVENT, RoleName::Billing),
    ("service.restored", RoleName::Billing),
    (ServiceStarted::EVENT, RoleName::Billing),
    ("service.suspended", RoleName::Billing),
    (ServiceTerminated::EVENT, RoleName::Billing),
    (UsageGapDetected::EVENT, RoleName::Metering),
    (UsageRecorded::EVENT, RoleName::Metering),
];
