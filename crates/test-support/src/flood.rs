//! Random and mutated messages, as a broken or hostile publisher might send them: whatever they are, they must neither
//! stop a worker nor stay in its queues.

mod forge;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use bus::{Message, PublishError, Publisher};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::amqp::{self, AmqpCaller};
use crate::broker::{Management, Queue};
use crate::deployment::{Deployment, FRONTEND_USER};
use crate::world::CUSTOMER_ID;
pub use forge::{Forge, Sender};

/// How many messages are under way to the broker.
const AT_ONCE: usize = 192;
/// The broker counts once a second.
const ROUND: Duration = Duration::from_secs(1);
const QUIET_ROUNDS: u32 = 4;

/// What became of the messages at the broker.
#[derive(Debug, Default)]
pub struct Counts {
    /// A queue has it.
    pub taken: AtomicU64,
    /// Its queue was full.
    pub full: AtomicU64,
    /// No queue takes such a message.
    pub unroutable: AtomicU64,
    /// The broker, or the client, found the message itself wrong.
    pub refused: AtomicU64,
}

impl Counts {
    fn add(&self, published: &Result<(), PublishError>) {
        let counter = match published {
            Ok(()) => &self.taken,
            Err(PublishError::Rejected) => &self.full,
            Err(PublishError::Unroutable { .. }) => &self.unroutable,
            Err(_) => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have been sent so far.
    pub fn sent(&self) -> u64 {
        [&self.taken, &self.full, &self.unroutable, &self.refused]
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

/// Sends so many messages and returns when the broker has answered for each; the same `seed` makes the same messages.
pub async fn run(deployment: &Deployment, seed: u64, messages: u64, counts: &Counts) -> Result<()> {
    let connect = async |url: String| AmqpCaller::connect(&url, amqp::customer(CUSTOMER_ID)).await;
    let frontend = connect(deployment.amqp_url(FRONTEND_USER)).await?;
    let role = connect(deployment.amqp_url("purser-billing")).await?;
    let stranger = connect(deployment.amqp_admin_url()).await?;
    let publishers = [frontend.publisher(), role.publisher(), stranger.publisher()];
    let mut forge = Forge::new(seed)?;
    let made = stream::iter((0..messages).map(|_| forge.next_message()));
    made.for_each_concurrent(AT_ONCE, |(sender, message)| {
        let publisher = match sender {
            Sender::Frontend => &publishers[0],
            Sender::Role => &publishers[1],
            Sender::Stranger => &publishers[2],
        };
        send(publisher, message, counts)
    })
    .await;
    for caller in [frontend, role, stranger] {
        caller.close().await;
    }
    Ok(())
}

/// Waits until no queue but those of parked messages holds anything.
pub async fn wait_until_handled(deployment: &Deployment, limit: Duration) -> Result<()> {
    let management = Management::new(deployment.services())?;
    let deadline = Instant::now() + limit;
    let mut quiet_rounds = 0;
    loop {
        let mut queues = management.queues(deployment.name()).await?;
        queues.retain(|queue| !queue.name.ends_with(".parked") && queue.name != "s3.history");
        queues.retain(|queue| queue.messages != Some(0));
        quiet_rounds = if queues.is_empty() { quiet_rounds + 1 } else { 0 };
        // What is on its way from one queue to another may be in neither when both are counted.
        if quiet_rounds == QUIET_ROUNDS {
            return Ok(());
        }
        if Instant::now() > deadline {
            let shown = |queue: &Queue| format!("{} in {}", queue.messages.unwrap_or_default(), queue.name);
            bail!("still waiting: {}", queues.iter().map(shown).collect::<Vec<_>>().join(", "));
        }
        tokio::time::sleep(ROUND).await;
    }
}

async fn send(publisher: &Publisher, message: Message, counts: &Counts) {
    counts.add(&publisher.publish(message).await);
}
