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

/// What was invoiced of services so far, by charge; in their order.
pub(crate) async fn invoiced(
    connection: &mut PgConnection,
    services: &[(ServiceId, Currency)],
) -> Result<Vec<BTreeMap<ChargeKey, Invoiced>>, Failure> {
    let ids: Vec<i64> = services.iter().map(|(id, _)| id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT service_id AS "service_id!", period_number AS "period_number!", segment_number AS "segment_number!",
                  kind AS "kind!", min(from_day) AS "from_day!", max(to_day) AS "to_day!",
                  min(plan_name) AS "plan_name!", sum(quantity) AS "quantity!", min(unit_price) AS "unit_price!",
                  sum(net) AS "net!", min(tax_percent) AS "tax_percent!"
           FROM billing.charged_lines WHERE service_id = ANY ($1)
           GROUP BY service_id, period_number, segment_number, kind"#,
        &ids
    )
    .fetch_all(connection)
    .await?;
    let places: BTreeMap<i64, usize> = ids.into_iter().enumerate().map(|(place, id)| (id, place)).collect();
    let number = |number: i32| u32::try_from(number).map_err(|error| broken("line", &error));
    let mut invoiced = vec![BTreeMap::new(); services.len()];
    for row in rows {
        let Some(place) = places.get(&row.service_id).copied() else { continue };
        let key = ChargeKey {
            period_number: number(row.period_number)?,
            segment_number: number(row.segment_number)?,
            kind: ChargeKind::from_name(&row.kind).ok_or_else(|| broken("line", &row.kind))?,
        };
        let before = Invoiced {
            from: row.from_day,
            to: row.to_day,
            plan_name: row.plan_name,
            quantity: row.quantity,
            unit_price: row.unit_price,
            net: Money::rounded(row.net, services[place].1),
            tax_percent: row.tax_percent,
        };
        invoiced[place].insert(key, before);
    }
    Ok(invoiced)
}

/// The entities that issued the first documents of services, by service; those without documents are left out.
pub(crate) async fn entities(
    connection: &mut PgConnection,
    services: &[ServiceId],
) -> Result<BTreeMap<ServiceId, String>, Failure> {
    let ids: Vec<i64> = services.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (service_id) service_id, billing_entity FROM billing.documents
         WHERE service_id = ANY ($1) ORDER BY service_id, id",
        &ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (ServiceId(row.service_id), row.billing_entity)).collect())
}

/// A place in a series: one for each entity, kind and year.
struct Place {
    series: String,
    number: i64,
}

/// Takes the next numbers of the documents' series, in their order. Numbers have no gaps, because whoever takes some holds
/// up all others of the series until it commits; several series are taken in an order that all agree on.
async fn take_numbers(connection: &mut PgConnection, documents: &[NewDocument<'_>]) -> Result<Vec<Place>, Failure> {
    let series = documents.iter().map(|document| {
        let (entity, year) = (document.billing_entity, document.issued_at.year());
        match document.totals.kind() {
            DocumentKind::Invoice => format!("{entity}-{year}"),
            DocumentKind::CreditNote => format!("{entity}-CN-{year}"),
        }
    });
    let series: Vec<String> = series.collect();
    let rows = sqlx::query!(
        r#"WITH taken AS (
             SELECT series, count(*) AS count FROM UNNEST($1::text[]) AS d (series) GROUP BY series
           ), next AS (
             INSERT INTO billing.document_series AS s (series, next_number)
             SELECT series, count + 1 FROM taken ORDER BY series
             ON CONFLICT (series) DO UPDATE SET next_number = s.next_number + EXCLUDED.next_number - 1
             RETURNING series, next_number
           )
           SELECT series AS "series!", next_number - count AS "first!" FROM next JOIN taken USING (series)"#,
        &series
    )
    .fetch_all(connection)
    .await?;
    let mut next: BTreeMap<String, i64> = rows.into_iter().map(|row| (row.series, row.first)).collect();
    let places = series.into_iter().map(|series| {
        let next = next.get_mut(&series).ok_or_else(|| broken("series", &format!("{series} has no next number")))?;
        let number = *next;
        *next += 1;
        Ok(Place { series, number })
    });
    places.collect()
}

/// Issues documents under the next numbers of their series, with their lines.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    documents: &[NewDocument<'_>],
) -> Result<Vec<Issued>, Failure> {
    let places = take_numbers(connection, documents).await?;
    let issued = documents.iter().zip(&places).map(|(document, Place { series, number })| Issued {
        id: Uuid::now_v7(),
        kind: document.totals.kind(),
        number: format!("{series}-{number:06}"),
    });
    let issued: Vec<Issued> = issued.collect();
    insert_heads(connection, documents, &places, &issued).await?;
    insert_lines(connection, documents, &issued).await?;
    Ok(issued)
}

async fn insert_heads(
    connection: &mut PgConnection,
    documents: &[NewDocument<'_>],
    places: &[Place],
    issued: &[Issued],
) -> Result<(), Failure> {
    let texts = |value: for<'a> fn(&'a NewDocument<'a>) -> &'a str| {
        documents.iter().map(|document| value(document).to_owned()).collect::<Vec<_>>()
    };
    let numbers = |value: fn(&NewDocument<'_>) -> i64| documents.iter().map(value).collect::<Vec<_>>();
    let amounts = |value: fn(&Totals) -> Money| {
        documents.iter().map(|document| value(&document.totals).amount()).collect::<Vec<_>>()
    };
    sqlx::query!(
        "INSERT INTO billing.documents (id, kind, series, series_number, number, service_id, customer_id, occasion,
             currency, net, tax, gross, issued_at, due_on, billing_entity, customer_name, customer_address,
             customer_country, customer_vat_id, customer_email)
         SELECT d.id, kind, series, series_number, number, service_id, c.id, occasion, d.currency, net, tax, gross,
                issued_at, due_on, entity, c.name, c.address, c.country, c.vat_id, c.email
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::text[], $9::text[], $10::numeric[], $11::numeric[], $12::numeric[], $13::timestamptz[],
                     $14::date[], $15::text[])
              AS d (id, kind, series, series_number, number, service_id, customer_id, occasion, currency, net, tax,
                    gross, issued_at, due_on, entity)
         JOIN billing.customers c ON c.id = d.customer_id",
        &issued.iter().map(|issued| issued.id).collect::<Vec<_>>(),
        &issued.iter().map(|issued| issued.kind.as_str().to_owned()).collect::<Vec<_>>(),
        &places.iter().map(|place| place.series.clone()).collect::<Vec<_>>(),
        &places.iter().map(|place| place.number).collect::<Vec<_>>(),
        &issued.iter().map(|issued| issued.number.clone()).collect::<Vec<_>>(),
        &numbers(|document| document.service_id.0),
        &numbers(|document| document.customer_id.0),
        &texts(|document| document.occasion),
        &documents.iter().map(|document| document.totals.gross.currency().code().to_owned()).collect::<Vec<_>>(),
        &amounts(|totals| totals.net),
        &amounts(|totals| totals.tax),
        &amounts(|totals| totals.gross),
        &documents.iter().map(|document| document.issued_at).collect::<Vec<_>>(),
        &documents.iter().map(|document| document.due_on).collect::<Vec<_>>(),
        &texts(|document| document.billing_entity)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// All lines of documents, in the documents' order and in their own.
async fn insert_lines(
    connection: &mut PgConnection,
    documents: &[NewDocument<'_>],
    issued: &[Issued],
) -> Result<(), Failure> {
    let (mut ids, mut services, mut positions, mut lines) = (vec![], vec![], vec![], vec![]);
    for (document, issued) in documents.iter().zip(issued) {
        for (position, line) in (1i32..).zip(document.lines) {
            ids.push(issued.id);
            services.push(document.service_id.0);
            positions.push(position);
            lines.push(line);
        }
    }
    let numbers = |value: fn(&Line) -> u32| {
        lines.iter().map(|line| i32::try_from(value(line)).unwrap_or(i32::MAX)).collect::<Vec<_>>()
    };
    let texts = |value: fn(&Line) -> &str| lines.iter().map(|line| value(line).to_owned()).collect::<Vec<_>>();
    let days = |value: fn(&Line) -> NaiveDate| lines.iter().map(|line| value(line)).collect::<Vec<_>>();
    let decimals = |value: fn(&Line) -> Decimal| lines.iter().map(|line| value(line)).collect::<Vec<_>>();
    sqlx::query!(
        "INSERT INTO billing.document_lines (document_id, position, service_id, period_number, segment_number, kind,
             description, plan_name, from_day, to_day, quantity, unit_price, net, tax_percent, tax)
         SELECT * FROM UNNEST($1::uuid[], $2::integer[], $3::bigint[], $4::integer[], $5::integer[], $6::text[],
             $7::text[], $8::text[], $9::date[], $10::date[], $11::numeric[], $12::numeric[], $13::numeric[],
             $14::numeric[], $15::numeric[])",
        &ids,
        &positions,
        &services,
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
