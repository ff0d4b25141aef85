//! `purser ledger verify`: recomputes what the ledger says from its entries.

use history::Failure;
use serde::Serialize;
use sqlx::PgPool;

/// What was checked, and every contradiction that was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verification {
    /// How many transactions there are.
    pub transactions: i64,
    /// How many invoices and credit notes there are.
    pub documents: i64,
    /// One line for each contradiction; none where the books agree.
    pub contradictions: Vec<String>,
}

/// Recomputes every balance, every document's totals and what is open of it; all in one snapshot.
pub async fn verify(pool: &PgPool) -> Result<Verification, Failure> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *transaction).await?;
    let counts = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM billing.ledger_transactions) AS "transactions!",
                  (SELECT count(*) FROM billing.documents) AS "documents!""#
    )
    .fetch_one(&mut *transaction)
    .await?;
    let contradictions = sqlx::query_scalar!(
        r#"WITH problems AS (
             SELECT format('transaction %s sums to %s, not to 0', transaction_id, sum(amount)) AS problem
             FROM billing.ledger_entries GROUP BY transaction_id HAVING sum(amount) <> 0
             UNION ALL
             SELECT format('transaction %s has no entries though its document is not 0', t.id)
             FROM billing.ledger_transactions t LEFT JOIN billing.documents d ON d.id = t.document_id
             WHERE NOT EXISTS (SELECT FROM billing.ledger_entries e WHERE e.transaction_id = t.id)
                 AND (d.id IS NULL OR d.gross <> 0 OR d.net <> 0)
             UNION ALL
             SELECT format('customer %s: %s in %s is %s, but the entries sum to %s', customer_id, account, currency,
                           coalesce(b.balance, 0), coalesce(e.balance, 0))
             FROM billing.ledger_balances b
             FULL JOIN (SELECT customer_id, currency, account, sum(amount) AS balance
                        FROM billing.ledger_entries JOIN billing.ledger_transactions ON id = transaction_id
                        GROUP BY customer_id, currency, account) e USING (customer_id, currency, account)
             WHERE coalesce(b.balance, 0) <> coalesce(e.balance, 0)
             UNION ALL
             SELECT format('%s: net %s, tax %s, but its lines sum to %s and %s', d.number, d.net, d.tax, l.net, l.tax)
             FROM billing.documents d
             JOIN (SELECT document_id, sum(net) AS net, sum(tax) AS tax FROM billing.document_lines
                   GROUP BY document_id) l ON l.document_id = d.id
             WHERE (d.net, d.tax) <> (l.net, l.tax)
             UNION ALL
             SELECT format('%s: there is no transaction of %s', d.number, d.gross)
             FROM billing.documents d
             WHERE d.gross <> 0 AND NOT EXISTS (
                 SELECT FROM billing.ledger_transactions t JOIN billing.ledger_entries e ON e.transaction_id = t.id
                 WHERE t.document_id = d.id AND t.kind = 'document' AND e.account = 'receivable'
                     AND e.amount = d.gross)
             UNION ALL
             SELECT format('%s: %s is open, but %s less what was settled is %s', d.number, r.open_amount, d.gross,
                           d.gross - coalesce(sum(s.amount), 0))
             FROM billing.receivables r JOIN billing.documents d ON d.id = r.document_id
             LEFT JOIN billing.settlements s ON s.document_id = d.id
             GROUP BY d.number, r.open_amount, d.gross HAVING r.open_amount <> d.gross - coalesce(sum(s.amount), 0)
             UNION ALL
             SELECT format('customer %s: receivable in %s is %s, but %s is open', customer_id, currency,
                           coalesce(b.balance, 0), coalesce(r.open, 0))
             FROM (SELECT customer_id, currency, balance FROM billing.ledger_balances WHERE account = 'receivable') b
             FULL JOIN (SELECT customer_id, currency, sum(open_amount) AS open FROM billing.receivables
                        GROUP BY customer_id, currency) r USING (customer_id, currency)
             WHERE coalesce(b.balance, 0) <> coalesce(r.open, 0)
             UNION ALL
             SELECT format('series %s: %s documents up to number %s, the next is %s', s.series, count(d.id),
                           coalesce(max(d.series_number), 0), s.next_number)
             FROM billing.document_series s LEFT JOIN billing.documents d USING (series)
             GROUP BY s.series, s.next_number
             HAVING count(d.id) <> s.next_number - 1 OR coalesce(max(d.series_number), 0) <> s.next_number - 1)
           SELECT problem AS "problem!" FROM problems ORDER BY 1"#
    )
    .fetch_all(&mut *transaction)
    .await?;
    Ok(Verification { transactions: counts.transactions, documents: counts.documents, contradictions })
}
