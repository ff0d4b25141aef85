//! The ledger: transactions, entries and balances. Whoever writes here has locked the customer.

use std::collections::BTreeSet;

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

/// A transaction with what it came from.
#[derive(Debug)]
pub(crate) struct Posting {
    pub(crate) customer_id: CustomerId,
    pub(crate) currency: Currency,
    pub(crate) source: Source,
    pub(crate) transaction: Transaction,
}

/// Writes a transaction with its entries, and moves the balances along.
pub(crate) async fn post(
    connection: &mut PgConnection,
    customer_id: CustomerId,
    currency: Currency,
    source: Source,
    transaction: Transaction,
    now: Timestamp,
) -> Result<i64, Failure> {
    let posted = post_all(connection, &[Posting { customer_id, currency, source, transaction }], now).await?;
    posted.first().copied().ok_or_else(|| broken("transaction", &"it has no number"))
}

/// The same for several transactions; their numbers, in their order.
pub(crate) async fn post_all(
    connection: &mut PgConnection,
    postings: &[Posting],
    now: Timestamp,
) -> Result<Vec<i64>, Failure> {
    let document = |posting: &Posting| match posting.source {
        Source::Document(id) => Some(id),
        Source::Payment(_) => None,
    };
    let payment = |posting: &Posting| match posting.source {
        Source::Payment(id) => Some(id),
        Source::Document(_) => None,
    };
    let (mut places, mut accounts, mut amounts) = (vec![], vec![], vec![]);
    for (place, posting) in (1i64..).zip(postings) {
        for (account, amount) in posting.transaction.entries() {
            places.push(place);
            accounts.push(account.as_str().to_owned());
            amounts.push(amount.amount());
        }
    }
    // Identities grow in the order in which rows are inserted.
    Ok(sqlx::query_scalar!(
        r#"WITH given AS (
             SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::uuid[], $5::uuid[])
                 WITH ORDINALITY AS t (kind, customer_id, currency, document_id, payment_id, place)
         ), posted AS (
             INSERT INTO billing.ledger_transactions (kind, customer_id, currency, document_id, payment_id, recorded_at)
             SELECT kind, customer_id, currency, document_id, payment_id, $6 FROM given ORDER BY place RETURNING id
         ), numbered AS (
             SELECT id, row_number() OVER (ORDER BY id) AS place FROM posted
         ), parts AS (
             SELECT * FROM UNNEST($7::bigint[], $8::text[], $9::numeric[]) AS e (place, account, amount)
         ), entries AS (
             INSERT INTO billing.ledger_entries (transaction_id, account, amount)
             SELECT id, account, amount FROM parts JOIN numbered USING (place)
         ), balances AS (
             INSERT INTO billing.ledger_balances AS b (customer_id, currency, account, balance)
             SELECT customer_id, currency, account, sum(amount) FROM parts JOIN given USING (place)
             GROUP BY customer_id, currency, account ORDER BY customer_id, currency, account
             ON CONFLICT (customer_id, currency, account) DO UPDATE SET balance = b.balance + EXCLUDED.balance
         )
         SELECT id AS "id!" FROM numbered ORDER BY place"#,
        &postings.iter().map(|posting| posting.transaction.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &postings.iter().map(|posting| posting.customer_id.0).collect::<Vec<_>>(),
        &postings.iter().map(|posting| posting.currency.code().to_owned()).collect::<Vec<_>>(),
        &postings.iter().map(document).collect::<Vec<_>>() as &[Option<Uuid>],
        &postings.iter().map(payment).collect::<Vec<_>>() as &[Option<Uuid>],
        now,
        &places,
        &accounts,
        &amounts
    )
    .fetch_all(connection)
    .await?)
}

/// Those of these customers who have credit, in whatever currency.
pub(crate) async fn with_credit(
    connection: &mut PgConnection,
    customers: &[CustomerId],
) -> Result<BTreeSet<CustomerId>, Failure> {
    let customers: Vec<i64> = customers.iter().map(|id| id.0).collect();
    let rows = sqlx::query_scalar!(
        "SELECT DISTINCT customer_id FROM billing.ledger_balances
         WHERE customer_id = ANY ($1) AND account = $2 AND balance < 0",
        &customers,
        LedgerAccount::Credit.as_str()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(CustomerId).collect())
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
