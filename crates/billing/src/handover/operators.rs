//! What operators see and settle of what is handed over.

use history::{Failure, Journal};
use messages::Refusal;

use crate::store;
pub use crate::store::handover::ShownTask;

/// The tasks that aren't done, oldest first; those that wait for a person only.
pub async fn open(journal: &Journal, parked_only: bool) -> Result<Vec<ShownTask>, Failure> {
    store::handover::open(journal.pool(), parked_only).await
}

/// Settles a parked task: a person has seen to it, or it is to be tried again.
pub async fn settle(journal: &Journal, id: i64, is_done: bool, note: &str) -> Result<(), Failure> {
    let mut step = journal.step().await?;
    let now = step.now();
    if !store::handover::settle(step.connection(), id, is_done, note, now).await? {
        let message = format!("task {id} isn't parked, or is one that only a person can do");
        return Err(Refusal::conflict(message).into());
    }
    step.commit().await
}
