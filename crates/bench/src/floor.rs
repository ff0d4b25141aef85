//! The floor's server: the least that a worker can do for a request, with lapin and sqlx and nothing between.
//!
//! For a query one prepared SELECT; for a command one transaction of four statements. Replies go to direct reply-to,
//! then the request is acknowledged.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection};
use messages::{BucketStatusReply, BucketUsageReply, Encoding, GetBucketsRmqReply, MeteringReply};
use model::{Clock, SystemClock};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use test_support::database;
use test_support::deployment::Deployment;
use uuid::Uuid;

use crate::client::connect;
use crate::helper::{self, Helper};
use crate::listener::queue_kind;

/// A classic queue that isn't durable.
pub(crate) const QUERIES: &str = "floor.queries";
/// A quorum queue.
pub(crate) const COMMANDS: &str = "floor.commands";

const AMQP_URL: &str = "BENCH_AMQP_URL";
const DATABASE_URL: &str = "BENCH_DATABASE_URL";
/// As many as a role of Purser has with two locations.
const CONNECTIONS_MAX: u32 = 20;
/// More than are ever under way.
const PREFETCH: u16 = 256;
const MB: u64 = 1_000_000;

const TABLES: &str = "
    CREATE SCHEMA floor;
    CREATE TABLE floor.accounts (s3uid text PRIMARY KEY, customer_id bigint NOT NULL, keys text NOT NULL);
    CREATE TABLE floor.usage (s3uid text, name text, usage_bytes bigint NOT NULL, objects bigint NOT NULL,
                              PRIMARY KEY (s3uid, name));
    CREATE TABLE floor.answered (principal text, message_id uuid, reply bytea NOT NULL, PRIMARY KEY (principal, message_id));
    CREATE TABLE floor.buckets (name text PRIMARY KEY, s3uid text NOT NULL REFERENCES floor.accounts);
    CREATE TABLE floor.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL, body text NOT NULL);
    INSERT INTO floor.accounts SELECT s3uid, customer_id, access_key FROM provisioner.accounts;
    INSERT INTO floor.usage SELECT s3uid, bucket_name, usage_bytes, objects FROM shared.bucket_usage;
    ANALYZE;";

/// Makes the floor's tables, with copies of the deployment's own rows, and starts its server.
pub(crate) async fn start(deployment: &Deployment) -> Result<Helper> {
    deployment.sql(TABLES).await.context("making the floor's tables")?;
    let database_url = database::url(deployment.services(), deployment.name())?;
    Helper::start("floor", &[(AMQP_URL, &deployment.amqp_admin_url()), (DATABASE_URL, &database_url)]).await
}

/// The server's process.
pub(crate) async fn serve() -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is missing"));
    // Asking a connection whether it lives costs a round trip for each use.
    let options = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).test_before_acquire(false);
    let pool = options.connect_lazy(&variable(DATABASE_URL)?)?;
    let connection = connect(&variable(AMQP_URL)?, "bench floor").await?;
    let (transient, durable) = (QueueDeclareOptions::default(), QueueDeclareOptions::durable());
    consume(&connection, &pool, Job::Query, transient, FieldTable::default()).await?;
    consume(&connection, &pool, Job::Command, durable, queue_kind("quorum")).await?;
    helper::serve_until_parent_ends("").await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Query,
    Command,
}

/// Answers what comes to a job's queue, each request in a task of its own.
async fn consume(
    connection: &Connection,
    pool: &PgPool,
    job: Job,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> Result<()> {
    let queue = match job {
        Job::Query => QUERIES,
        Job::Command => COMMANDS,
    };
    let channel = connection.create_channel().await?;
    channel.queue_declare(queue.into(), options, arguments).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let taken = channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut requests = taken.await?;
    let pool = pool.clone();
    tokio::spawn(async move {
        while let Some(Ok(request)) = requests.next().await {
            let (channel, pool) = (channel.clone(), pool.clone());
            tokio::spawn(async move {
                if let Err(error) = answer(&channel, &pool, job, request).await {
                    eprintln!("the floor failed: {error:#}");
                }
            });
        }
    });
    Ok(())
}

async fn answer(channel: &Channel, pool: &PgPool, job: Job, request: Delivery) -> Result<()> {
    let reply = match job {
        Job::Query => query(pool, &request.data).await?,
        Job::Command => command(pool, &request).await?,
    };
    let properties = request.properties.correlation_id().clone().unwrap_or_default();
    let properties = BasicProperties::default().with_correlation_id(properties);
    let reply_to = request.properties.reply_to().clone().context("the request has no reply_to")?;
    channel.basic_publish("".into(), reply_to, BasicPublishOptions::default(), &reply, properties).await?;
    Ok(request.ack(BasicAckOptions::default()).await.map(drop)?)
}

/// What the floor reads of a request.
#[derive(Deserialize)]
struct Parameters {
    s3uid: String,
    #[serde(default)]
    bucket_name: String,
}

/// The reply as Purser sends it.
#[derive(Serialize)]
struct Success<'a, T> {
    result: &'static str,
    action: &'a str,
    #[serde(flatten)]
    body: T,
}

fn success<T: Serialize>(action: &str, body: T) -> Result<Vec<u8>> {
    Ok(Encoding::MessagePack.encode(&Success { result: "OK", action, body })?)
}

async fn query(pool: &PgPool, body: &[u8]) -> Result<Vec<u8>> {
    let Parameters { s3uid, .. } = Encoding::MessagePack.decode(body)?;
    let rows = sqlx::query("SELECT name, usage_bytes, objects FROM floor.usage WHERE s3uid = $1 ORDER BY name")
        .bind(&s3uid)
        .fetch_all(pool)
        .await?;
    let message = rows.iter().map(|row| {
        let (usage_bytes, objects): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let (usage_bytes, objects) = (usage_bytes.unsigned_abs(), objects.unsigned_abs());
        Ok(BucketUsageReply { name: row.try_get(0)?, usage: usage_bytes.div_ceil(MB), usage_bytes, objects })
    });
    let message = message.collect::<sqlx::Result<Vec<_>>>()?;
    let stored = message.iter().map(|bucket| bucket.usage_bytes).sum::<u64>();
    let reply = GetBucketsRmqReply {
        message,
        usage_storage: stored.div_ceil(MB),
        usage_storage_bytes: stored,
        quota: 100_000,
        quota_bytes: 100_000 * MB,
        metering: MeteringReply {
            total_traffic_gb: Decimal::ZERO,
            total_storage_gb: Decimal::ZERO,
            traffic_in_bytes: 0,
            traffic_out_bytes: 0,
        },
        access_key: s3uid[..20].to_owned(),
        secret_key: format!("{s3uid}{}", &s3uid[..8]),
        endpoint: "s3.nl.example.com".to_owned(),
        measured_at: Some(SystemClock.now()),
    };
    success("get_buckets_rmq", reply)
}

/// The idempotency key with its answer, the account, the bucket, what follows from it.
async fn command(pool: &PgPool, request: &Delivery) -> Result<Vec<u8>> {
    let Parameters { s3uid, bucket_name } = Encoding::MessagePack.decode(&request.data)?;
    let id = request.properties.message_id().as_ref().context("the request has no message_id")?;
    let id: Uuid = id.as_str().parse()?;
    let reply = success("create_bucket", BucketStatusReply::success(bucket_name.parse()?))?;
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO floor.answered (principal, message_id, reply) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(&s3uid)
        .bind(id)
        .bind(&reply)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SELECT customer_id, keys FROM floor.accounts WHERE s3uid = $1")
        .bind(&s3uid)
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO floor.buckets (name, s3uid) VALUES ($1, $2)")
        .bind(&bucket_name)
        .bind(&s3uid)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO floor.outbox (subject, body) VALUES ($1, $2)")
        .bind(format!("account/{s3uid}"))
        .bind(format!(r#"{{"event":"bucket.created","s3uid":"{s3uid}","bucket_name":"{bucket_name}"}}"#))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(reply)
}
