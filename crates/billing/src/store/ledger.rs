//! The ledger: transactions, entries and balances. Whoever writes here has locked the customer.

use history::Failure;
use model::{Currency, CustomerId, Money, Timestamp};
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::broken;
use crate::domain::ledger::{LedgerAccount, Transaction};

/// What a transaction came from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Document(Uuid),
    Payment(Uuid),
}

/// Writes a transaction with its entries, and moves the balances along.
pub(crate) async fn post(
    connection: &mut PgConnection,
    customer_id: CustomerId,
    currency: Currency,
    source: Source,
    transaction: &Transaction,
    now: Timestamp,
) -> Result<i64, Failure> {
    let (document_id, payment_id) = match source {
        Source::Document(id) => (Some(id), None),
        Source::Payment(id) => (None, Some(id)),
    };
    let accounts: Vec<String> = transaction.entries().iter().map(|(account, _)| account.as_str().to_owned()).collect();
    let amounts: Vec<_> = transaction.entries().iter().map(|(_, amount)| amount.amount()).collect();
    Ok(sqlx::query_scalar!(
        r#"WITH posted AS (
             INSERT INTO billing.ledger_transactions (kind, customer_id, currency, document_id, payment_id, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
         ), entries AS (
             INSERT INTO billing.ledger_entries (transaction_id, account, amount)
             SELECT id, account, amount FROM posted, unnest($7::text[], $8::numeric[]) AS e (account, amount)
             RETURNING account, amount
         ), balances AS (
             INSERT INTO billing.ledger_balances AS b (customer_id, currency, account, balance)
             SELECT $2, $3, account, amount FROM entries ORDER BY account
             ON CONFLICT (customer_id, currency, account) DO UPDATE SET balance = b.balance + EXCLUDED.balance
         )
         SELECT id AS "id!" FROM posted"#,
        transaction.kind.as_str(),
        customer_id.0,
        currency.code(),
        document_id,
        payment_id,
        now,
        &accounts,
        &amounts
    )
    .fetch_one(connection)
    .await?)
}

/// A balance of a customer: positive where debits prevail.
pub(crate) async fn balance(
    connection: &mut PgConnection,
    customer_id: CustomerId,
    currency: Currency,
    account: LedgerAccount,
) -> Result<Money, Failure> {
    let balance = sqlx::query_scalar!(
        "SELECT balance FROM billing.ledger_balances WHERE customer_id = $1 AND currency = $2 AND account = $3",
        customer_id.0,
        currency.code(),
        account.as_str()
    )
    .fetch_optional(connection)
    .await?;
    Ok(Money::rounded(balance.unwrap_or_default(), currency))
}

/// A balance as operators read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Whose.
    pub customer_id: CustomerId,
    /// `receivable`, `revenue`, `tax`, `credit` or `cash`.
    pub account: String,
    /// The currency.
    pub currency: Currency,
    /// Positive where debits prevail.
    #[serde(with = "rust_decimal::serde::str")]
    pub balance: Decimal,
}

/// The balances of a customer, or of all, by customer, currency and account; those that are 0, too.
pub async fn balances(pool: &PgPool, customer_id: Option<CustomerId>) -> Result<Vec<Balance>, Failure> {
    let rows = sqlx::query!(
        "SELECT customer_id, currency, account, balance FROM billing.ledger_balances
         WHERE $1::bigint IS NULL OR customer_id = $1 ORDER BY customer_id, currency, account",
        customer_id.map(|id| id.0)
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse().map_err(|error| broken("balance", &error))?;
            Ok(Balance {
                customer_id: CustomerId(row.customer_id),
                account: row.account,
                currency,
                balance: Money::rounded(row.balance, currency).amount(),
            })
        })
        .collect()
}
