//! What operators see of customers, services and payments.

use history::Failure;
use model::{CustomerId, Location, S3Uid, ServiceId};
use sqlx::PgPool;

use crate::store;
pub use crate::store::listing::{ShownCustomer, ShownPayment, ShownService};

/// The states that a service can be in.
pub const SERVICE_STATES: [&str; 5] = ["running", "locked", "off", "deleting", "deleted"];

/// Which services are meant: what isn't given doesn't matter.
#[derive(Debug, Clone, Default)]
pub struct ServiceFilter {
    /// This customer's.
    pub customer: Option<CustomerId>,
    /// This account's.
    pub account: Option<S3Uid>,
    /// Those in this location.
    pub location: Option<Location>,
    /// Those in this state, one of [`SERVICE_STATES`].
    pub state: Option<String>,
}

/// Customers by number; at most `rows_max`.
pub async fn customers(pool: &PgPool, rows_max: i64) -> Result<Vec<ShownCustomer>, Failure> {
    store::listing::customers(pool, None, rows_max).await
}

/// One customer.
pub async fn customer(pool: &PgPool, id: CustomerId) -> Result<Option<ShownCustomer>, Failure> {
    Ok(store::listing::customers(pool, Some(id.0), 1).await?.pop())
}

/// Services, also those that are over, the newest first; at most `rows_max`.
pub async fn services(pool: &PgPool, filter: &ServiceFilter, rows_max: i64) -> Result<Vec<ShownService>, Failure> {
    store::listing::services(pool, filter, None, rows_max).await
}

/// One service, also where it is over.
pub async fn service(pool: &PgPool, id: ServiceId) -> Result<Option<ShownService>, Failure> {
    Ok(store::listing::services(pool, &ServiceFilter::default(), Some(id.0), 1).await?.pop())
}

/// Payments of a customer, or of all, those noted last first; at most `rows_max`.
pub async fn payments(
    pool: &PgPool,
    customer_id: Option<CustomerId>,
    rows_max: i64,
) -> Result<Vec<ShownPayment>, Failure> {
    store::listing::payments(pool, customer_id.map(|id| id.0), rows_max).await
}
