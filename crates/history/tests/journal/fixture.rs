//! A database per test, migrated as the provisioner's, and what tests ask it.

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use history::{Failure, JOURNAL_MIGRATOR, Journal, LOG_MIGRATOR, Record, Step};
use messages::{Action, CallerAddress, CommandKey, Encoding, Request, RoleName, Subject};
use model::{Clock, CustomerId, ManualClock, PlanId, Principal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use test_support::database;
use test_support::services::Services;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const BOOTSTRAP: &str = include_str!("../../../purser/migrations/bootstrap.sql");

/// How long an attempt holds an intent: far longer than any test lasts.
pub(crate) const LEASE: TimeDelta = TimeDelta::minutes(10);
/// After how long a condition that doesn't come about fails its test.
const DEADLINE: Duration = Duration::from_secs(20);

/// The command of these tests: makes the thing `name`, whose subject is the plan `plan`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MakeThing {
    pub(crate) name: String,
    pub(crate) plan: i64,
}

impl Action for MakeThing {
    const NAME: &'static str = "make_thing";
}

/// A database and a role's journal in it, on a clock that stands still.
pub(crate) struct Fixture {
    services: Services,
    database: String,
    /// As the database's owner, who sees what every connection does.
    owner: PgPool,
    pub(crate) clock: ManualClock,
    pub(crate) pool: PgPool,
    pub(crate) journal: Journal,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let services = Services::load().expect("running services");
        let database = format!("history_{}", Uuid::new_v4().simple());
        database::create(&services, &database).expect("a database");
        database::psql(&services, &database, BOOTSTRAP).expect("roles and schemas");
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).expect("a moment"));
        // Owned from here on: whatever fails below, the database is dropped.
        let pool = connect(&services, &database, 8, &AS_ROLE);
        let journal = Journal::new(pool.clone(), RoleName::Provisioner, Arc::new(clock.clone()), LEASE);
        let owner = connect(&services, &database, 1, &[("search_path", "history")]);
        let fixture = Self { services, database, owner, clock, pool, journal };
        LOG_MIGRATOR.run(&fixture.owner).await.expect("the log's tables");
        JOURNAL_MIGRATOR.run(&fixture.pool).await.expect("the journal's tables");
        let tables = "CREATE TABLE things (name text NOT NULL, made_by text NOT NULL);
             CREATE TABLE broken_commits (id integer);
             CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'this commit fails'; END $$;
             CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON broken_commits
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();";
        sqlx::raw_sql(tables).execute(&fixture.pool).await.expect("the tests' own tables");
        fixture
    }

    /// The journal of another process of the same role, with at most `connections` to the database.
    pub(crate) fn other_process(&self, connections: u32) -> Journal {
        let pool = connect(&self.services, &self.database, connections, &AS_ROLE);
        Journal::new(pool, RoleName::Provisioner, Arc::new(self.clock.clone()), LEASE)
    }

    /// The same role and database with another lease.
    pub(crate) fn with_lease(&self, lease: TimeDelta) -> Journal {
        Journal::new(self.pool.clone(), RoleName::Provisioner, Arc::new(self.clock.clone()), lease)
    }

    /// The one number that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.expect(sql)
    }

    /// The texts that `sql` selects.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&self.pool).await.expect(sql)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.expect(sql);
    }

    /// Runs `sql` as the database's owner.
    pub(crate) async fn as_owner(&self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.owner).await.map(drop)
    }

    /// How many of this database's other connections fulfil `condition`, which is about `pg_stat_activity`.
    pub(crate) async fn connections(&self, condition: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
        );
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.owner).await.expect(condition)
    }

    /// Rows in the log and in the outbox; equal wherever nothing was relayed yet.
    pub(crate) async fn recorded(&self) -> (i64, i64) {
        (self.number("SELECT count(*) FROM history.entries").await, self.number("SELECT count(*) FROM outbox").await)
    }

    /// Intents that are held or wait to be resumed.
    pub(crate) async fn intents(&self) -> i64 {
        self.number("SELECT count(*) FROM intents").await
    }

    /// Waits until a connection of this database waits for another one's lock.
    pub(crate) async fn somebody_waits_for_a_lock(&self) {
        until("somebody waits for a lock", async || self.connections("wait_event_type = 'Lock'").await > 0).await;
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Err(error) = database::drop(&self.services, &self.database) {
            eprintln!("{} stays: {error:#}", self.database);
        }
    }
}

/// As the provisioner's role, so that its grants count.
const AS_ROLE: [(&str, &str); 2] = [("role", "purser_provisioner"), ("search_path", "provisioner")];

fn connect(services: &Services, database: &str, connections: u32, settings: &[(&str, &str)]) -> PgPool {
    let url = database::url(services, database).expect("an address");
    let options = PgConnectOptions::from_str(&url).expect("an address").options(settings.iter().copied());
    PgPoolOptions::new().max_connections(connections).connect_lazy_with(options)
}

/// Waits until `condition` holds; panics where it doesn't in time.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A command of customer 7 under a new id.
pub(crate) fn request(name: &str, plan: i64) -> Request {
    let serde_json::Value::Object(raw_parameters) = json!({"name": name, "plan": plan}) else {
        unreachable!("an object")
    };
    Request {
        action: MakeThing::NAME.to_owned(),
        principal: Principal::Customer(CustomerId(7)),
        message_id: Some(Uuid::new_v4()),
        caller: None,
        deadline: None,
        traceparent: None,
        raw_parameters,
    }
}

/// The same command, from a caller who waits at `reply_to`.
pub(crate) fn from_caller(request: &Request, reply_to: &str, encoding: Encoding) -> Request {
    let caller = CallerAddress { reply_to: reply_to.to_owned(), correlation_id: Some("c1".to_owned()), encoding };
    Request { caller: Some(caller), ..request.clone() }
}

pub(crate) fn key(request: &Request) -> CommandKey {
    request.key().expect("a message_id")
}

pub(crate) fn fingerprint(request: &Request) -> Vec<u8> {
    request.fingerprint(&request.parameters::<MakeThing>().expect("parameters"))
}

pub(crate) fn subject(plan: i64) -> Subject {
    Subject::Plan(PlanId(plan))
}

/// Records that `name` was made; what a handler does when it changes something.
pub(crate) async fn record(step: &mut Step, plan: i64, name: &str) -> Result<(), Failure> {
    step.record(made(plan, name, &json!({"name": name}))).await
}

/// What is recorded of a thing.
pub(crate) fn made<'a>(plan: i64, name: &str, data: &'a serde_json::Value) -> Record<'a, serde_json::Value> {
    Record {
        event: "thing.made",
        subject: subject(plan),
        customer_id: Some(CustomerId(7)),
        actor: "customer:7",
        description: format!("{name} made"),
        data,
        traceparent: None,
    }
}

/// Cuts the step's connection, as a server that goes away does; what follows in this step fails.
pub(crate) async fn cut_connection(step: &mut Step) {
    let cut = sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(step.connection()).await;
    cut.expect_err("the connection is gone");
}

/// Lets the step's commit fail, and nothing before it.
pub(crate) async fn break_commit(step: &mut Step) {
    sqlx::query("INSERT INTO broken_commits VALUES (1)").execute(step.connection()).await.expect("an insert");
}

pub(crate) fn is_busy<T: Debug>(result: &Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::Busy(_)))
}

pub(crate) fn is_unavailable<T: Debug>(result: &Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::Unavailable(_)))
}

/// The present moment of the fixture's clock.
pub(crate) fn now(fixture: &Fixture) -> model::Timestamp {
    fixture.clock.now()
}
