//! The nouns that every part of Purser shares: identifiers, money, byte counts, the clock.
//!
//! Nothing here does I/O. Each type validates on construction, so that a value that exists is a value that is right.

mod bytes;
mod clock;
mod ids;
mod money;
mod names;
mod plain_time;
mod principal;

pub use bytes::ByteCount;
pub use clock::{Clock, ManualClock, SystemClock, month_start};
pub use ids::{CustomerId, InvalidId, OrderId, PlanId, S3Uid, ServiceId};
pub use money::{Currency, Money, MoneyError};
pub use names::{BucketName, InvalidBucketName, InvalidLocation, Location};
pub use plain_time::{InvalidPlainTime, PlainTime};
pub use principal::{Principal, PrincipalRole};

/// A moment in UTC, the only time zone inside Purser.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
