//! What can go wrong, by what is certain about the request's effect.

/// Why a call failed. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection came about (DNS, TCP, TLS): the request certainly had no effect, and may be repeated.
    #[error("WHMCS can't be reached: {0}")]
    Unreachable(String),
    /// The request was sent and no readable answer came back (time-out, reset, 5xx, redirect, no JSON): it may have
    /// been done.
    #[error("what became of {action} is unknown: {reason}")]
    Unknown {
        /// WHMCS's name of the call, `AddOrder`.
        action: &'static str,
        /// What came back instead of an answer.
        reason: String,
    },
    /// WHMCS understood the request and said no: it certainly wasn't done.
    #[error("WHMCS refuses: {message}")]
    Refused {
        /// WHMCS's reason, in its words.
        message: String,
    },
    /// The credentials, the address or the permissions are wrong: it certainly wasn't done, an operator must act.
    #[error("WHMCS doesn't let Purser in: {message}")]
    Unauthorized {
        /// WHMCS's reason, in its words.
        message: String,
    },
}

impl Error {
    pub(crate) fn unknown(action: &'static str, reason: impl Into<String>) -> Self {
        Self::Unknown { action, reason: reason.into() }
    }

    /// Whether it is certain that the request wasn't done.
    pub fn had_no_effect(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// Whether it is a refusal with this message, as WHMCS writes it in one place or another.
    pub(crate) fn is_refusal(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { message } if message.trim().eq_ignore_ascii_case(expected))
    }
}
