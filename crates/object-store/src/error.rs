//! What can go wrong, by what a caller should do about it.

/// Why a call to the object store failed. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store said no for good: the request itself is at fault and a repeat gets the same answer.
    #[error("{message} ({code})")]
    Refused {
        /// The store's own code: `BucketAlreadyExists`, `QuotaExceeded`.
        code: String,
        /// The reason as a customer may read it.
        message: String,
    },
    /// The user, bucket or object isn't there.
    #[error("{0} doesn't exist")]
    NotFound(String),
    /// What was to be made exists already and isn't provably ours.
    #[error("{0}")]
    Conflict(String),
    /// The store can't be reached or is overloaded: the same call may succeed later.
    #[error("the object store is unavailable: {0}")]
    Unavailable(String),
    /// The store doesn't let Purser in, or lacks a feature: an operator must act.
    #[error("the object store's configuration is wrong: {0}")]
    Misconfigured(String),
}

impl StoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Misconfigured(_) => true,
            Self::Refused { .. } | Self::NotFound(_) | Self::Conflict(_) => false,
        }
    }

    /// A refusal with the store's `code` and a reason in words.
    pub(crate) fn refused(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused { code: code.into(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_or_by_an_operator_is_retried() {
        for (error, retryable) in [
            (StoreError::refused("QuotaExceeded", "The quota is used up"), false),
            (StoreError::NotFound("bucket x".into()), false),
            (StoreError::Conflict("the user exists with other keys".into()), false),
            (StoreError::Unavailable("timeout".into()), true),
            (StoreError::Misconfigured("AccessDenied".into()), true),
        ] {
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }
}
