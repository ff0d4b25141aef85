//! States, as WHMCS names them.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// One that isn't WHMCS's own: it can be extended.
            Other(String),
        }

        impl $name {
            /// The name on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                $(if text.eq_ignore_ascii_case($text) {
                    return Self::$variant;
                })+
                Self::Other(text)
            }
        }

        impl From<$name> for String {
            fn from(status: $name) -> Self {
                status.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

status!(
    /// A client's state.
    ClientStatus {
        /// Has services.
        Active = "Active",
        /// Has none.
        Inactive = "Inactive",
        /// Can't order any more.
        Closed = "Closed",
    }
);
status!(
    /// A service's state.
    ServiceStatus {
        /// Its order isn't accepted yet.
        Pending = "Pending",
        /// In use.
        Active = "Active",
        /// Stopped for a while.
        Suspended = "Suspended",
        /// Ended by the hosting company.
        Terminated = "Terminated",
        /// Ended by the client.
        Cancelled = "Cancelled",
        /// Ordered by a fraud.
        Fraud = "Fraud",
        /// Paid and done: nothing recurs.
        Completed = "Completed",
    }
);
status!(
    /// An order's state.
    OrderStatus {
        /// Neither accepted nor cancelled.
        Pending = "Pending",
        /// Accepted.
        Active = "Active",
        /// Made by a fraud.
        Fraud = "Fraud",
        /// Cancelled.
        Cancelled = "Cancelled",
    }
);
status!(
    /// An invoice's state.
    InvoiceStatus {
        /// Not published.
        Draft = "Draft",
        /// Published, to be paid.
        Unpaid = "Unpaid",
        /// Paid in full.
        Paid = "Paid",
        /// Void.
        Cancelled = "Cancelled",
        /// Paid and paid back.
        Refunded = "Refunded",
        /// Handed over to debt collectors.
        Collections = "Collections",
        /// A payment is under way.
        PaymentPending = "Payment Pending",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_in_any_case_and_written_as_whmcs_does() {
        for (text, status, written) in [
            ("Active", ServiceStatus::Active, "Active"),
            ("suspended", ServiceStatus::Suspended, "Suspended"),
            ("Frozen", ServiceStatus::Other("Frozen".into()), "Frozen"),
        ] {
            assert_eq!(ServiceStatus::from(text.to_owned()), status);
            assert_eq!(status.to_string(), written);
        }
        assert_eq!(InvoiceStatus::from("Payment Pending".to_owned()), InvoiceStatus::PaymentPending);
    }
}
