//! `billing.documents` and `billing.document_lines`: invoices and credit notes as they were issued.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use history::Failure;
use model::{Currency, CustomerId, Money, ServiceId, Timestamp};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::broken;
use crate::domain::charge::{ChargeKey, ChargeKind};
use crate::domain::document::{DocumentKind, Invoiced, Line, Totals};

/// A document that is about to be issued.
#[derive(Debug)]
pub(crate) struct NewDocument<'a> {
    pub(crate) service_id: ServiceId,
    pub(crate) customer_id: CustomerId,
    pub(crate) billing_entity: &'a str,
    pub(crate) occasion: &'a str,
    pub(crate) lines: &'a [Line],
    pub(crate) totals: Totals,
    pub(crate) issued_at: Timestamp,
    pub(crate) due_on: NaiveDate,
}

/// A document's names.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) id: Uuid,
    pub(crate) kind: DocumentKind,
    pub(crate) number: String,
}

/// What was invoiced of a service so far, by charge.
pub(crate) async fn invoiced(
    connection: &mut PgConnection,
    service_id: ServiceId,
    currency: Currency,
) -> Result<BTreeMap<ChargeKey, Invoiced>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT period_number AS "period_number!", segment_number AS "segment_number!", kind AS "kind!", min(from_day) AS "from_day!", max(to_day) AS "to_day!",
                  min(plan_name) AS "plan_name!", sum(quantity) AS "quantity!", min(unit_price) AS "unit_price!",
                  sum(net) AS "net!", min(tax_percent) AS "tax_percent!"
           FROM billing.charged_lines WHERE service_id = $1 GROUP BY period_number, segment_number, kind"#,
        service_id.0
    )
    .fetch_all(connection)
    .await?;
    let number = |number: i32| u32::try_from(number).map_err(|error| broken("line", &error));
    rows.into_iter()
        .map(|row| {
            let key = ChargeKey {
                period_number: number(row.period_number)?,
                segment_number: number(row.segment_number)?,
                kind: ChargeKind::from_name(&row.kind).ok_or_else(|| broken("line", &row.kind))?,
            };
            let invoiced = Invoiced {
                from: row.from_day,
                to: row.to_day,
                plan_name: row.plan_name,
                quantity: row.quantity,
                unit_price: row.unit_price,
                net: Money::rounded(row.net, currency),
                tax_percent: row.tax_percent,
            };
            Ok((key, invoiced))
        })
        .collect()
}

/// The entity that issued a service's first document.
pub(crate) async fn entity(connection: &mut PgConnection, service_id: ServiceId) -> Result<Option<String>, Failure> {
    let entity = sqlx::query_scalar!(
        "SELECT billing_entity FROM billing.documents WHERE service_id = $1 ORDER BY id LIMIT 1",
        service_id.0
    );
    Ok(entity.fetch_optional(connection).await?)
}

/// Issues a document under the next number of its series: one for each entity, kind and year. Numbers have no gaps,
/// because whoever takes one holds up all others of the series until it commits.
pub(crate) async fn insert(connection: &mut PgConnection, document: &NewDocument<'_>) -> Result<Issued, Failure> {
    let (id, kind) = (Uuid::now_v7(), document.totals.kind());
    let (entity, year) = (document.billing_entity, document.issued_at.year());
    let series = match kind {
        DocumentKind::Invoice => format!("{entity}-{year}"),
        DocumentKind::CreditNote => format!("{entity}-CN-{year}"),
    };
    let series_number = sqlx::query_scalar!(
        r#"INSERT INTO billing.document_series AS s (series, next_number) VALUES ($1, 2)
           ON CONFLICT (series) DO UPDATE SET next_number = s.next_number + 1
           RETURNING next_number - 1 AS "number!""#,
        series
    )
    .fetch_one(&mut *connection)
    .await?;
    let number = format!("{series}-{series_number:06}");
    let Totals { net, tax, gross } = document.totals;
    let currency = gross.currency();
    sqlx::query!(
        "INSERT INTO billing.documents (id, kind, series, series_number, number, service_id, customer_id, occasion,
             currency, net, tax, gross, issued_at, due_on, billing_entity, customer_name, customer_address,
             customer_country, customer_vat_id, customer_email)
         SELECT $1, $2, $3, $4, $5, $6, c.id, $8, $9, $10, $11, $12, $13, $14, $15, c.name, c.address, c.country,
                c.vat_id, c.email
         FROM billing.customers c WHERE c.id = $7",
        id,
        kind.as_str(),
        series,
        series_number,
        number,
        document.service_id.0,
        document.customer_id.0,
        document.occasion,
        currency.code(),
        net.amount(),
        tax.amount(),
        gross.amount(),
        document.issued_at,
        document.due_on,
        entity
    )
    .execute(&mut *connection)
    .await?;
    insert_lines(connection, id, document.service_id, document.lines).await?;
    Ok(Issued { id, kind, number })
}

/// All of a document's lines, in their order.
async fn insert_lines(
    connection: &mut PgConnection,
    document_id: Uuid,
    service_id: ServiceId,
    lines: &[Line],
) -> Result<(), Failure> {
    let numbers = |value: fn(&Line) -> u32| {
        lines.iter().map(|line| i32::try_from(value(line)).unwrap_or(i32::MAX)).collect::<Vec<_>>()
    };
    let texts = |value: fn(&Line) -> &str| lines.iter().map(|line| value(line).to_owned()).collect::<Vec<_>>();
    let days = |value: fn(&Line) -> NaiveDate| lines.iter().map(value).collect::<Vec<_>>();
    let decimals = |value: fn(&Line) -> Decimal| lines.iter().map(value).collect::<Vec<_>>();
    sqlx::query!(
        "INSERT INTO billing.document_lines (document_id, position, service_id, period_number, segment_number, kind,
             description, plan_name, from_day, to_day, quantity, unit_price, net, tax_percent, tax)
         SELECT $1, position, $2, period, segment, kind, description, plan, from_day, to_day, quantity, unit_price, net,
                tax_percent, tax
         FROM UNNEST($3::integer[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
                     $10::numeric[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[])
              WITH ORDINALITY AS line (period, segment, kind, description, plan, from_day, to_day, quantity, unit_price,
                                       net, tax_percent, tax, position)",
        document_id,
        service_id.0,
        &numbers(|line| line.key.period_number),
        &numbers(|line| line.key.segment_number),
        &texts(|line| line.key.kind.as_str()),
        &texts(|line| &line.description),
        &texts(|line| &line.plan_name),
        &days(|line| line.from),
        &days(|line| line.to),
        &decimals(|line| line.quantity),
        &decimals(|line| line.unit_price),
        &decimals(|line| line.net.amount()),
        &decimals(|line| line.tax_percent),
        &decimals(|line| line.tax.amount())
    )
    .execute(connection)
    .await?;
    Ok(())
}
