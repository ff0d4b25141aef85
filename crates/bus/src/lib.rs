//! RabbitMQ: the topology, confirmed publishing, RPC, the consume loop, retry, parking and reconnecting.
//!
//! [`Topology`] is the one table of what exists on the broker. A [`Bus`] is one connection that heals itself; a
//! [`Publisher`] publishes with confirms, an [`RpcClient`] asks and waits, and [`Bus::consume`] feeds a handler and
//! carries out the [`Outcome`](messages::Outcome)s that it returns. No type of the AMQP library leaves this crate.
//!
//! Log filters should silence the target `lapin` below `error`: it logs returned messages with their bodies.

mod backoff;
mod connection;
mod consume;
mod inbound;
mod message;
mod observe;
mod outcome;
mod parked;
mod permissions;
mod publish;
mod replay;
mod rpc;
mod topology;

pub use connection::{Bus, BusConfig, BusError};
pub use consume::{ConsumeError, ConsumerConfig, Handler, RetryPolicy};
pub use message::{HeaderValue, Message};
pub use parked::{HeldMessages, NotedFailure, ParkedError, ParkedMessage};
pub use permissions::{BROKER_USERS, BrokerUser, Permissions};
pub use publish::{PublishError, Publisher};
pub use replay::{Replay, ReplayError, Replayed};
pub use rpc::{RpcClient, RpcError, RpcReply};
pub use topology::{
    Argument, Binding, Difference, DifferenceKind, EVENT_BINDINGS, Exchange, ExchangeKind, Policy, Queue, QueueKind,
    RETRY_DELAYS, RetryDelay, Topology, TopologyError, WORKER_ROLES,
};
