//! What the usage log shows.

use model::{ByteCount, S3Uid, Timestamp};

use super::state::{Figures, State};
use crate::{UsageRecord, UserUsage};

impl State {
    pub(super) fn usage(&self, uid: &S3Uid, from: Timestamp, to: Timestamp) -> Vec<UsageRecord> {
        let entries = self.usage.iter();
        let own = entries.filter(|((user, hour, ..), _)| user == uid.as_str() && *hour >= from && *hour < to);
        own.map(|((_, hour, bucket, category), figures)| figures.record(*hour, bucket, category)).collect()
    }

    pub(super) fn usage_of_all(&self, of_hour: Timestamp) -> Vec<UserUsage> {
        let mut users: Vec<UserUsage> = Vec::new();
        for ((uid, hour, bucket, category), figures) in self.usage.iter().filter(|((_, hour, ..), _)| *hour == of_hour)
        {
            let record = figures.record(*hour, bucket, category);
            match users.last_mut() {
                Some(user) if user.uid == *uid => user.records.push(record),
                _ => users.push(UserUsage { uid: uid.clone(), records: vec![record] }),
            }
        }
        users
    }
}

impl Figures {
    fn record(&self, hour: Timestamp, bucket: &str, category: &str) -> UsageRecord {
        UsageRecord {
            bucket: bucket.to_owned(),
            hour,
            category: category.to_owned(),
            bytes_in: ByteCount::from_bytes(self.bytes_in),
            bytes_out: ByteCount::from_bytes(self.bytes_out),
            operations: self.operations,
            successful_operations: self.successful_operations,
        }
    }
}
