//! `billing.customers`.

use std::collections::BTreeMap;

use history::Failure;
use model::{CustomerId, Money, ServiceId, Timestamp};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgExecutor};

use super::broken;
use crate::customers::NewCustomer;
use crate::domain::customer::Customer;

struct Row {
    id: i64,
    currency: String,
    country: String,
    is_tax_exempt: bool,
    credit_limit: Option<Decimal>,
    billing_entity: String,
}

impl TryFrom<Row> for Customer {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let currency = row.currency.parse().map_err(|error| broken("customer", &error))?;
        Ok(Self {
            id: CustomerId(row.id),
            currency,
            country: row.country,
            is_tax_exempt: row.is_tax_exempt,
            credit_limit: row.credit_limit.map(|limit| Money::rounded(limit, currency)),
            billing_entity: row.billing_entity,
        })
    }
}

/// A customer.
pub(crate) async fn find(executor: impl PgExecutor<'_>, id: CustomerId) -> Result<Option<Customer>, Failure> {
    Ok(find_all(executor, &[id]).await?.remove(&id.0))
}

/// Customers by number; those that aren't there are left out.
pub(crate) async fn find_all(
    executor: impl PgExecutor<'_>,
    ids: &[CustomerId],
) -> Result<BTreeMap<i64, Customer>, Failure> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, currency, country, is_tax_exempt, credit_limit, billing_entity FROM billing.customers
         WHERE id = ANY ($1)",
        &ids
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(|row| Ok((row.id, row.try_into()?))).collect()
}

/// Locks a customer: their orders and their money change one after the other. Whoever locks services too does that first.
pub(crate) async fn lock(connection: &mut PgConnection, id: CustomerId) -> Result<Option<Customer>, Failure> {
    sqlx::query_scalar!("SELECT id FROM billing.customers WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(&mut *connection)
        .await?;
    find(connection, id).await
}

/// Locks the customers of these services, which the caller has locked, in an order that all agree on.
pub(crate) async fn lock_of_services(connection: &mut PgConnection, services: &[ServiceId]) -> Result<(), Failure> {
    let services: Vec<i64> = services.iter().map(|id| id.0).collect();
    sqlx::query!(
        "SELECT id FROM billing.customers
         WHERE id IN (SELECT customer_id FROM billing.services WHERE id = ANY ($1)) ORDER BY id FOR UPDATE",
        &services
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

/// Adds a customer, or changes one. True: they are new.
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    customer: &NewCustomer,
    now: Timestamp,
) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"INSERT INTO billing.customers (id, email, country, currency, billing_entity, created_at, name, address,
               vat_id, is_tax_exempt, credit_limit)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email, country = EXCLUDED.country,
               currency = EXCLUDED.currency, billing_entity = EXCLUDED.billing_entity, name = EXCLUDED.name,
               address = EXCLUDED.address, vat_id = EXCLUDED.vat_id, is_tax_exempt = EXCLUDED.is_tax_exempt,
               credit_limit = EXCLUDED.credit_limit
           RETURNING xmax = 0 AS "is_new!""#,
        customer.id.0,
        customer.email,
        customer.country,
        customer.currency.code(),
        customer.billing_entity,
        now,
        customer.name,
        customer.address,
        customer.vat_id,
        customer.is_tax_exempt,
        customer.credit_limit
    )
    .fetch_one(connection)
    .await?)
}
