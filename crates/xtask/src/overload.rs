//! `cargo xtask overload`: twice as many requests as the roles can answer, for as long as wanted. Memory must stay
//! bounded, a customer who asks for little must be answered, and no confirmed command may be lost.

mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures_util::future::try_join_all;
use messages::Encoding;
use serde_json::{Value, json};
use test_support::amqp::{self, AmqpCaller};
use test_support::deployment::{Deployment, FRONTEND_USER};
use test_support::flood;
use test_support::http::HttpCaller;
use test_support::world::{CUSTOMER_ID, issue_token};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::flood::Stage;
use crate::workspace::Profile;
use tally::Tally;

const CUSTOMERS: std::ops::Range<i64> = 101..117;
/// Whose commands come over AMQP.
const PUBLISHER_ID: i64 = 201;
const CLOSED_LOOP_CLIENTS: usize = 64;
const CAPACITY_TIME: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(10);
/// So many requests are under way at most; what would be more counts as given up by its client.
const UNDER_WAY_MAX: usize = 4_000;
const PUBLISH_INTERVAL: Duration = Duration::from_millis(10);
const HANDLED_LIMIT: Duration = Duration::from_mins(10);

#[derive(Args)]
pub(crate) struct Arguments {
    /// How long
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many times its capacity
    #[arg(long, default_value_t = 2)]
    times: u64,
    /// Compiled as operators run it
    #[arg(long)]
    release: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let mut stage = Stage::start(Profile::release_if(arguments.release)).await?;
    let clients = Arc::new(clients(&stage.deployment).await?);
    stage.print_memory("before")?;
    let capacity = capacity(&clients).await;
    println!("   capacity: {capacity} requests a second, {CLOSED_LOOP_CLIENTS} at once");

    let time = Duration::from_mins(arguments.minutes);
    let load = Arc::new(Tally::default());
    let (gateway, token) = (stage.deployment.gateway_url(), issue_token(&stage.deployment, Some(CUSTOMER_ID)).await?);
    let polite = apart(async move { ask_politely(&HttpCaller::new(&gateway, Some(&token))?, time).await });
    let amqp_url = stage.deployment.amqp_url(FRONTEND_USER);
    let publisher = apart(async move {
        let publisher = AmqpCaller::connect(&amqp_url, amqp::customer(PUBLISHER_ID)).await?;
        Ok(publish_commands(&publisher, time).await)
    });
    let (overloaded, polite, confirmed, watched) = tokio::join!(
        overload(&clients, capacity * arguments.times, time, &load),
        polite,
        publisher,
        watch(&mut stage, time),
    );
    let (polite, confirmed) = (polite?, confirmed?);
    watched?;
    println!("   {overloaded} requests in {} minutes: {}", arguments.minutes, load.statuses());
    println!("   answers (200): {}", load.times());
    println!("   the polite customer: {}; {}", polite.statuses(), polite.times());
    stage.print_memory("under load")?;

    flood::wait_until_handled(&stage.deployment, HANDLED_LIMIT).await?;
    stage.check_alive()?;
    let answered = answered_commands(&stage.deployment).await?;
    println!("   all queues are empty; {confirmed} commands were confirmed over AMQP, {answered} answered");
    if answered < confirmed {
        bail!("confirmed commands were lost");
    }
    stage.print_memory("after")
}

/// Runs one client on a thread of its own, as if it were another machine's: the load's own clients, thousands at once in
/// one runtime, mustn't be what keeps it waiting.
async fn apart<T: Send + 'static>(client: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::spawn_blocking(move || runtime.block_on(client)).await?
}

/// A customer and a client for each.
async fn clients(deployment: &Deployment) -> Result<Vec<HttpCaller>> {
    for id in CUSTOMERS.chain([PUBLISHER_ID]) {
        let (id, email) = (id.to_string(), format!("customer{id}@example.com"));
        let who = ["customer", "add", "--id", &id, "--email", &email];
        deployment
            .purser_ok(&[&who[..], &["--country", "NL", "--currency", "EUR", "--billing-entity", "NL"]].concat())
            .await?;
    }
    let tokens = try_join_all(CUSTOMERS.map(|id| issue_token(deployment, Some(id)))).await?;
    tokens.iter().map(|token| HttpCaller::new(&deployment.gateway_url(), Some(token))).collect()
}

/// Two queries and a command that is refused, and saved with its answer: nothing is left on the store.
async fn request(client: &HttpCaller, number: usize, tally: &Tally) {
    let (action, parameters) = match number % 3 {
        0 => ("create_order", json!({"plan_id": 99, "bucket_name": "overload"})),
        1 => ("history", json!({"id": 1})),
        _ => ("list_plans", Value::Object(serde_json::Map::default())),
    };
    let started = Instant::now();
    let status = client.call(action, &parameters).await.map_or(0, |reply| reply.status);
    tally.add(status, started.elapsed());
}

/// Requests a second that are answered when each client waits for its answer.
async fn capacity(clients: &Arc<Vec<HttpCaller>>) -> u64 {
    let (tally, started, tasks) = (Arc::new(Tally::default()), Instant::now(), TaskTracker::new());
    for number in 0..CLOSED_LOOP_CLIENTS {
        let (clients, tally) = (Arc::clone(clients), Arc::clone(&tally));
        tasks.spawn(async move {
            let mut turn = number;
            while started.elapsed() < CAPACITY_TIME {
                request(&clients[number % clients.len()], turn, &tally).await;
                turn += 1;
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    (tally.answered() / CAPACITY_TIME.as_secs()).max(1)
}

/// Sends so many requests a second, answered or not; returns how many.
async fn overload(clients: &Arc<Vec<HttpCaller>>, rate: u64, time: Duration, tally: &Arc<Tally>) -> u64 {
    let (started, tasks, places) = (Instant::now(), TaskTracker::new(), Arc::new(Semaphore::new(UNDER_WAY_MAX)));
    let mut ticks = interval(TICK);
    let (mut due, mut number) = (0, 0_usize);
    while started.elapsed() < time {
        ticks.tick().await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for _ in due..elapsed_ms * rate / 1000 {
            number += 1;
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tally.add_given_up();
                continue;
            };
            let (clients, tally) = (Arc::clone(clients), Arc::clone(tally));
            tasks.spawn(async move {
                request(&clients[number % clients.len()], number, &tally).await;
                drop(place);
            });
        }
        due = elapsed_ms * rate / 1000;
    }
    tasks.close();
    tasks.wait().await;
    due
}

/// One request after the other, one a second.
async fn ask_politely(client: &HttpCaller, time: Duration) -> Result<Tally> {
    let (started, tally) = (Instant::now(), Tally::default());
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while started.elapsed() < time {
        ticks.tick().await;
        request(client, number, &tally).await;
        number += 1;
    }
    Ok(tally)
}

/// Commands over AMQP; returns how many the broker has confirmed.
async fn publish_commands(publisher: &AmqpCaller, time: Duration) -> u64 {
    let (started, confirmed, tasks) = (Instant::now(), Arc::new(AtomicU64::new(0)), TaskTracker::new());
    let mut ticks = interval(PUBLISH_INTERVAL);
    while started.elapsed() < time {
        ticks.tick().await;
        let parameters = json!({"plan_id": 99, "bucket_name": "overload"});
        let Ok(mut message) =
            publisher.message("create_order", parameters, Encoding::MessagePack, Some(Uuid::new_v4()))
        else {
            continue;
        };
        // So that the refusal isn't kept for a person.
        message.reply_to = Some("reply.nobody".to_owned());
        let (publisher, confirmed) = (publisher.clone(), Arc::clone(&confirmed));
        tasks.spawn(async move {
            if publisher.publish_raw(message).await.is_ok() {
                confirmed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    confirmed.load(Ordering::Relaxed)
}

/// Prints the memory once a minute and fails where a process ends.
async fn watch(stage: &mut Stage, time: Duration) -> Result<()> {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_mins(1));
    ticks.tick().await;
    while started.elapsed() < time {
        ticks.tick().await;
        stage.check_alive()?;
        stage.print_memory(&format!("after {} s", started.elapsed().as_secs()))?;
    }
    Ok(())
}

async fn answered_commands(deployment: &Deployment) -> Result<u64> {
    let sql = format!(
        "SELECT count(*) FROM billing.answered_commands WHERE principal = 'customer:{PUBLISHER_ID}' AND answered_at IS \
         NOT NULL"
    );
    deployment.sql(&sql).await?.trim().parse().context("counting answers")
}
