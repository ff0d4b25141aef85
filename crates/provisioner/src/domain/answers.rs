//! What the store's errors mean for a command.

use history::Failure;
use messages::Refusal;
use object_store::StoreError;

/// How a command ends when the store answers `error`. `what` begins the text that a caller reads.
pub(crate) fn store_failure(what: &str, error: StoreError) -> Failure {
    match error {
        StoreError::Refused { message, .. } | StoreError::Conflict(message) => {
            Refusal::new(format!("{what}: {message}")).into()
        }
        // What our database knows and the store doesn't is drift: for an operator, not for the caller.
        StoreError::NotFound(_) | StoreError::Unavailable(_) | StoreError::Misconfigured(_) => {
            Failure::Unavailable(format!("{what}: {error}"))
        }
    }
}
