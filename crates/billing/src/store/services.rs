//! `billing.services`.

use chrono::NaiveDate;
use history::Failure;
use messages::{CommandKey, Scope};
use model::{CustomerId, OrderId, S3Uid, ServiceId, Timestamp};
use sqlx::PgConnection;

use super::broken;
use crate::domain::dunning::{DunningStep, Restriction};
use crate::domain::schedule::midnight;
use crate::domain::service::{Cancellation, Service, ServiceChange, ServiceState};

/// How a caller names a service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named<'a> {
    /// By its account.
    S3Uid(&'a str),
    /// By its own name.
    Name(&'a str),
    /// Not at all: the only one is meant.
    Only,
}

impl<'a> Named<'a> {
    /// By its account, where the caller names one.
    pub(crate) fn by_s3uid(s3uid: Option<&'a str>) -> Self {
        s3uid.map_or(Self::Only, Self::S3Uid)
    }

    fn parts(self) -> (Option<&'a str>, Option<&'a str>) {
        match self {
            Self::S3Uid(s3uid) => (Some(s3uid), None),
            Self::Name(name) => (None, Some(name)),
            Self::Only => (None, None),
        }
    }
}

struct Row {
    id: i64,
    s3uid: String,
    customer_id: i64,
    state: String,
    created_at: Timestamp,
    period_number: i32,
    period_end: Timestamp,
    payment_period: String,
    minimum_until: NaiveDate,
    is_external: bool,
    billing_day: String,
    dunning_step: Option<String>,
    dunning_step_on: Option<NaiveDate>,
    hold: Option<String>,
    cancelled_at: Option<Timestamp>,
    termination_at: Option<Timestamp>,
    terminated_at: Option<Timestamp>,
}

impl TryFrom<Row> for Service {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let cancellation = row.cancelled_at.zip(row.termination_at);
        let step = |name: String| DunningStep::from_name(&name).ok_or_else(|| broken("dunning step", &name));
        let hold = |name: String| Restriction::from_name(&name).ok_or_else(|| broken("hold", &name));
        Ok(Self {
            id: ServiceId(row.id),
            s3uid: row.s3uid.parse().map_err(|error| broken("service", &error))?,
            customer_id: CustomerId(row.customer_id),
            state: ServiceState::from_name(&row.state).ok_or_else(|| broken("service state", &row.state))?,
            started_at: row.created_at,
            period_number: u32::try_from(row.period_number).map_err(|error| broken("service", &error))?,
            period_end: row.period_end,
            payment_period: row.payment_period.parse().map_err(|error| broken("plan", &error))?,
            minimum_until: row.minimum_until,
            is_external: row.is_external,
            billing_day: row.billing_day.parse().map_err(|error| broken("plan", &error))?,
            dunning_step: row.dunning_step.map(step).transpose()?,
            dunning_step_on: row.dunning_step_on,
            hold: row.hold.map(hold).transpose()?,
            cancellation: cancellation
                .map(|(cancelled_at, termination_at)| Cancellation { cancelled_at, termination_at }),
            terminated_at: row.terminated_at,
        })
    }
}

/// Adds the service of an order whose account is usable, with its first document due at once.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    order_id: OrderId,
    state: ServiceState,
    (period_start, period_end): (Timestamp, Timestamp),
    minimum_until: NaiveDate,
    now: Timestamp,
) -> Result<ServiceId, Failure> {
    let id = sqlx::query_scalar!(
        "INSERT INTO billing.services (order_id, s3uid, customer_id, plan_id, plan_version, currency, state,
             period_start, period_end, created_at, next_invoice_at, minimum_until)
         SELECT o.id, o.s3uid, o.customer_id, o.plan_id, o.plan_version, o.currency, $2, $3, $4, $5, $5, $6
         FROM billing.orders o WHERE o.id = $1
         RETURNING id",
        order_id.0,
        state.as_str(),
        period_start,
        period_end,
        now,
        minimum_until
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO billing.service_plans (service_id, number, from_day, plan_id, plan_version)
         SELECT id, 1, $2, plan_id, plan_version FROM billing.services WHERE id = $1",
        id,
        period_start.date_naive()
    )
    .execute(connection)
    .await?;
    Ok(ServiceId(id))
}

/// The services of these ids, which the caller has locked, by id.
async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Service>, Failure> {
    sqlx::query_as!(
        Row,
        "SELECT s.id, s.s3uid, s.customer_id, s.state, s.created_at, s.period_number, s.period_end, v.payment_period,
                s.minimum_until, o.is_external, v.billing_day, s.dunning_step, s.dunning_step_on, s.hold,
                s.cancelled_at, s.termination_at, s.terminated_at
         FROM billing.services s
         JOIN billing.orders o ON o.id = s.order_id
         JOIN billing.plan_versions v ON v.plan_id = s.plan_id AND v.version = s.plan_version
         WHERE s.id = ANY ($1) ORDER BY s.id",
        ids
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Service::try_from)
    .collect()
}

/// A service, locked until the step ends; `None` where it is over.
pub(crate) async fn lock_one(connection: &mut PgConnection, id: ServiceId) -> Result<Option<Service>, Failure> {
    let ids =
        sqlx::query_scalar!("SELECT id FROM billing.services WHERE id = $1 AND state <> 'deleted' FOR UPDATE", id.0)
            .fetch_all(&mut *connection)
            .await?;
    Ok(load(connection, &ids).await?.pop())
}

/// The services in `scope` that are meant, locked until the step ends; two at most. Those that are over are not among
/// them.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    scope: Scope,
    named: Named<'_>,
) -> Result<Vec<Service>, Failure> {
    let (s3uid, name) = named.parts();
    let ids = sqlx::query_scalar!(
        "SELECT s.id FROM billing.services s JOIN billing.orders o ON o.id = s.order_id
         WHERE s.state <> 'deleted' AND ($1::bigint IS NULL OR s.customer_id = $1)
             AND ($2::text IS NULL OR s.s3uid = $2) AND ($3::text IS NULL OR o.name = $3)
         ORDER BY s.id LIMIT 2 FOR UPDATE OF s",
        scope.customer_id().map(|id| id.0),
        s3uid,
        name
    )
    .fetch_all(&mut *connection)
    .await?;
    load(connection, &ids).await
}

/// The same, to look at only.
pub(crate) async fn find(
    connection: &mut PgConnection,
    scope: Scope,
    named: Named<'_>,
) -> Result<Vec<Service>, Failure> {
    let (s3uid, name) = named.parts();
    let ids = sqlx::query_scalar!(
        "SELECT s.id FROM billing.services s JOIN billing.orders o ON o.id = s.order_id
         WHERE s.state <> 'deleted' AND ($1::bigint IS NULL OR s.customer_id = $1)
             AND ($2::text IS NULL OR s.s3uid = $2) AND ($3::text IS NULL OR o.name = $3)
         ORDER BY s.id LIMIT 2",
        scope.customer_id().map(|id| id.0),
        s3uid,
        name
    )
    .fetch_all(&mut *connection)
    .await?;
    load(connection, &ids).await
}

/// All services of a customer that aren't over, locked until the step ends.
pub(crate) async fn lock_of_customer(
    connection: &mut PgConnection,
    customer_id: CustomerId,
) -> Result<Vec<Service>, Failure> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM billing.services WHERE customer_id = $1 AND state <> 'deleted' ORDER BY id FOR UPDATE",
        customer_id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    load(connection, &ids).await
}

/// One service whose cancellation takes effect, locked; those that others hold are passed over.
pub(crate) async fn lock_due_termination(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Option<Service>, Failure> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM billing.services WHERE termination_at <= $1 AND terminated_at IS NULL
             AND (put_off_until IS NULL OR put_off_until <= $1)
         ORDER BY termination_at LIMIT 1 FOR UPDATE SKIP LOCKED",
        now
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(load(connection, &ids).await?.pop())
}

/// One service whose period is over, locked; those that end, and those that others hold, are passed over.
pub(crate) async fn lock_due_renewal(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Option<Service>, Failure> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM billing.services WHERE period_end <= $1 AND terminated_at IS NULL
             AND (put_off_until IS NULL OR put_off_until <= $1)
             AND (termination_at IS NULL OR termination_at > $1)
         ORDER BY period_end LIMIT 1 FOR UPDATE SKIP LOCKED",
        now
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(load(connection, &ids).await?.pop())
}

/// Begins the next period.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    service: &Service,
    period_end: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE billing.services SET period_number = period_number + 1, period_start = period_end, period_end = $2
         WHERE id = $1",
        service.id.0,
        period_end
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a service's state with the cancellation that stands, or with none.
pub(crate) async fn set_cancellation(
    connection: &mut PgConnection,
    service: &Service,
    state: ServiceState,
    cancellation: Option<Cancellation>,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE billing.services SET state = $2, cancelled_at = $3, termination_at = $4,
             charged_until = ($4 AT TIME ZONE 'UTC')::date, used_until = ($4 AT TIME ZONE 'UTC')::date
         WHERE id = $1",
        service.id.0,
        state.as_str(),
        cancellation.map(|cancellation| cancellation.cancelled_at),
        cancellation.map(|cancellation| cancellation.termination_at)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes how far an administrator holds a service back.
pub(crate) async fn set_hold(
    connection: &mut PgConnection,
    id: ServiceId,
    hold: Option<Restriction>,
) -> Result<(), Failure> {
    sqlx::query!("UPDATE billing.services SET hold = $2 WHERE id = $1", id.0, hold.map(Restriction::as_str))
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a service's state.
pub(crate) async fn set_state(
    connection: &mut PgConnection,
    id: ServiceId,
    state: ServiceState,
) -> Result<(), Failure> {
    sqlx::query!("UPDATE billing.services SET state = $2 WHERE id = $1", id.0, state.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// The moment of a decision about a service's account. It grows with each decision, whichever process makes it: clocks
/// that differ must not make an older one look newer.
pub(crate) async fn decide(connection: &mut PgConnection, id: ServiceId, now: Timestamp) -> Result<Timestamp, Failure> {
    let decided_at = sqlx::query_scalar!(
        r#"UPDATE billing.services SET last_decided_at = greatest($2, last_decided_at + interval '1 microsecond')
           WHERE id = $1 RETURNING last_decided_at AS "last_decided_at!""#,
        id.0,
        now
    );
    Ok(decided_at.fetch_one(connection).await?)
}

/// Writes that a service is over for good, until when it is charged and used, and whom to answer when its account is
/// gone. What is still to be invoiced is due when its last day is over.
pub(crate) async fn terminate(
    connection: &mut PgConnection,
    service: &Service,
    state: ServiceState,
    (charged_until, used_until): (NaiveDate, NaiveDate),
    requested_by: Option<&CommandKey>,
    now: Timestamp,
) -> Result<(), Failure> {
    sqlx::query!(
        "UPDATE billing.services SET state = $5, cancelled_at = coalesce(cancelled_at, $2),
             termination_at = least(termination_at, $2), terminated_at = $2, deleted_by_principal = $3,
             deleted_by_message_id = $4, charged_until = $6, used_until = $7, next_invoice_at = $8
         WHERE id = $1",
        service.id.0,
        now,
        requested_by.map(|key| key.principal.as_str()),
        requested_by.map(|key| key.message_id),
        state.as_str(),
        charged_until,
        used_until,
        midnight(used_until)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A service that is over: its id, when it ended, and whom to answer. `None`: it was ended before.
pub(crate) struct Ended {
    pub(crate) id: ServiceId,
    pub(crate) customer_id: CustomerId,
    pub(crate) terminated_at: Timestamp,
    pub(crate) requested_by: Option<CommandKey>,
}

/// Ends the service of an account that is gone.
pub(crate) async fn end(
    connection: &mut PgConnection,
    s3uid: &S3Uid,
    now: Timestamp,
) -> Result<Option<Ended>, Failure> {
    let ending = ServiceState::Deleting;
    let ended = ending.after(ServiceChange::End).map_err(|error| broken("service", &error))?;
    let row = sqlx::query!(
        r#"UPDATE billing.services SET state = $4, ended_at = $2 WHERE s3uid = $1 AND state = $3
           RETURNING id, customer_id, terminated_at AS "terminated_at!", deleted_by_principal, deleted_by_message_id"#,
        s3uid.as_str(),
        now,
        ending.as_str(),
        ended.as_str()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Ended {
        id: ServiceId(row.id),
        customer_id: CustomerId(row.customer_id),
        terminated_at: row.terminated_at,
        requested_by: row
            .deleted_by_principal
            .zip(row.deleted_by_message_id)
            .map(|(principal, message_id)| CommandKey { principal, message_id }),
    }))
}

/// Whether this customer has, or had, this account. `None`: any customer.
pub(crate) async fn owns_account(
    connection: &mut PgConnection,
    customer_id: Option<i64>,
    s3uid: &S3Uid,
) -> Result<bool, Failure> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM billing.orders WHERE s3uid = $2
               AND ($1::bigint IS NULL OR customer_id = $1)) AS "owns!""#,
        customer_id,
        s3uid.as_str()
    )
    .fetch_one(connection)
    .await?)
}
