//! WHMCS's numbers, so that a service's is never taken for an order's.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::lenient;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(number: i64) -> Self {
                Self(number)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                lenient::int(deserializer).map(Self)
            }
        }
    };
}

id!(
    /// A client: whom WHMCS sends invoices to.
    ClientId
);
id!(
    /// A product, which clients order.
    ProductId
);
id!(
    /// An order.
    OrderId
);
id!(
    /// A service: a product that a client has.
    ServiceId
);
id!(
    /// An invoice.
    InvoiceId
);
id!(
    /// An amount that waits for an invoice.
    BillableItemId
);
id!(
    /// A request to cancel a service.
    CancellationId
);
