//! "Seen? Answered?": what a role remembers about commands, and how state, history and outbox commit together.
//!
//! - [`Journal`] answers whether a command was seen, and opens a [`Step`]: one transaction that carries the change of
//!   state, its history entries, the messages that follow and the saved reply.
//! - [`DatabaseCommand`] and [`OutsideCommand`] are the two ways of a command; [`Journal::run_database`] and
//!   [`Journal::run_outside`] walk them, once in effect however often they are called.
//! - [`Relay`] publishes the outbox in order per subject, with publisher confirms.

mod after_commit;
mod command;
mod failure;
mod intent;
mod journal;
mod lag;
mod log;
mod migrate;
mod observe;
mod pool;
mod relay;
mod step;

pub use command::{DatabaseCommand, Decision, OutsideCommand};
pub use failure::Failure;
pub use intent::{ExpiredIntent, Lease};
pub use journal::{ANSWERS_KEPT, Journal, ReplySealer, Seen};
pub use log::{FullEntry, LogEntry, LogFilter, TakenCommand, find_commands, find_entries, read_log, trace_of_command};
pub use migrate::{JOURNAL_MIGRATOR, LOG_MIGRATOR};
pub use observe::{PUBLISH_TO_ANSWER, answered, describe_metrics};
pub use pool::{pool_options, show_pool};
pub use relay::{Publish, PublishFailure, Relay};
pub use step::{Keep, Record, Step};
