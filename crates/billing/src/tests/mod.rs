//! Billing against real PostgreSQL, with metering's tables filled by hand and a clock that the test moves.

mod dunning;
mod handover;
mod invoices;
mod money;
mod overtaken;
mod runs;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use ::history::{JOURNAL_MIGRATOR, Journal, LOG_MIGRATOR};
use chrono::{NaiveDate, TimeDelta};
use messages::{Action, AddPayment, Event, InvoiceReply, Request, RoleName};
use model::{Clock, Currency, CustomerId, Location, ManualClock, OrderId, Principal, S3Uid, ServiceId, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use test_support::database;
use test_support::services::Services;
use uuid::Uuid;

use crate::customers::NewCustomer;
use crate::domain::dunning::DunningDays;
use crate::domain::order::{self, Order, OrderState};
use crate::domain::schedule::midnight;
use crate::domain::service::{ServiceState, minimum_until};
use crate::run::Progress;
use crate::{Billing, InvoicingSystem, LocationBook, Settings, store};

const CUSTOMER: CustomerId = CustomerId(7);

/// A German customer who pays in euros, and three plans.
struct Fixture {
    services: Services,
    database: String,
    clock: ManualClock,
    journal: Journal,
    settings: Settings,
}

/// What a plan costs; everything else is the same in all of them.
fn plan(id: i64, price: &str, setup_fee: &str) -> String {
    format!(
        r#"
        [[plan]]
        id = {id}
        name = "Plan {id}"
        active = true
        storage_type = "standard"
        locations = ["NL"]
        base_price = "{price}"
        quota_gb = {id}00
        included_storage_gb = 100
        included_traffic_in_gb = 0
        included_traffic_out_gb = 1000
        minimum_term = "1M"
        payment_period = "1M"
        [plan.prices.EUR]
        price = "{price}"
        setup_fee = "{setup_fee}"
        traffic_overage_per_gb = "0.10"
        storage_overage_per_gb = "0.05"
        "#
    )
}

impl Fixture {
    /// At noon of the first of March 2026.
    async fn new() -> Self {
        let services = Services::load().expect("running services");
        let database = format!("billing_{}", Uuid::new_v4().simple());
        database::create(&services, &database).expect("a database");
        database::psql(&services, &database, BOOTSTRAP).expect("roles and schemas");
        let clock = ManualClock::new("2026-03-01T12:00:00Z".parse().unwrap());
        let owner = connect(&services, &database, "history").await;
        LOG_MIGRATOR.run(&owner).await.expect("the log's tables");
        for (role, migrations) in [("provisioner", &PROVISIONER[..]), ("metering", &METERING[..])] {
            let pool = connect(&services, &database, role).await;
            JOURNAL_MIGRATOR.run(&pool).await.expect("the journal's tables");
            for migration in migrations {
                database::psql(&services, &database, migration).expect("another role's tables");
            }
        }
        let pool = connect(&services, &database, "billing").await;
        JOURNAL_MIGRATOR.run(&pool).await.expect("the journal's tables");
        crate::MIGRATOR.run(&pool).await.expect("billing's tables");
        let journal = Journal::new(pool, RoleName::Billing, Arc::new(clock.clone()), TimeDelta::seconds(30));
        let fixture = Self { services, database, clock, journal, settings: settings() };
        let plans = [plan(1, "4.99", "0.00"), plan(2, "200.00", "10.00"), plan(3, "0.00", "0.00")];
        crate::plans::import(&fixture.journal, &plans.concat()).await.unwrap();
        fixture.customer(CUSTOMER, "DE").await;
        fixture
    }

    async fn customer(&self, id: CustomerId, country: &str) {
        let customer = NewCustomer {
            id,
            email: "someone@example.com".to_owned(),
            country: country.to_owned(),
            currency: Currency::EUR,
            billing_entity: "NL".to_owned(),
            name: "Some <One>".to_owned(),
            address: "Street 1\nTown".to_owned(),
            vat_id: String::new(),
            is_tax_exempt: false,
            credit_limit: None,
        };
        crate::customers::add(&self.journal, &customer).await.unwrap();
    }

    fn billing(&self) -> Billing {
        Billing {
            pool: self.journal.pool().clone(),
            journal: self.journal.clone(),
            settings: self.settings.clone(),
            clock: Arc::new(self.clock.clone()),
        }
    }

    /// A running service that has just begun, without a broker and a provisioner.
    async fn service(&self, plan_id: i64) -> (ServiceId, S3Uid) {
        self.service_of(CUSTOMER, plan_id, Currency::EUR).await
    }

    async fn service_of(&self, customer_id: CustomerId, plan_id: i64, currency: Currency) -> (ServiceId, S3Uid) {
        let (mut step, s3uid) = (self.journal.step().await.unwrap(), S3Uid::random());
        let now = step.now();
        let plan = store::plans::newest(step.connection(), Some(model::PlanId(plan_id))).await.unwrap().pop().unwrap();
        let order = Order {
            id: OrderId(Uuid::now_v7()),
            customer_id,
            name: order::name_of(&s3uid),
            s3uid: s3uid.clone(),
            location: "NL".parse().unwrap(),
            bucket_name: "bucket".parse().unwrap(),
            action: "create_order".to_owned(),
            principal: "customer/7".to_owned(),
            message_id: Uuid::now_v7(),
            state: OrderState::Provisioning,
            deadline: now,
        };
        store::orders::insert(step.connection(), &order, &plan, currency, now).await.unwrap();
        store::orders::conclude(step.connection(), order.id, None, now).await.unwrap();
        let (schedule, term) =
            store::plans::terms_of_order(step.connection(), order.id, now.date_naive()).await.unwrap();
        let first = schedule.period(1);
        let bounds = (midnight(first.start), midnight(first.end));
        let state = ServiceState::Running;
        let id =
            store::services::insert(step.connection(), order.id, state, bounds, minimum_until(first.start, term), now)
                .await
                .unwrap();
        step.commit().await.unwrap();
        (id, s3uid)
    }

    fn sql(&self, sql: &str) -> String {
        database::psql(&self.services, &self.database, sql).unwrap().trim().to_owned()
    }

    /// So many GB were stored all day, and so many left the account.
    fn used(&self, s3uid: &S3Uid, day: &str, stored_gb: i64, out_gb: i64) {
        let (bytes, out) = (stored_gb * 1_000_000_000, out_gb * 1_000_000_000);
        self.sql(&format!(
            "INSERT INTO metering.storage_days (s3uid, day, peak_bytes, last_bytes, measured_at, byte_seconds)
             VALUES ('{s3uid}', '{day}', {bytes}, {bytes}, '{day}', {bytes}::numeric * 86400)
             ON CONFLICT (s3uid, day) DO UPDATE SET byte_seconds = EXCLUDED.byte_seconds;
             INSERT INTO metering.traffic_days (s3uid, day, bytes_in, bytes_out, operations)
             VALUES ('{s3uid}', '{day}', 0, {out}, 1)
             ON CONFLICT (s3uid, day) DO UPDATE SET bytes_out = EXCLUDED.bytes_out"
        ));
    }

    /// The log is read up to here, for good.
    fn final_until(&self, moment: &str) {
        self.sql(&format!(
            "INSERT INTO metering.log_watermarks (location, final_until, read_at) VALUES ('NL', '{moment}', now())
             ON CONFLICT (location) DO UPDATE SET final_until = EXCLUDED.final_until"
        ));
    }

    fn move_to(&self, moment: &str) {
        self.clock.advance(at(moment) - self.clock.now());
    }

    /// Begins what periods have come, and issues what is due now.
    async fn run(&self) -> Progress {
        while crate::periods::renew_one_due(&self.journal).await.unwrap() {}
        crate::run::run(&self.journal, &self.settings, self.clock.now(), |_| {}).await.unwrap()
    }

    /// A command as a caller sends it; its reply.
    async fn command<A: Action>(&self, principal: Principal, parameters: Value) -> Value
    where
        Billing: ::history::DatabaseCommand<A>,
    {
        let request = request(A::NAME, principal, parameters);
        let reply = self.journal.run_database::<A, _>(&self.billing(), &request).await.unwrap();
        reply.map_or(Value::Null, |reply| serde_json::from_str(reply.as_json_text()).unwrap())
    }

    async fn pay(&self, amount: &str, reference: &str) -> Value {
        let parameters = json!({"id": 7, "amount": amount, "currency": "EUR", "reference": reference});
        self.command::<AddPayment>(Principal::Admin(None), parameters).await
    }

    /// All documents in their order: number, net, tax, gross.
    fn documents(&self) -> Vec<String> {
        let rows = self.sql(
            "SELECT format('%s %s + %s = %s', number, net, tax, gross) FROM billing.documents ORDER BY issued_at, number",
        );
        rows.lines().map(str::to_owned).collect()
    }

    async fn document(&self, number: &str) -> InvoiceReply {
        crate::invoices::find(self.journal.pool(), number, None).await.unwrap().unwrap()
    }

    async fn assert_books_agree(&self) {
        let verification = crate::verify_ledger(self.journal.pool()).await.unwrap();
        assert_eq!(verification.contradictions, Vec::<String>::new());
    }

    /// The names of all events and commands that left, in order.
    fn published(&self) -> Vec<String> {
        let rows = self.sql("SELECT envelope ->> 'routing_key' FROM billing.outbox ORDER BY id");
        rows.lines().map(str::to_owned).collect()
    }

    #[expect(dead_code, reason = "for tests that look into events")]
    fn events(&self, name: &str) -> Vec<Event> {
        let rows = self.sql("SELECT body FROM billing.outbox ORDER BY id");
        let events = rows.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
        events.filter(|event| event.event == name).collect()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = database::drop(&self.services, &self.database);
    }
}

fn settings() -> Settings {
    let location: Location = "NL".parse().unwrap();
    let german = BTreeMap::from([(day("2007-01-01"), Decimal::from(19)), (day("2026-07-01"), Decimal::from(16))]);
    Settings {
        order_deadline: TimeDelta::minutes(10),
        free_accounts_max: 1,
        locations: LocationBook::new(location.clone(), [(location, vec![])]),
        endpoints: BTreeMap::new(),
        tax_rates: [("DE".to_owned(), german)].into_iter().collect(),
        invoicing: InvoicingSystem::Native,
        payment_term_days: 14,
        usage_patience: TimeDelta::days(3),
        dunning: DunningDays { reminder: Some(3), lock: Some(10), suspension: Some(20), termination: Some(40) },
    }
}

fn request(action: &str, principal: Principal, parameters: Value) -> Request {
    let Value::Object(raw_parameters) = parameters else { panic!("parameters are an object") };
    Request {
        action: action.to_owned(),
        principal,
        message_id: Some(Uuid::now_v7()),
        caller: None,
        deadline: None,
        traceparent: None,
        raw_parameters,
    }
}

fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const BOOTSTRAP: &str = include_str!("../../../purser/migrations/bootstrap.sql");
const PROVISIONER: [&str; 4] = [
    include_str!("../../../provisioner/migrations/0001_accounts.sql"),
    include_str!("../../../provisioner/migrations/0002_deletion.sql"),
    include_str!("../../../provisioner/migrations/0003_watching.sql"),
    include_str!("../../../provisioner/migrations/0004_access_and_last_usage.sql"),
];
const METERING: [&str; 4] = [
    include_str!("../../../metering/migrations/0001_usage.sql"),
    include_str!("../../../metering/migrations/0002_days.sql"),
    include_str!("../../../metering/migrations/0003_completeness.sql"),
    include_str!("../../../metering/migrations/0004_complete_until.sql"),
];

async fn connect(services: &Services, database: &str, schema: &str) -> PgPool {
    let url = database::url(services, database).expect("a URL");
    let options: PgConnectOptions = url.parse().expect("options");
    let pool = PgPoolOptions::new().max_connections(6).connect_lazy_with(options.options([("search_path", schema)]));
    sqlx::query(AssertSqlSafe("SELECT 1")).execute(&pool).await.expect("a connection");
    pool
}
