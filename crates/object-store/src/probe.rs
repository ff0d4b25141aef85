//! Which requests in the usage log are the administrator's own.

use crate::{Administrator, UserUsage};

impl Administrator {
    /// How many requests of [`ObjectStore::probe_log`](crate::ObjectStore::probe_log) the log shows.
    pub fn probes_in(&self, everyone: &[UserUsage]) -> u64 {
        let own = everyone.iter().filter(|usage| usage.uid == self.uid);
        let records = own.flat_map(|usage| &usage.records);
        records.filter(|record| record.category == "list_buckets").map(|record| record.operations).sum()
    }
}
