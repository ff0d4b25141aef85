//! Ceph RGW's Admin Ops and S3 behind one trait, [`ObjectStore`].
//!
//! [`ceph::CephStore`] is the real one. [`memory::MemoryStore`] has the same semantics without a cluster, for unit
//! tests and benchmarks; [`faulty::FaultyStore`] wraps any store and makes its calls fail, wait or hang on purpose.
//! The contract suite in `tests/` runs the same cases against the first two.
//!
//! The administrator of a radosgw needs the caps `users=*;buckets=*;usage=*;metadata=read`; without one of them, the
//! calls that need it are [`StoreError::Misconfigured`] with its name.
//!
//! Every call is safe to repeat: what exists already, or is gone already, is success where it is provably ours.

mod access;
pub mod ceph;
mod error;
pub mod faulty;
mod locations;
pub mod memory;
mod observe;
mod probe;
mod store;
mod types;

pub use access::Access;
pub use error::StoreError;
pub use locations::{LocationStore, Locations};
pub use observe::describe_metrics;
pub use store::ObjectStore;
pub use types::{
    AckLevel, Administrator, BucketUsage, InvalidAckLevel, ListObjects, NamePage, NewUser, ObjectPage, ObjectSummary,
    ObjectVersion, Removal, S3Keys, StoreBucket, StoreUser, Topic, UsageRecord, UserUsage, VersionPage, quota_size,
};
