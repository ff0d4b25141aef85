//! Metering against real PostgreSQL, a store in memory, and a clock that the test moves.

mod log;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use ::history::{JOURNAL_MIGRATOR, Journal, LOG_MIGRATOR};
use bytes::Bytes;
use chrono::TimeDelta;
use messages::{Event, RoleName};
use model::{BucketName, Clock, Location, ManualClock, S3Uid, Timestamp};
use object_store::memory::MemoryStore;
use object_store::{LocationStore, Locations, NewUser, ObjectStore, S3Keys};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use test_support::database;
use test_support::services::Services;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Metering, Settings, log as usage_log, sampling};

const BOOTSTRAP: &str = include_str!("../../../purser/migrations/bootstrap.sql");
const QUOTA_BYTES: i64 = 100_000;

/// One location with one account that has one bucket.
struct Fixture {
    services: Services,
    database: String,
    clock: ManualClock,
    store: Arc<MemoryStore>,
    metering: Metering,
    location: Location,
    account: NewUser,
    bucket: BucketName,
    memory: usage_log::Memory,
}

impl Fixture {
    /// At half past ten.
    async fn new() -> Self {
        let services = Services::load().expect("running services");
        let database = format!("metering_{}", Uuid::new_v4().simple());
        database::create(&services, &database).expect("a database");
        database::psql(&services, &database, BOOTSTRAP).expect("roles and schemas");
        let clock = ManualClock::new("2026-03-01T10:30:00Z".parse().unwrap());
        let owner = connect(&services, &database, "history").await;
        LOG_MIGRATOR.run(&owner).await.expect("the log's tables");
        let provisioner = connect(&services, &database, "provisioner").await;
        JOURNAL_MIGRATOR.run(&provisioner).await.expect("the journal's tables");
        for migration in PROVISIONER {
            database::psql(&services, &database, migration).expect("the provisioner's tables");
        }
        // get_buckets and get_users join what billing shows; nothing here does.
        let billing = "CREATE VIEW shared.services AS SELECT NULL::text AS s3uid, NULL::timestamptz AS period_start";
        database::psql(&services, &database, billing).expect("billing's view");
        let pool = connect(&services, &database, "metering").await;
        JOURNAL_MIGRATOR.run(&pool).await.expect("the journal's tables");
        crate::MIGRATOR.run(&pool).await.expect("metering's tables");

        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let location: Location = "NL".parse().unwrap();
        let served = LocationStore { store: Arc::clone(&store) as Arc<dyn ObjectStore>, endpoint: "s3".to_owned() };
        let journal = Journal::new(pool.clone(), RoleName::Metering, Arc::new(clock.clone()), TimeDelta::seconds(30));
        let settings = Settings {
            sweep_interval: Duration::from_mins(15),
            traffic_interval: Duration::from_mins(1),
            usage_flush: TimeDelta::minutes(2),
            usage_trim_after_days: None,
            change_delay: Duration::ZERO,
        };
        let metering = Metering {
            pool,
            journal,
            locations: Locations::from_iter([(location.clone(), served)]),
            clock: Arc::new(clock.clone()),
            settings,
        };
        let account =
            NewUser { uid: S3Uid::random(), display_name: "a".into(), keys: S3Keys::generate(), max_buckets: 10 };
        let memory = usage_log::Memory::default();
        let bucket = "bucket".parse().unwrap();
        let fixture = Self { services, database, clock, store, metering, location, account, bucket, memory };
        fixture.make_account().await;
        fixture
    }

    async fn make_account(&self) {
        self.store.create_user(&self.account).await.unwrap();
        self.store.create_bucket(&self.account.keys, &self.bucket).await.unwrap();
        let now = self.clock.now().to_rfc3339();
        self.sql(&format!(
            "INSERT INTO provisioner.accounts (s3uid, customer_id, order_id, location, state, quota_bytes, access_key,
                                               sealed_secret_key, created_at)
             VALUES ('{}', 1, gen_random_uuid(), 'NL', 'active', {QUOTA_BYTES}, 'a', '', '{now}');
             INSERT INTO provisioner.buckets (location, name, s3uid, created_at)
             VALUES ('NL', '{}', '{0}', '{now}')",
            self.account.uid, self.bucket
        ));
    }

    /// The provisioner works on the account.
    fn begin_command(&self) {
        let (uid, now) = (&self.account.uid, self.clock.now().to_rfc3339());
        self.sql(&format!(
            "WITH command AS (
                 INSERT INTO provisioner.answered_commands (principal, message_id, action, fingerprint, received_at)
                 VALUES ('customer/1', gen_random_uuid(), 'create_bucket', '', '{now}') RETURNING principal, message_id)
             INSERT INTO provisioner.intents (subject, principal, message_id, attempt, lease_until, request, plan,
                                              created_at)
             SELECT 'account/{uid}', principal, message_id, 1, '{now}', '{{}}', '{{}}', '{now}' FROM command"
        ));
    }

    fn sql(&self, sql: &str) -> String {
        database::psql(&self.services, &self.database, sql).unwrap().trim().to_owned()
    }

    async fn put(&self, key: &str, len: usize) {
        self.store.put_object(&self.account.keys, &self.bucket, key, Bytes::from(vec![1; len])).await.unwrap();
    }

    /// One round of reading the log.
    async fn read_log(&mut self) {
        let soft = CancellationToken::new();
        usage_log::round(&self.metering, &self.location, &mut self.memory, &soft).await.unwrap();
    }

    /// Rounds every three minutes for as long.
    async fn read_log_for(&mut self, time: TimeDelta) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.read_log().await;
            self.clock.advance(TimeDelta::minutes(3));
        }
        self.read_log().await;
    }

    /// Reads what is stored, after a minute.
    async fn sample(&self) {
        self.clock.advance(TimeDelta::minutes(1));
        sampling::sample(&self.metering, &self.account.uid, &self.location, None).await.unwrap();
    }

    /// Everything that was published, in order.
    fn events(&self, name: &str) -> Vec<Event> {
        let rows = self.sql("SELECT body FROM metering.outbox ORDER BY id");
        let events = rows.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
        events.filter(|event| event.event == name).collect()
    }

    fn bytes_in(&self) -> (String, String) {
        (
            self.sql("SELECT coalesce(sum(bytes_in), 0) FROM metering.usage_records"),
            self.sql("SELECT coalesce(sum(bytes_in), 0) FROM metering.traffic_days"),
        )
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = database::drop(&self.services, &self.database);
    }
}

const PROVISIONER: [&str; 4] = [
    include_str!("../../../provisioner/migrations/0001_accounts.sql"),
    include_str!("../../../provisioner/migrations/0002_deletion.sql"),
    include_str!("../../../provisioner/migrations/0003_watching.sql"),
    include_str!("../../../provisioner/migrations/0006_subjects_at_work.sql"),
];

async fn connect(services: &Services, database: &str, schema: &str) -> PgPool {
    let url = database::url(services, database).expect("a URL");
    let options: PgConnectOptions = url.parse().expect("options");
    let pool = PgPoolOptions::new().max_connections(6).connect_lazy_with(options.options([("search_path", schema)]));
    sqlx::query(AssertSqlSafe("SELECT 1")).execute(&pool).await.expect("a connection");
    pool
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
