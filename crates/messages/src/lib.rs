//! What travels over RabbitMQ: actions and their replies, events, the envelope, and the two encodings.
//!
//! This crate knows no broker: the `bus` turns AMQP deliveries into [`Delivery`] and carries out an [`Outcome`].

mod action;
mod codec;
mod delivery;
mod event;
mod lenient;
mod outgoing;
mod reply;
mod request;

pub use action::{
    ACTIONS, Action, ActionKind, ActionSpec, BucketUsageReply, CreateAccount, CreateBucket, CreateBucketReply,
    CreateBucketStatus, CreateOrder, CreateOrderReply, GetBucketsRmq, GetBucketsRmqReply, History, HistoryEntryReply,
    HistoryReply, ListPlans, ListPlansReply, MeteringReply, PlanPriceReply, PlanReply, ProvisionAccount,
    ReleaseAccount, RoleName, find_action,
};
pub use codec::{DecodeError, Encoding};
pub use delivery::{Delivery, Outcome, ParkReason, RetryKind};
pub use event::{
    AccountProvisionFailed, AccountProvisioned, AccountReleased, BucketCreated, Event, EventData, Subject,
};
pub use outgoing::Envelope;
pub use reply::{Refusal, Reply};
pub use request::{CallerAddress, CommandKey, Request, RequestError, Scope, is_answerable};
