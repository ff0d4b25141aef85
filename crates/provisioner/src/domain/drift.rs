//! What database and store say of an account, and where they don't agree.

use std::collections::{BTreeMap, BTreeSet};

use messages::{DriftDetected, DriftKind};
use model::{ByteCount, Location, S3Uid};
use object_store::Access;

use super::account::Account;

/// An account and its buckets, as the database has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) account: Account,
    pub(crate) buckets: BTreeSet<String>,
    /// Where the store should send its buckets' changes.
    pub(crate) topic: Option<String>,
}

/// The same, as the store shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) user: Option<ShownUser>,
    /// The buckets of this user.
    pub(crate) buckets: BTreeSet<String>,
    /// Who owns those that the database knows and this user doesn't have, where they exist.
    pub(crate) owners: BTreeMap<String, String>,
    /// Where the changes of known buckets are sent; an error says why that can't be read. Only those asked for.
    pub(crate) topics: BTreeMap<String, Result<Option<String>, String>>,
}

/// A user, as the store shows them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShownUser {
    /// Each access key, and whether both halves are the account's.
    pub(crate) keys: Vec<(String, bool)>,
    /// `None` where it is nothing that an account may have.
    pub(crate) access: Option<Access>,
    pub(crate) quota: Option<ByteCount>,
}

impl Known {
    /// Whether the store takes the account's own keys, and lets them change what they find: buckets of a locked account
    /// get no notification before it is open again.
    pub(crate) fn may_ask(&self, user: &ShownUser) -> bool {
        user.access == Some(Access::Full)
            && user.keys.iter().any(|(key, is_ours)| *is_ours && *key == self.account.access_key)
    }

    /// Where the two don't agree, in the order of reports.
    pub(crate) fn differences(&self, shown: &Shown) -> Vec<DriftDetected> {
        let mut found = Vec::new();
        match &shown.user {
            None => found.push(self.drift(DriftKind::UserMissing, self.account.s3uid.as_str(), "a user", "none")),
            Some(user) => self.compare_user(user, &mut found),
        }
        for name in self.buckets.difference(&shown.buckets) {
            found.push(match shown.owners.get(name) {
                None => self.drift(DriftKind::BucketMissing, name, "a bucket", "none"),
                Some(owner) => {
                    self.drift(DriftKind::BucketOwner, name, "a bucket of this account", format!("a bucket of {owner}"))
                }
            });
        }
        for name in shown.buckets.difference(&self.buckets) {
            found.push(self.drift(DriftKind::BucketExtra, name, "no such bucket", "a bucket"));
        }
        self.compare_topics(shown, &mut found);
        found.sort_by_key(|drift| drift.kind);
        found
    }

    fn compare_user(&self, user: &ShownUser, found: &mut Vec<DriftDetected>) {
        let own = &self.account.access_key;
        match user.keys.iter().find(|(key, _)| key == own) {
            Some((_, true)) => {}
            other => {
                let shown = if other.is_some() { "another secret" } else { "no such key" };
                let expected = format!("key {own} with the sealed secret");
                found.push(self.drift(DriftKind::KeyMissing, own, expected, shown));
            }
        }
        for (key, _) in user.keys.iter().filter(|(key, _)| key != own) {
            found.push(self.drift(DriftKind::KeyExtra, key, "no such key", format!("key {key}")));
        }
        let user_id = self.account.s3uid.as_str();
        let access = Some(self.account.store_access());
        if user.access != access {
            found.push(self.drift(DriftKind::Suspension, user_id, access_text(access), access_text(user.access)));
        }
        let quota = ByteCount::from_i64(self.account.quota_bytes);
        if user.quota != Some(quota) {
            let shown = user.quota.map_or_else(|| "no quota".to_owned(), |quota| quota.to_string());
            found.push(self.drift(DriftKind::Quota, user_id, quota.to_string(), shown));
        }
    }

    fn compare_topics(&self, shown: &Shown, found: &mut Vec<DriftDetected>) {
        let Some(topic) = &self.topic else { return };
        for (name, notified) in shown.topics.iter().filter(|(name, _)| shown.buckets.contains(*name)) {
            let seen = match notified {
                Ok(Some(other)) if other == topic => continue,
                Ok(Some(other)) => format!("topic {other}"),
                Ok(None) => "no topic".to_owned(),
                Err(reason) => format!("unreadable: {reason}"),
            };
            found.push(self.drift(DriftKind::Notification, name, format!("topic {topic}"), seen));
        }
    }

    fn drift(
        &self,
        kind: DriftKind,
        subject: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> DriftDetected {
        DriftDetected {
            location: self.account.location.clone(),
            kind,
            s3uid: Some(self.account.s3uid.clone()),
            subject: subject.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

fn access_text(access: Option<Access>) -> &'static str {
    match access {
        Some(Access::Full) => "full access",
        Some(Access::ReadOnly) => "read-only access",
        Some(Access::Suspended) => "suspended",
        None => "another op_mask",
    }
}

/// A user that looks like an account and is none; `state` is what became of the account, if there ever was one.
pub(crate) fn extra_user(location: &Location, s3uid: &S3Uid, state: Option<&str>) -> DriftDetected {
    DriftDetected {
        location: location.clone(),
        kind: DriftKind::UserExtra,
        s3uid: state.is_some().then(|| s3uid.clone()),
        subject: s3uid.to_string(),
        expected: state.map_or_else(|| "no user".to_owned(), |state| format!("no user: the account is {state}")),
        found: "a user".to_owned(),
    }
}

/// What an operator can do about what no repair touches.
pub(crate) fn advice(drift: &DriftDetected) -> Option<String> {
    let subject = &drift.subject;
    match drift.kind {
        DriftKind::UserExtra => Some(format!(
            "look with `radosgw-admin user info --uid={subject}`; where the database was restored from a backup, it may be a \
             customer's newer account; if nobody needs it, `radosgw-admin user rm --uid={subject}`"
        )),
        DriftKind::BucketOwner => Some(format!(
            "look with `radosgw-admin bucket stats --bucket={subject}`; `radosgw-admin bucket link` and `bucket chown` \
             give it back, if it is this account's"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use messages::AccountAccess;

    use super::*;
    use crate::domain::sealing::Sealed;

    const QUOTA: ByteCount = ByteCount::from_gb(5);

    fn known() -> Known {
        let account = Account {
            s3uid: S3Uid::random(),
            customer_id: model::CustomerId(1),
            location: "NL".parse().unwrap(),
            quota_bytes: QUOTA.to_i64(),
            access: AccountAccess::Full,
            access_key: "OURS".to_owned(),
            sealed_secret_key: Sealed::default(),
        };
        Known { account, buckets: names(&["a", "b"]), topic: Some("told".to_owned()) }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What agrees with [`known`].
    fn shown() -> Shown {
        let user = ShownUser { keys: vec![("OURS".to_owned(), true)], access: Some(Access::Full), quota: Some(QUOTA) };
        let told = |name: &str| (name.to_owned(), Ok(Some("told".to_owned())));
        Shown {
            user: Some(user),
            buckets: names(&["a", "b"]),
            owners: BTreeMap::new(),
            topics: [told("a"), told("b")].into(),
        }
    }

    fn keys(keys: &[(&str, bool)]) -> Shown {
        let mut shown = shown();
        shown.user.as_mut().unwrap().keys = keys.iter().map(|(key, ours)| ((*key).to_owned(), *ours)).collect();
        shown
    }

    fn user(change: impl Fn(&mut ShownUser)) -> Shown {
        let mut shown = shown();
        change(shown.user.as_mut().unwrap());
        shown
    }

    fn changed(change: impl Fn(&mut Shown)) -> Shown {
        let mut shown = shown();
        change(&mut shown);
        shown
    }

    #[test]
    fn every_difference_is_found_and_nothing_else() {
        let topic = |shown: &mut Shown, seen| drop(shown.topics.insert("a".to_owned(), seen));
        let cases = [
            (shown(), vec![]),
            (keys(&[]), vec!["key_missing OURS: key OURS with the sealed secret / no such key"]),
            (keys(&[("OURS", false)]), vec!["key_missing OURS: key OURS with the sealed secret / another secret"]),
            (keys(&[("OURS", true), ("THEIRS", false)]), vec!["key_extra THEIRS: no such key / key THEIRS"]),
            (user(|user| user.access = Some(Access::Suspended)), vec!["suspension USER: full access / suspended"]),
            (user(|user| user.access = None), vec!["suspension USER: full access / another op_mask"]),
            (user(|user| user.quota = None), vec!["quota USER: 5000000000 B / no quota"]),
            (user(|user| user.quota = Some(ByteCount::ZERO)), vec!["quota USER: 5000000000 B / 0 B"]),
            (
                changed(|shown| *shown = Shown::default()),
                vec![
                    "user_missing USER: a user / none",
                    "bucket_missing a: a bucket / none",
                    "bucket_missing b: a bucket / none",
                ],
            ),
            (
                changed(|shown| shown.buckets = names(&["b", "Odd_Name"])),
                vec!["bucket_missing a: a bucket / none", "bucket_extra Odd_Name: no such bucket / a bucket"],
            ),
            (
                changed(|shown| {
                    shown.buckets = names(&["b"]);
                    shown.owners.insert("a".to_owned(), "thief".to_owned());
                }),
                vec!["bucket_owner a: a bucket of this account / a bucket of thief"],
            ),
            (changed(|shown| topic(shown, Ok(None))), vec!["notification a: topic told / no topic"]),
            (
                changed(|shown| topic(shown, Ok(Some("other".to_owned())))),
                vec!["notification a: topic told / topic other"],
            ),
            (
                changed(|shown| topic(shown, Err("Access denied".to_owned()))),
                vec!["notification a: topic told / unreadable: Access denied"],
            ),
            (changed(|shown| shown.topics.clear()), vec![]),
        ];
        let known = known();
        for (shown, expected) in cases {
            let differences: Vec<String> = known
                .differences(&shown)
                .into_iter()
                .map(|drift| {
                    assert_eq!(drift.s3uid.as_ref(), Some(&known.account.s3uid));
                    let subject = drift.subject.replace(known.account.s3uid.as_str(), "USER");
                    format!("{} {subject}: {} / {}", drift.kind, drift.expected, drift.found)
                })
                .collect();
            assert_eq!(differences, expected, "{shown:?}");
        }
    }

    #[test]
    fn a_locked_account_is_locked_as_its_row_says() {
        let all = [
            (AccountAccess::Full, Access::Full),
            (AccountAccess::ReadOnly, Access::ReadOnly),
            (AccountAccess::None, Access::Suspended),
        ];
        for (known_as, expected) in all {
            for (_, found) in all {
                let known = Known { account: Account { access: known_as, ..known().account }, ..known() };
                let kinds: Vec<_> = known
                    .differences(&user(|user| user.access = Some(found)))
                    .into_iter()
                    .map(|drift| drift.kind)
                    .collect();
                assert_eq!(kinds.is_empty(), expected == found, "{known_as} {found:?}");
                assert!(kinds.iter().all(|kind| *kind == DriftKind::Suspension), "{kinds:?}");
            }
        }
    }

    #[test]
    fn without_a_topic_notifications_are_nobody_s_business() {
        let known = Known { topic: None, ..known() };
        assert_eq!(known.differences(&shown()), []);
    }

    #[test]
    fn the_store_is_asked_as_the_owner_only_where_it_lets_them_in() {
        for (shown, may) in [
            (shown(), true),
            (keys(&[("OURS", false)]), false),
            (keys(&[("THEIRS", true)]), false),
            (user(|user| user.access = Some(Access::Suspended)), false),
            (user(|user| user.access = Some(Access::ReadOnly)), false),
        ] {
            assert_eq!(known().may_ask(shown.user.as_ref().unwrap()), may, "{shown:?}");
        }
    }

    #[test]
    fn only_what_no_repair_touches_has_advice() {
        for kind in DriftKind::ALL {
            let drift = DriftDetected { kind, ..extra_user(&"NL".parse().unwrap(), &S3Uid::random(), None) };
            assert_eq!(advice(&drift).is_none(), crate::reconcile::REPAIRABLE.contains(&kind), "{kind}");
        }
    }
}
