//! What the store's errors mean for a command.

use history::Failure;
use messages::Refusal;
use object_store::StoreError;

/// How a look into a bucket ends: one that isn't there and one that is somebody else's read the same.
pub(crate) fn bucket_failure(error: StoreError) -> Failure {
    match error {
        StoreError::NotFound(_) => Refusal::not_found("S3 bucket not found").into(),
        StoreError::Refused { code, .. } if code == "AccessDenied" => Refusal::not_found("S3 bucket not found").into(),
        other => store_failure("S3 error", other),
    }
}

/// How a command ends when the store answers `error`. `what` begins the text that a caller reads.
pub(crate) fn store_failure(what: &str, error: StoreError) -> Failure {
    match error {
        StoreError::Refused { message, .. } | StoreError::Conflict(message) => {
            Refusal::conflict(format!("{what}: {message}")).into()
        }
        // What our database knows and the store doesn't is drift: for an operator, not for the caller.
        StoreError::NotFound(_) | StoreError::Unavailable(_) | StoreError::Misconfigured(_) => {
            Failure::Unavailable(format!("{what}: {error}"))
        }
    }
}
