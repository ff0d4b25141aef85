//! The usage log of the stand-in: traffic that is said to have happened, by hour, user and bucket.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DurationRound, NaiveDateTime, TimeDelta};
use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

/// What one turn of traffic adds to a bucket: an upload and a download.
const BYTES: u64 = 1_000;

/// Traffic by hour and user.
#[derive(Debug, Default)]
pub(super) struct UsageLog {
    hours: BTreeMap<Timestamp, BTreeMap<String, UserInHour>>,
}

#[derive(Debug, Default)]
struct UserInHour {
    /// Turns of traffic by bucket.
    turns: BTreeMap<String, u64>,
    /// Written when the traffic happens: how long a reading takes must not be how long this takes.
    text: String,
}

impl UsageLog {
    /// Adds one turn of traffic now to each of these buckets, given with their users.
    pub(super) fn add<'a>(&mut self, buckets: impl Iterator<Item = (&'a str, &'a str)>) {
        let now = SystemClock.now();
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        let users = self.hours.entry(hour).or_default();
        let mut busy = BTreeSet::new();
        for (uid, bucket) in buckets {
            *users.entry(uid.to_owned()).or_default().turns.entry(bucket.to_owned()).or_default() += 1;
            busy.insert(uid);
        }
        for uid in busy {
            if let Some(user) = users.get_mut(uid) {
                let buckets = user.turns.iter().map(|(bucket, turns)| entry(hour, uid, bucket, *turns));
                user.text = json!({ "user": uid, "buckets": buckets.collect::<Vec<_>>() }).to_string();
            }
        }
    }

    /// As radosgw shows it: the hours from `start` on that begin before `end`, of one user where `uid` isn't empty.
    pub(super) fn shown(&self, start: &str, end: &str, uid: &str) -> String {
        let moment = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").map(|time| time.and_utc());
        let (start, end) = (moment(start).unwrap_or(Timestamp::UNIX_EPOCH), moment(end).unwrap_or(Timestamp::MAX_UTC));
        let users = self.hours.range(start..end).flat_map(|(_, users)| users);
        let shown = users.filter(|(user, _)| uid.is_empty() || *user == uid).map(|(_, user)| user.text.as_str());
        format!(r#"{{"entries":[{}],"summary":[]}}"#, shown.collect::<Vec<_>>().join(","))
    }
}

fn entry(hour: Timestamp, user: &str, bucket: &str, turns: u64) -> Value {
    let category = |name: &str, sent: u64, received: u64| json!({ "category": name, "bytes_sent": sent, "bytes_received": received, "ops": turns, "successful_ops": turns });
    json!({
        "bucket": bucket, "time": hour.format("%Y-%m-%d %H:%M:%S.%6fZ").to_string(), "epoch": hour.timestamp(),
        "owner": user,
        "categories": [category("get_obj", turns * BYTES, 0), category("put_obj", 0, turns * BYTES)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_shown_in_its_hour() {
        let mut log = UsageLog::default();
        log.add([("ada", "a"), ("bob", "b")].into_iter());
        log.add([("ada", "a")].into_iter());
        let shown = |start: &str, end: &str, uid: &str| -> Value {
            serde_json::from_str(&log.shown(start, end, uid)).expect("JSON")
        };
        let all = shown("2000-01-01 00:00:00", "2999-01-01 00:00:00", "");
        assert_eq!(all["entries"].as_array().map(Vec::len), Some(2));
        assert_eq!(all["entries"][0]["buckets"][0]["categories"][0]["bytes_sent"], json!(2 * BYTES));
        assert_eq!(shown("2999-01-01 00:00:00", "2999-01-02 00:00:00", "")["entries"], json!([]));
        assert_eq!(shown("", "", "bob")["entries"].as_array().map(Vec::len), Some(1));
    }
}
