//! Customers, services and payments as operators look at them.

use chrono::NaiveDate;
use history::Failure;
use model::{S3Uid, Timestamp};
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::operators::ServiceFilter;

/// A customer as operators see them.
#[derive(Debug, Clone, Serialize)]
pub struct ShownCustomer {
    /// Their number.
    pub id: i64,
    /// As invoices show it.
    pub name: String,
    /// Where invoices go.
    pub email: String,
    /// As invoices show it; may have several lines.
    pub address: String,
    /// ISO 3166-1, two letters.
    pub country: String,
    /// As invoices show it.
    pub vat_id: String,
    /// Whether they pay no tax.
    pub is_tax_exempt: bool,
    /// What they pay in.
    pub currency: String,
    /// How much they may owe; without a limit where there is none.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub credit_limit: Option<Decimal>,
    /// The entity that bills them.
    pub billing_entity: String,
    /// How many services they have that aren't over.
    pub services: i64,
    /// Since when they are known.
    pub created_at: Timestamp,
}

/// A service as operators see it, with the prices of its plan's version in its currency.
#[derive(Debug, Clone, Serialize)]
pub struct ShownService {
    /// Its number.
    pub id: i64,
    /// Its account.
    pub s3uid: String,
    /// What `/storage` calls it.
    pub name: String,
    /// Whose it is.
    pub customer_id: i64,
    /// Where its account is.
    pub location: String,
    /// `running`, `locked`, `off`, `deleting` or `deleted`.
    pub state: String,
    /// Its plan.
    pub plan_id: i64,
    /// The version of the plan that it was sold at.
    pub plan_version: i32,
    /// The plan's name in that version.
    pub plan_name: String,
    /// What it is charged in.
    pub currency: String,
    /// The net price of a period.
    #[serde(with = "rust_decimal::serde::str")]
    pub price: Decimal,
    /// The net price of a GB beyond what is included, for a whole period.
    #[serde(with = "rust_decimal::serde::str")]
    pub storage_overage_price_per_gb: Decimal,
    /// The net price of a GB of traffic beyond what is included.
    #[serde(with = "rust_decimal::serde::str")]
    pub traffic_overage_price_per_gb: Decimal,
    /// The length of a period: `1M`.
    pub payment_period: String,
    /// The running period is the so-manieth.
    pub period_number: i32,
    /// The running period's first moment.
    pub period_start: Timestamp,
    /// The running period's end, which is not included.
    pub period_end: Timestamp,
    /// When the next document is due; none where there is nothing more to invoice.
    pub next_invoice_at: Option<Timestamp>,
    /// The end of the minimum term.
    pub minimum_until: NaiveDate,
    /// How far its dunning has come: `reminder`, `lock`, `suspension` or `termination`.
    pub dunning_step: Option<String>,
    /// How far an administrator holds it back: `lock` or `suspension`.
    pub hold: Option<String>,
    /// What WHMCS calls it, where that issues the invoices.
    pub external_service_id: Option<i64>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// When the cancellation takes effect.
    pub termination_at: Option<Timestamp>,
    /// When its account was gone.
    pub ended_at: Option<Timestamp>,
}

/// A payment as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct ShownPayment {
    /// Its id.
    pub id: Uuid,
    /// Who has paid.
    pub customer_id: i64,
    /// In which currency.
    pub currency: String,
    /// How much.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// What whoever took it calls it.
    pub reference: String,
    /// When it was paid.
    pub paid_on: NaiveDate,
    /// When it was noted.
    pub recorded_at: Timestamp,
}

/// Customers by number; one where `id` is given.
pub(crate) async fn customers(pool: &PgPool, id: Option<i64>, rows_max: i64) -> Result<Vec<ShownCustomer>, Failure> {
    Ok(sqlx::query_as!(
        ShownCustomer,
        r#"SELECT id, name, email, address, country, vat_id, is_tax_exempt, currency, credit_limit, billing_entity,
                  (SELECT count(*) FROM billing.services s WHERE s.customer_id = c.id AND s.state <> 'deleted')
                      AS "services!", created_at
           FROM billing.customers c WHERE $1::bigint IS NULL OR id = $1 ORDER BY id LIMIT $2"#,
        id,
        rows_max
    )
    .fetch_all(pool)
    .await?)
}

/// Services, the newest first; one where `id` is given.
pub(crate) async fn services(
    pool: &PgPool,
    filter: &ServiceFilter,
    id: Option<i64>,
    rows_max: i64,
) -> Result<Vec<ShownService>, Failure> {
    Ok(sqlx::query_as!(
        ShownService,
        "SELECT s.id, s.s3uid, o.name, s.customer_id, o.location, s.state, s.plan_id, s.plan_version,
                v.name AS plan_name, s.currency, p.price, p.storage_overage_price_per_gb,
                p.traffic_overage_price_per_gb, v.payment_period, s.period_number, s.period_start, s.period_end,
                s.next_invoice_at, s.minimum_until, s.dunning_step, s.hold, o.external_service_id, s.created_at,
                s.cancelled_at, s.termination_at, s.ended_at
         FROM billing.services s JOIN billing.orders o ON o.id = s.order_id
         JOIN billing.plan_versions v ON v.plan_id = s.plan_id AND v.version = s.plan_version
         JOIN billing.plan_prices p ON p.plan_id = s.plan_id AND p.version = s.plan_version AND p.currency = s.currency
         WHERE ($1::bigint IS NULL OR s.customer_id = $1) AND ($2::text IS NULL OR s.s3uid = $2)
             AND ($3::text IS NULL OR o.location = $3) AND ($4::text IS NULL OR s.state = $4)
             AND ($5::bigint IS NULL OR s.id = $5)
         ORDER BY s.id DESC LIMIT $6",
        filter.customer.map(|id| id.0),
        filter.account.as_ref().map(S3Uid::as_str),
        filter.location.as_ref().map(model::Location::as_str),
        filter.state.as_deref(),
        id,
        rows_max
    )
    .fetch_all(pool)
    .await?)
}

/// Payments, those noted last first.
pub(crate) async fn payments(
    pool: &PgPool,
    customer_id: Option<i64>,
    rows_max: i64,
) -> Result<Vec<ShownPayment>, Failure> {
    Ok(sqlx::query_as!(
        ShownPayment,
        "SELECT id, customer_id, currency, amount, reference, paid_on, recorded_at FROM billing.payments
         WHERE $1::bigint IS NULL OR customer_id = $1 ORDER BY recorded_at DESC, id DESC LIMIT $2",
        customer_id,
        rows_max
    )
    .fetch_all(pool)
    .await?)
}
