//! The tables and rows of a former version.

use std::borrow::Cow;

use messages::{Action, CreateBucket, CreateOrder, Encoding, Request};
use model::Principal;
use object_store::{ListObjects, ObjectStore};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::database;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, customer_store, order, text};

const BOOTSTRAP: &str = include_str!("../../../crates/purser/migrations/bootstrap.sql");
const ROWS: &str = include_str!("rows.sql");

/// The former version's last migration of each schema: of the journal, and of its own.
const FORMER: [(&str, &str, Option<i64>, i64); 4] = [
    ("gateway", "auth", None, 1),
    ("provisioner", "provisioner", Some(1), 3),
    ("metering", "metering", Some(1), 3),
    ("billing", "billing", Some(1), 3),
];

fn migrator(role: &str) -> &'static Migrator {
    match role {
        "gateway" => &gateway::MIGRATOR,
        "provisioner" => &provisioner::MIGRATOR,
        "metering" => &metering::MIGRATOR,
        _ => &billing::MIGRATOR,
    }
}

fn up_to(migrator: &Migrator, version: i64) -> Migrator {
    let migrations: Vec<_> = migrator.iter().filter(|migration| migration.version <= version).cloned().collect();
    Migrator { migrations: Cow::Owned(migrations), table_name: migrator.table_name.clone(), ..Migrator::DEFAULT }
}

/// Makes the world's database anew, as the former version had it.
async fn make_former_database(world: &World) {
    let (services, name) = (world.deployment.services(), world.deployment.name());
    database::drop(services, name).unwrap();
    database::create(services, name).unwrap();
    let mut connection = PgConnection::connect(&database::url(services, name).unwrap()).await.unwrap();
    sqlx::raw_sql(BOOTSTRAP).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("SET search_path TO history").execute(&mut connection).await.unwrap();
    history::LOG_MIGRATOR.run(&mut connection).await.unwrap();
    let partitions = "SELECT history.make_partitions(date_trunc('month', now())::date, 24)";
    sqlx::raw_sql(partitions).execute(&mut connection).await.unwrap();
    for (role, schema, journal, own) in FORMER {
        let enter = format!("SET ROLE purser_{role}; SET search_path TO {schema}");
        sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut connection).await.unwrap();
        if let Some(journal) = journal {
            up_to(&history::JOURNAL_MIGRATOR, journal).run(&mut connection).await.unwrap();
        }
        up_to(migrator(role), own).run(&mut connection).await.unwrap();
        sqlx::raw_sql("RESET ROLE; RESET search_path").execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// A command of the customer, and the fingerprint under which the former version noted it, in hexadecimal digits.
fn fingerprint<A: Action>(parameters: &Value) -> String {
    let request = Request {
        action: A::NAME.to_owned(),
        principal: Principal::Customer(model::CustomerId(1)),
        message_id: None,
        caller: None,
        deadline: None,
        traceparent: None,
        raw_parameters: parameters.as_object().unwrap().clone(),
    };
    hex::encode(request.fingerprint(&request.parameters::<A>().unwrap()))
}

/// What the rows are about.
struct Left {
    s3uid: String,
    bucket: String,
    answered: Uuid,
    begun: Uuid,
    begun_bucket: String,
    ordered: Uuid,
    new_s3uid: String,
    new_bucket: String,
}

impl Left {
    fn create_bucket(&self, bucket: &str) -> Value {
        json!({"s3uid": self.s3uid, "bucket_name": bucket})
    }

    fn create_order(&self) -> Value {
        json!({"plan_id": 1, "bucket_name": self.new_bucket})
    }
}

/// Leaves a former version's database behind, in which is an account that RGW has.
async fn leave(world: &mut World) -> Left {
    let (s3uid, bucket) = order(world).await;
    let left = Left {
        s3uid,
        bucket,
        answered: Uuid::new_v4(),
        begun: Uuid::new_v4(),
        begun_bucket: world.bucket_name("begun"),
        ordered: Uuid::new_v4(),
        new_s3uid: Uuid::new_v4().simple().to_string(),
        new_bucket: world.bucket_name("new"),
    };
    let account = |column: &str| format!("SELECT {column} FROM provisioner.accounts");
    let access_key = world.sql(&account("access_key")).await;
    let sealed = world.sql(&account("encode(sealed_secret_key, 'hex')")).await;
    let sealed_base64 = world.sql(&account("translate(encode(sealed_secret_key, 'base64'), E'\\n', '')")).await;
    for mut process in world.processes.drain(..) {
        process.stop().await.unwrap();
    }
    make_former_database(world).await;
    let mut rows = ROWS.to_owned();
    for (name, value) in [
        ("order", Uuid::new_v4().to_string()),
        ("new_order", Uuid::new_v4().to_string()),
        ("event", Uuid::now_v7().to_string()),
        ("s3uid", left.s3uid.clone()),
        ("bucket", left.bucket.clone()),
        ("access_key", access_key),
        ("sealed", sealed),
        ("sealed_base64", sealed_base64),
        ("answered", left.answered.to_string()),
        ("answered_fingerprint", fingerprint::<CreateBucket>(&left.create_bucket(&left.bucket))),
        ("begun", left.begun.to_string()),
        ("begun_bucket", left.begun_bucket.clone()),
        ("begun_fingerprint", fingerprint::<CreateBucket>(&left.create_bucket(&left.begun_bucket))),
        ("ordered", left.ordered.to_string()),
        ("ordered_fingerprint", fingerprint::<CreateOrder>(&left.create_order())),
        ("new_s3uid", left.new_s3uid.clone()),
        ("new_bucket", left.new_bucket.clone()),
    ] {
        rows = rows.replace(&format!("<{name}>"), &value);
    }
    world.sql(&rows).await;
    left
}

/// Whoever comes first migrates; the others find it done.
async fn migrate_several_at_once(world: &World) {
    let runs = (0..3).map(|_| world.deployment.purser_ok(&["migrate"]));
    futures_util::future::try_join_all(runs).await.unwrap();
    for (role, schema, journal, _) in FORMER {
        for migrator in [Some(migrator(role)), journal.map(|_| &history::JOURNAL_MIGRATOR)].into_iter().flatten() {
            let table = format!("{schema}.{}", migrator.table_name);
            let done = format!("SELECT array_agg(version ORDER BY version) FROM {table} WHERE success");
            assert_eq!(world.sql(&done).await, shown(migrator), "{table}");
        }
    }
}

fn shown(migrator: &Migrator) -> String {
    let versions: Vec<_> = migrator.iter().map(|migration| migration.version.to_string()).collect();
    format!("{{{}}}", versions.join(","))
}

#[tokio::test]
async fn what_a_former_version_left_in_the_database_is_taken_up() {
    let mut world = World::start().await;
    let left = leave(&mut world).await;
    migrate_several_at_once(&world).await;
    world.processes.push(world.deployment.spawn("all", &[]).await.unwrap());

    let php = world.frontend().await;
    let call = async |action, parameters, id| php.call(action, parameters, Encoding::Json, Some(id)).await.unwrap();
    let saved = call("create_bucket", left.create_bucket(&left.bucket), left.answered).await;
    let as_saved = json!({"status": "success", "bucket_name": left.bucket});
    assert_eq!((&saved["result"], &saved["message"]), (&json!("OK"), &as_saved), "the saved reply: {saved}");
    let begun = call("create_bucket", left.create_bucket(&left.begun_bucket), left.begun).await;
    assert_eq!(begun["result"], "OK", "what was begun is finished: {begun}");
    let ordered = call("create_order", left.create_order(), left.ordered).await;
    assert_eq!(text(&ordered["s3uid"]), left.new_s3uid, "the order that waited is completed: {ordered}");

    let account = call("get_buckets_rmq", json!({"s3uid": left.s3uid}), Uuid::new_v4()).await;
    let (store, keys) = customer_store(&world, &account);
    for bucket in [&left.bucket, &left.begun_bucket] {
        store.list_objects(&keys, &ListObjects::all(bucket.parse().unwrap())).await.unwrap();
        assert!(account["message"].to_string().contains(bucket.as_str()), "{account}");
    }
    wait_until(LIMIT, "nothing is left", async || {
        let left = "SELECT (SELECT count(*) FROM provisioner.outbox) + (SELECT count(*) FROM billing.outbox)
                    + (SELECT count(*) FROM provisioner.intents)";
        world.sql(left).await == "0"
    })
    .await;
    wait_until(LIMIT, "the service that was never invoiced is", async || {
        let invoices = format!(
            "SELECT count(*) FROM history.entries WHERE event = 'invoice.issued' AND subject = 'account/{}'",
            left.s3uid
        );
        world.sql(&invoices).await == "1"
    })
    .await;
}
