//! What billing says of customers, plans, orders and services.

use model::{BucketName, Currency, CustomerId, Location, OrderId, PlanId, S3Uid, ServiceId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::ServiceHold;

/// A customer was added or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CustomerChanged {
    /// The customer.
    pub id: CustomerId,
    /// Where invoices go.
    pub email: String,
    /// ISO 3166-1, two letters, upper-case.
    pub country: String,
    /// What they pay in.
    pub currency: Currency,
    /// The operator's entity that bills them.
    pub billing_entity: String,
}

/// A plan was added or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChanged {
    /// The plan.
    pub plan_id: PlanId,
    /// The version that counts from now on.
    pub version: i32,
    /// The plan's name.
    pub name: String,
}

/// An order was taken; its account is being made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPlaced {
    /// The order.
    pub order_id: OrderId,
    /// The account that is being made.
    pub s3uid: S3Uid,
    /// The plan.
    pub plan_id: PlanId,
    /// The version of the plan that is sold.
    pub plan_version: i32,
    /// Where.
    pub location: Location,
    /// The first bucket.
    pub bucket_name: BucketName,
}

/// An order failed; nothing is charged, and what was made is being taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderFailed {
    /// The order.
    pub order_id: OrderId,
    /// The account that will not be.
    pub s3uid: S3Uid,
    /// What the caller reads.
    pub reason: String,
}

/// An account is its customer's, and billed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStarted {
    /// The service.
    pub service_id: ServiceId,
    /// The order it came from.
    pub order_id: OrderId,
    /// When the first period begins.
    pub period_start: Timestamp,
    /// When it ends.
    pub period_end: Timestamp,
    /// Why the first bucket could not be made, where it couldn't.
    pub bucket_error: Option<String>,
}

/// A service's next period has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRenewed {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// When the new period begins.
    pub period_start: Timestamp,
    /// When it ends.
    pub period_end: Timestamp,
}

/// A service is held back by an administrator, or no longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceHeld {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// How far.
    pub hold: ServiceHold,
    /// Why, in the administrator's words.
    pub reason: Option<String>,
}

/// A service was cancelled; its account ends later, and until then that can be withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceCancelled {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// When it was cancelled.
    pub cancelled_at: Timestamp,
    /// When the account ends.
    pub termination_at: Timestamp,
}

/// A service's cancellation was withdrawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceCancellationWithdrawn {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// When the account would have ended.
    pub termination_at: Timestamp,
}

/// A service is over for good: its account is being deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceTerminated {
    /// The service.
    pub service_id: ServiceId,
    /// The account.
    pub s3uid: S3Uid,
    /// When.
    pub terminated_at: Timestamp,
    /// What was paid for begins to be unused here and ends with `period_end`.
    pub period_end: Timestamp,
    /// Why, in the words of whoever asked for it.
    pub reason: Option<String>,
}

/// A service's account is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceEnded {
    /// The service.
    pub service_id: ServiceId,
    /// The account that no longer exists.
    pub s3uid: S3Uid,
}
