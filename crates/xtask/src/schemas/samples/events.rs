//! Events, whole.

use anyhow::{Result, bail};
use messages::{
    AccountAccess, AccountAccessChanged, AccountDeleted, AccountProvisionFailed, AccountProvisioned,
    AccountQuotaChanged, AccountReleased, BucketCreated, BucketDeleted, BucketDiscovered, BucketVanished,
    BucketWatched, CustomerChanged, DriftDetected, DriftKind, Event, FileDeleted, GapKind, KeyKind, KeyRotated,
    KeyShown, MessageDropped, MessageRedriven, OrderFailed, OrderPlaced, PlanChanged, QuotaThresholdCrossed, RoleName,
    ServiceCancellationWithdrawn, ServiceCancelled, ServiceEnded, ServiceRenewed, ServiceStarted, ServiceTerminated,
    StorageInHour, Subject, TrafficInHour, UsageGapDetected, UsageRecorded,
};
use model::{CustomerId, OrderId, PlanId, ServiceId};
use serde::Serialize;
use serde_json::Value;

use super::{ACCESS_KEY, ORDER_ID, S3UID, invoices, read};

/// What an event says: about what, in words, and in data.
struct Said {
    subject: Subject,
    description: String,
    data: Value,
}

impl Said {
    fn new(subject: Subject, description: impl Into<String>, data: &impl Serialize) -> Result<Self> {
        Ok(Self { subject, description: description.into(), data: serde_json::to_value(data)? })
    }

    fn account(description: impl Into<String>, data: &impl Serialize) -> Result<Self> {
        Self::new(Subject::Account(read(S3UID)?), description, data)
    }
}

/// An event of this name, as the role publishes it.
pub(crate) fn event(name: &str, role: RoleName) -> Result<Event> {
    let said = match name.split_once('.') {
        Some(("account", _)) => account(name)?,
        Some(("service", _)) => service(name)?,
        Some(("usage" | "quota" | "drift", _)) => usage(name)?,
        Some(("bucket" | "file" | "key", _)) => bucket(name)?,
        Some(("message", _)) => message(name)?,
        _ => commerce(name)?,
    };
    Ok(Event {
        id: read("0193500a-7a10-7b6c-8f1d-2e3f4a5b6c7d")?,
        source: format!("/purser/{role}"),
        event: name.to_owned(),
        subject: said.subject.to_string(),
        subject_version: 3,
        time: read("2026-11-22T01:02:03Z")?,
        customer_id: (!name.starts_with("plan.") && name != "usage.gap_detected").then_some(CustomerId(1)),
        description: said.description,
        data: said.data,
    })
}

fn account(name: &str) -> Result<Said> {
    let (order_id, s3uid) = (OrderId(read(ORDER_ID)?), read(S3UID)?);
    match name {
        "account.provisioned" => {
            let (customer_id, location, bucket_name) = (CustomerId(1), read("NL")?, read("my-new-bucket")?);
            let data = AccountProvisioned { order_id, s3uid, customer_id, location, bucket_name, bucket_error: None };
            Said::account("S3 account created in NL", &data)
        }
        "account.provision_failed" => {
            let reason = "RGW refused the user".to_owned();
            Said::account("S3 account could not be created", &AccountProvisionFailed { order_id, s3uid, reason })
        }
        "account.released" => Said::account("S3 account taken back", &AccountReleased { order_id, s3uid }),
        "account.deleted" => {
            let buckets = vec!["my-new-bucket".to_owned()];
            let data = AccountDeleted { s3uid, customer_id: CustomerId(1), buckets, objects_deleted: 42 };
            Said::account("S3 account deleted with 1 bucket and 42 objects", &data)
        }
        "account.access_changed" => {
            let (access, previous_access) = (AccountAccess::ReadOnly, AccountAccess::Full);
            let data = AccountAccessChanged { s3uid, access, previous_access };
            Said::account("S3 account locked for writing: an invoice is overdue", &data)
        }
        "account.quota_changed" => {
            let (quota_bytes, previous_quota_bytes) = (200_000_000_000, 100_000_000_000);
            let data = AccountQuotaChanged { s3uid, quota_bytes, previous_quota_bytes };
            Said::account("Quota set to 200 GB", &data)
        }
        _ => bail!("{name} has no sample event; write one here"),
    }
}

fn message(name: &str) -> Result<Said> {
    let (parked_id, message_id) = (read("0193500a-7a10-7b6c-8f1d-2e3f4a5b6c7e")?, Some(ORDER_ID.to_owned()));
    let (action, queue) = (Some("delete_bucket".to_owned()), "s3.provisioner".to_owned());
    match name {
        "message.redriven" => {
            let reason = "out-of-attempts".to_owned();
            let data = MessageRedriven { parked_id, message_id, action, queue, reason };
            Said::account("A message that had been set aside was given back to work: delete_bucket", &data)
        }
        "message.dropped" => {
            let (reason, note) = ("refused-unheard".to_owned(), "the customer has left".to_owned());
            let data = MessageDropped { parked_id, message_id, action, queue, reason, note };
            Said::account("A message that had been set aside was thrown away: delete_bucket", &data)
        }
        _ => bail!("{name} has no sample event; write one here"),
    }
}

fn bucket(name: &str) -> Result<Said> {
    let (s3uid, bucket_name) = (read(S3UID)?, read("my-new-bucket")?);
    match name {
        "bucket.created" => Said::account("Bucket my-new-bucket created", &BucketCreated { s3uid, bucket_name }),
        "bucket.deleted" => Said::account("Bucket my-new-bucket deleted", &BucketDeleted { s3uid, bucket_name }),
        "bucket.discovered" => {
            let data = BucketDiscovered {
                s3uid,
                bucket_name: "my-own-bucket".to_owned(),
                measured_at: Some(read("2026-11-22T01:02:03Z")?),
            };
            Said::account("Bucket my-own-bucket appeared", &data)
        }
        "bucket.vanished" => {
            let data = BucketVanished {
                s3uid,
                bucket_name: "my-own-bucket".to_owned(),
                measured_at: Some(read("2026-11-22T01:02:03Z")?),
            };
            Said::account("Bucket my-own-bucket is gone", &data)
        }
        "bucket.watched" => {
            let data = BucketWatched { s3uid, bucket_name: "my-own-bucket".to_owned() };
            Said::account("Changes of bucket my-own-bucket are reported", &data)
        }
        "file.deleted" => {
            let data = FileDeleted { s3uid, bucket_name, filename: "folder/file.txt".to_owned() };
            Said::account("File folder/file.txt deleted from my-new-bucket", &data)
        }
        "key.shown" => Said::account("Secret key shown", &KeyShown { s3uid, s3_key: KeyKind::SecretKey }),
        "key.rotated" => Said::account("Secret key replaced", &KeyRotated { s3uid, access_key: ACCESS_KEY.to_owned() }),
        _ => bail!("{name} has no sample event; write one here"),
    }
}

fn usage(name: &str) -> Result<Said> {
    let (s3uid, location) = (read(S3UID)?, read("NL")?);
    let hour = read("2026-11-21T13:00:00Z")?;
    match name {
        "usage.recorded" => {
            let traffic = TrafficInHour {
                bucket_name: "my-new-bucket".to_owned(),
                category: "put_obj".to_owned(),
                bytes_in: 5_242_880,
                bytes_out: 0,
                operations: 3,
                successful_operations: 3,
            };
            let storage = StorageInHour {
                bucket_name: "my-new-bucket".to_owned(),
                byte_hours: read("2621440.25")?,
                peak_bytes: 5_242_880,
                closing_bytes: 5_242_880,
                closing_objects: 3,
            };
            let data = UsageRecorded {
                s3uid,
                location,
                hour,
                revision: 1,
                traffic: vec![traffic],
                storage: vec![storage],
                closing_bytes: 5_242_880,
                peak_bytes: 5_242_880,
            };
            Said::new(Subject::Usage(read(S3UID)?), "Usage of 2026-11-21 13:00", &data)
        }
        "usage.gap_detected" => {
            let detail = "2 of 60 of Purser's own requests are in the log".to_owned();
            let data = UsageGapDetected { location, hour, kind: GapKind::LostFlush, s3uid: None, detail };
            Said::new(Subject::Location(read("NL")?), "RGW's usage log in NL lacks something", &data)
        }
        "quota.threshold_reached" | "quota.threshold_left" => {
            let (used_bytes, quota_bytes) = (81_000_000_000, 100_000_000_000);
            let data = QuotaThresholdCrossed { s3uid, threshold_percent: 80, used_bytes, quota_bytes };
            Said::account("80 % of the quota", &data)
        }
        "drift.detected" | "drift.resolved" => {
            let data = DriftDetected {
                location,
                kind: DriftKind::Quota,
                s3uid: Some(s3uid),
                subject: S3UID.to_owned(),
                expected: "100000000000".to_owned(),
                found: "50000000000".to_owned(),
            };
            Said::account("The quota on RGW isn't the account's", &data)
        }
        _ => bail!("{name} has no sample event; write one here"),
    }
}

fn service(name: &str) -> Result<Said> {
    let (service_id, s3uid) = (ServiceId(456), read(S3UID)?);
    let (period_start, period_end) = (read("2026-11-22T00:00:00Z")?, read("2026-12-22T00:00:00Z")?);
    match name {
        "service.started" => {
            let order_id = OrderId(read(ORDER_ID)?);
            let data = ServiceStarted { service_id, order_id, period_start, period_end, bucket_error: None };
            Said::account("Service started", &data)
        }
        "service.renewed" => {
            Said::account("Service renewed", &ServiceRenewed { service_id, s3uid, period_start, period_end })
        }
        "service.cancelled" => {
            let cancelled_at = read("2026-11-22T01:02:03Z")?;
            let data = ServiceCancelled { service_id, s3uid, cancelled_at, termination_at: period_end };
            Said::account("Service cancelled for 2026-12-22 00:00:00", &data)
        }
        "service.cancellation_withdrawn" => {
            let data = ServiceCancellationWithdrawn { service_id, s3uid, termination_at: period_end };
            Said::account("Cancellation withdrawn", &data)
        }
        "service.terminated" => {
            let (terminated_at, reason) = (read("2026-11-22T01:02:03Z")?, Some("moved elsewhere".to_owned()));
            Said::account(
                "Service terminated",
                &ServiceTerminated { service_id, s3uid, terminated_at, period_end, reason },
            )
        }
        "service.plan_changed" => {
            Said::account("Plan changed from Standard S3 Plan to Archive S3 Plan", &invoices::plan_changed()?)
        }
        "service.held" => Said::account("Held back: reading only", &invoices::held()?),
        "service.reminded" => Said::account("Reminder: 11.86 EUR are due since 2026-12-06", &invoices::dunned(true)?),
        "service.locked" => Said::account("Reading only: 11.86 EUR are overdue", &invoices::dunned(true)?),
        "service.suspended" => Said::account("Suspended: 11.86 EUR are overdue", &invoices::dunned(true)?),
        "service.restored" => Said::account("Restored: nothing is overdue any more", &invoices::dunned(false)?),
        "service.ended" => Said::account("Service ended", &ServiceEnded { service_id, s3uid }),
        _ => bail!("{name} has no sample event; write one here"),
    }
}

fn commerce(name: &str) -> Result<Said> {
    let (order_id, s3uid) = (OrderId(read(ORDER_ID)?), read(S3UID)?);
    match name {
        "order.placed" => {
            let (plan_id, location, bucket_name) = (PlanId(1), read("NL")?, read("my-new-bucket")?);
            let data = OrderPlaced { order_id, s3uid, plan_id, plan_version: 1, location, bucket_name };
            Said::new(Subject::Order(order_id), "Plan PS100 ordered", &data)
        }
        "order.failed" => {
            let reason = "the account was not ready in time".to_owned();
            Said::new(Subject::Order(order_id), "Order failed", &OrderFailed { order_id, s3uid, reason })
        }
        "invoice.issued" | "credit_note.issued" => {
            let (description, data) = invoices::issued(name == "invoice.issued")?;
            Said::account(description, &data)
        }
        "invoicing.task_parked" => {
            let data = invoices::parked()?;
            Said::account(format!("A person must look: {}", data.detail), &data)
        }
        "payment.received" => {
            let data = invoices::payment()?;
            Said::new(Subject::Customer(CustomerId(1)), "Payment of 11.90 EUR received", &data)
        }
        "plan.added" | "plan.updated" => {
            let (plan_id, name) = (PlanId(1), "PS100".to_owned());
            Said::new(Subject::Plan(plan_id), "Plan PS100: version 2", &PlanChanged { plan_id, version: 2, name })
        }
        "customer.added" | "customer.changed" => {
            let data = CustomerChanged {
                id: CustomerId(1),
                email: "alice@example.com".to_owned(),
                country: "NL".to_owned(),
                currency: read("EUR")?,
                billing_entity: "NL".to_owned(),
            };
            Said::new(Subject::Customer(data.id), "Customer alice@example.com", &data)
        }
        _ => bail!("{name} has no sample event; write one here"),
    }
}
