//! THE table of what exists on the broker: exchanges, queues, bindings and policies, as data.
//!
//! What correctness depends on (queue type, dead-letter target, TTL) is a queue argument; mere limits are policies,
//! because a queue's arguments can't be changed later.

mod apply;
mod compare;
mod rabbitmq_conf;

use std::collections::BTreeMap;

use messages::{ACTIONS, ActionKind, RoleName};

pub use apply::TopologyError;
pub use compare::{Difference, DifferenceKind};
pub(crate) use rabbitmq_conf::MESSAGE_BYTES_MAX;

/// The roles that take messages from queues.
pub const WORKER_ROLES: [RoleName; 3] = [RoleName::Provisioner, RoleName::Metering, RoleName::Billing];

/// Which events a role wants.
pub const EVENT_BINDINGS: &[(RoleName, &str)] = &[
    (RoleName::Billing, "account.provisioned"),
    (RoleName::Billing, "account.provision_failed"),
    (RoleName::Billing, "account.released"),
    (RoleName::Billing, "account.deleted"),
    (RoleName::Provisioner, "bucket.discovered"),
    (RoleName::Provisioner, "bucket.vanished"),
    (RoleName::Metering, "account.provisioned"),
    (RoleName::Metering, "account.quota_changed"),
    (RoleName::Metering, "account.released"),
    (RoleName::Metering, "account.deleted"),
    (RoleName::Metering, "bucket.created"),
    (RoleName::Metering, "bucket.deleted"),
    (RoleName::Metering, "bucket.watched"),
];

/// A wait before a message comes back to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDelay {
    /// The last part of the retry queue's name.
    pub name: &'static str,
    /// The wait.
    pub wait_ms: u32,
}

/// The waits there are retry queues for, shortest first.
pub const RETRY_DELAYS: [RetryDelay; 6] = [
    RetryDelay { name: "100ms", wait_ms: 100 },
    RetryDelay { name: "1s", wait_ms: 1_000 },
    RetryDelay { name: "5s", wait_ms: 5_000 },
    RetryDelay { name: "30s", wait_ms: 30_000 },
    RetryDelay { name: "2m", wait_ms: 120_000 },
    RetryDelay { name: "10m", wait_ms: 600_000 },
];

/// How long a query waits for a worker.
const QUERY_TTL_MS: i64 = 30_000;
/// How often a message is delivered again after crashes before the broker parks it.
const DELIVERY_LIMIT: i64 = 20;
const HISTORY_MAX_AGE: &str = "365D";
const PARKED: &str = "s3.parked";
const CROWDED: &str = ".crowded";

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By the exact routing key.
    Direct,
    /// By a pattern over the routing key's words.
    Topic,
}

impl ExchangeKind {
    /// The name in AMQP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Topic => "topic",
        }
    }
}

/// A durable exchange without an alternate one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: &'static str,
    /// How it routes.
    pub kind: ExchangeKind,
}

/// What a queue is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// Replicated; for everything that must not be lost.
    Quorum,
    /// Fast; for what nobody misses.
    Classic,
    /// A log that can be read again.
    Stream,
}

impl QueueKind {
    /// The value of the argument `x-queue-type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
            Self::Stream => "stream",
        }
    }
}

/// The value of a queue's argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// A durable queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// What it is made of; also in `arguments`.
    pub kind: QueueKind,
    /// All its arguments.
    pub arguments: BTreeMap<&'static str, Argument>,
}

impl Queue {
    fn new(name: impl Into<String>, kind: QueueKind) -> Self {
        let queue = Self { name: name.into(), kind, arguments: BTreeMap::new() };
        queue.text("x-queue-type", kind.as_str())
    }

    fn text(mut self, name: &'static str, value: &str) -> Self {
        self.arguments.insert(name, Argument::Text(value.to_owned()));
        self
    }

    fn number(mut self, name: &'static str, value: i64) -> Self {
        self.arguments.insert(name, Argument::Number(value));
        self
    }

    /// Dead-letters without loss; that needs the overflow behaviour too.
    fn dead_letter(self, exchange: &str, routing_key: &str) -> Self {
        self.text("x-dead-letter-exchange", exchange)
            .text("x-dead-letter-routing-key", routing_key)
            .text("x-dead-letter-strategy", "at-least-once")
            .text("x-overflow", "reject-publish")
    }
}

/// From an exchange to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The exchange.
    pub exchange: &'static str,
    /// The routing key or pattern.
    pub routing_key: String,
    /// The queue.
    pub queue: String,
}

/// A limit on all queues whose names match; an operator may change it at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: &'static str,
    /// A regular expression over queue names.
    pub pattern: &'static str,
    /// The limits.
    pub definition: BTreeMap<&'static str, Argument>,
}

/// Everything on the broker that Purser needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// The bindings.
    pub bindings: Vec<Binding>,
    /// The policies.
    pub policies: Vec<Policy>,
}

impl Topology {
    /// The table.
    pub fn purser() -> Self {
        let mut topology =
            Self { exchanges: exchanges(), queues: Vec::new(), bindings: Vec::new(), policies: policies() };
        for role in WORKER_ROLES {
            topology.add_role(role);
        }
        topology.add_work_queue("s3.metering.rgw", RoleName::Metering);
        topology.bind("s3.rgw", "#", "s3.metering.rgw");
        topology.queues.push(Queue::new("s3.history", QueueKind::Stream).text("x-max-age", HISTORY_MAX_AGE));
        topology.bind("s3.events", "#", "s3.history");
        topology
    }

    /// The exchanges and one role's own queues: what that role checks when it starts.
    pub fn of_role(role: RoleName) -> Self {
        let mut topology = Self::purser();
        let prefix = format!("s3.{role}");
        let own =
            |queue: &str| queue.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        topology.queues.retain(|queue| own(&queue.name));
        topology.bindings.retain(|binding| own(&binding.queue));
        topology
    }

    /// The queue of a role's commands that are too many of one caller's.
    pub fn crowded_queue(role: RoleName) -> String {
        format!("s3.{role}{CROWDED}")
    }

    /// Where a message of this queue came in: the same queue, but for those that were too many.
    pub(crate) fn entrance(queue: &str) -> &str {
        queue.strip_suffix(CROWDED).unwrap_or(queue)
    }

    /// The name of the queue in which a message waits before it returns to the entrance of `queue`; `None` where nothing
    /// is retried.
    pub(crate) fn retry_queue(queue: &str, delay: RetryDelay) -> Option<String> {
        (!queue.ends_with(".queries")).then(|| format!("{}.retry.{}", Self::entrance(queue), delay.name))
    }

    /// The role to which a queue of this table belongs: the second word of its name.
    pub(crate) fn role_of(queue: &str) -> Option<RoleName> {
        let second = queue.strip_prefix("s3.")?.split('.').next()?;
        WORKER_ROLES.into_iter().find(|role| role.as_str() == second)
    }

    fn add_role(&mut self, role: RoleName) {
        let work = format!("s3.{role}");
        let (queries, events) = (format!("{work}.queries"), format!("{work}.events"));
        self.add_work_queue(&work, role);
        self.add_work_queue(&events, role);
        self.queues.push(Queue::new(Self::crowded_queue(role), QueueKind::Quorum).dead_letter(PARKED, role.as_str()));
        self.queues.push(Queue::new(&queries, QueueKind::Classic).number("x-message-ttl", QUERY_TTL_MS));
        self.queues.push(Queue::new(format!("{work}.parked"), QueueKind::Quorum));
        self.bind(PARKED, role.as_str(), &format!("{work}.parked"));
        for action in ACTIONS.iter().filter(|action| action.role == role) {
            match action.kind {
                ActionKind::Command => self.bind("s3.commands", action.name, &work),
                ActionKind::Query => self.bind("s3.queries", action.name, &queries),
            }
        }
        for (_, event) in EVENT_BINDINGS.iter().filter(|(wanting, _)| *wanting == role) {
            self.bind("s3.events", event, &events);
        }
    }

    /// A queue that loses nothing, with the queues in which its messages wait for another attempt.
    fn add_work_queue(&mut self, name: &str, role: RoleName) {
        self.queues.push(Queue::new(name, QueueKind::Quorum).dead_letter(PARKED, role.as_str()));
        for delay in RETRY_DELAYS {
            if let Some(retry) = Self::retry_queue(name, delay) {
                let queue = Queue::new(retry, QueueKind::Quorum)
                    .number("x-message-ttl", i64::from(delay.wait_ms))
                    // The default exchange: nobody else listens on the way back.
                    .dead_letter("", name);
                self.queues.push(queue);
            }
        }
    }

    fn bind(&mut self, exchange: &'static str, routing_key: &str, queue: &str) {
        let binding = Binding { exchange, routing_key: routing_key.to_owned(), queue: queue.to_owned() };
        self.bindings.push(binding);
    }
}

fn exchanges() -> Vec<Exchange> {
    let exchange = |name, kind| Exchange { name, kind };
    vec![
        exchange("s3.commands", ExchangeKind::Direct),
        exchange("s3.queries", ExchangeKind::Direct),
        exchange("s3.events", ExchangeKind::Topic),
        exchange(PARKED, ExchangeKind::Direct),
        exchange("s3.rgw", ExchangeKind::Topic),
    ]
}

fn policies() -> Vec<Policy> {
    let limit = |name, value| (name, Argument::Number(value));
    // A full queue says so to its publisher; it never drops what it holds.
    let full = || ("overflow", Argument::Text("reject-publish".to_owned()));
    vec![
        Policy {
            name: "purser-work",
            pattern: r"^s3\.(provisioner|metering|billing)(\.(events|crowded))?$",
            definition: BTreeMap::from([limit("delivery-limit", DELIVERY_LIMIT)]),
        },
        Policy {
            // Notifications are hints; the sweep finds what the queue has no place for.
            name: "purser-notifications",
            pattern: r"^s3\.metering\.rgw$",
            definition: BTreeMap::from([limit("delivery-limit", DELIVERY_LIMIT), limit("max-length", 100_000), full()]),
        },
        Policy {
            name: "purser-queries",
            pattern: r"^s3\.(provisioner|metering|billing)\.queries$",
            definition: BTreeMap::from([limit("max-length", 10_000), full()]),
        },
        Policy {
            name: "purser-parked",
            pattern: r"^s3\.(provisioner|metering|billing)\.parked$",
            definition: BTreeMap::from([limit("max-length", 100_000), full()]),
        },
        Policy {
            name: "purser-history",
            pattern: r"^s3\.history$",
            definition: BTreeMap::from([limit("max-length-bytes", 20_000_000_000)]),
        },
    ]
}
