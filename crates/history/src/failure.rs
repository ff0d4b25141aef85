//! Why a command isn't done.

use messages::Refusal;

/// Every way in which handling ends without success. One match on it decides what becomes of the message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The caller's fault, or the world's final answer: told to the caller, saved, never tried again.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another command of the same subject is being worked on: again soon.
    #[error("{0}")]
    Busy(String),
    /// The database, the store or the broker doesn't answer as it should: again after a growing wait.
    #[error("{0}")]
    Unavailable(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // SQLSTATE class 22: the value itself can't be stored, now or later.
        if code.is_some_and(|code| code.starts_with("22")) {
            return Self::Refused(Refusal::new("a parameter holds a value that can't be stored"));
        }
        Self::Unavailable(format!("database: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Unavailable(format!("stored JSON: {error}"))
    }
}
