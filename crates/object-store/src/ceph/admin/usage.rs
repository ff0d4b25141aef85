//! The usage log.

use chrono::{DurationRound, TimeDelta};
use model::{S3Uid, Timestamp};
use reqwest::Method;

use super::{AdminOps, from_json, subject};
use crate::ceph::answers::UsageAnswer;
use crate::ceph::http::Ask;
use crate::types::{HOUR, check_whole_hours};
use crate::{StoreError, UsageRecord, UserUsage};

/// radosgw leaves out the entries without a bucket in the hour that `start` names; just before, it doesn't.
const BEFORE_START: TimeDelta = TimeDelta::seconds(1);

impl AdminOps {
    pub(in crate::ceph) async fn usage(
        &self,
        uid: &S3Uid,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let (from, to) = whole_hours(from, to)?;
        match self.usage_log(Some(uid), from, to).await {
            Ok(answer) => Ok(answer.into_records(from, to)),
            Err(StoreError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(in crate::ceph) async fn usage_of_all(&self, hour: Timestamp) -> Result<Vec<UserUsage>, StoreError> {
        check_whole_hours(hour, hour + HOUR)?;
        Ok(self.usage_log(None, hour, hour + HOUR).await?.into_users(hour, hour + HOUR))
    }

    async fn usage_log(&self, uid: Option<&S3Uid>, from: Timestamp, to: Timestamp) -> Result<UsageAnswer, StoreError> {
        let (start, end) = (radosgw_time(from - BEFORE_START), radosgw_time(to));
        let mut parameters =
            vec![("start", start.as_str()), ("end", &end), ("show-entries", "True"), ("show-summary", "False")];
        parameters.extend(uid.map(|uid| ("uid", uid.as_str())));
        let subject = uid.map_or_else(|| "the usage of all users".to_owned(), subject);
        // Of all users it may be a hundred megabytes.
        let ask = if uid.is_some() { Ask::IfUp } else { Ask::Slowly };
        let answer = self.exchange(Method::GET, "usage", &parameters, &subject, ask).await?;
        from_json(&answer.body, &subject)
    }

    /// Without a user's id radosgw would delete everybody's records. An [`S3Uid`] is never empty, and this is the only
    /// place that deletes any.
    pub(in crate::ceph) async fn trim_usage(
        &self,
        uid: &S3Uid,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(), StoreError> {
        check_whole_hours(from, to)?;
        let (start, end) = (radosgw_time(from - BEFORE_START), radosgw_time(to));
        let parameters = [("uid", uid.as_str()), ("start", &start), ("end", &end)];
        match self.call(Method::DELETE, "usage", &parameters, &subject(uid)).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn radosgw_time(time: Timestamp) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `from` rounded down and `to` rounded up.
fn whole_hours(from: Timestamp, to: Timestamp) -> Result<(Timestamp, Timestamp), StoreError> {
    let rounded = |time: Timestamp| time.duration_trunc(HOUR);
    match (rounded(from), rounded(to)) {
        (Ok(first), Ok(last)) => Ok((first, if last < to { last + HOUR } else { last })),
        _ => Err(StoreError::refused("InvalidArgument", "the period can't be counted in hours")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_cover_every_hour_they_touch() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        for (from, to, first, last) in [
            ("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
            ("2026-03-01T10:59:59Z", "2026-03-01T11:00:01Z", "2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z"),
        ] {
            assert_eq!(whole_hours(time(from), time(to)).unwrap(), (time(first), time(last)), "{from} {to}");
        }
    }
}
