//! Putting right what was asked for, while no command works on the account.

use std::collections::BTreeSet;

use history::Step;
use messages::{DriftDetected, DriftKind};
use model::{ByteCount, S3Uid};
use object_store::{ObjectStore, S3Keys};

use super::compare::Trouble;
use super::{Finding, REPAIRABLE, background};
use crate::domain::account::Account;
use crate::store::reconcile::Look;
use crate::{Provisioner, store, watching};

/// Who repairs, in the history.
const OPERATOR: &str = "operator";

/// Compares the account once more, now that no command can begin to work on it, and repairs what is asked for. `None`: it
/// is changing.
pub(super) async fn account(
    provisioner: &Provisioner,
    store: &dyn ObjectStore,
    s3uid: &S3Uid,
    repair: &BTreeSet<DriftKind>,
) -> Result<Option<Vec<Finding>>, Trouble> {
    let mut step = provisioner.journal.step().await?;
    let now = step.now();
    store::reconcile::lock(step.connection(), s3uid).await?;
    let Look::Active(account, buckets) = store::reconcile::look(step.connection(), s3uid, None, now).await? else {
        return Ok(None);
    };
    let known = provisioner.known(account, buckets);
    let shown = provisioner.shown(store, &known).await?;
    let mut findings = Vec::new();
    for drift in known.differences(&shown) {
        if !(repair.contains(&drift.kind) && REPAIRABLE.contains(&drift.kind)) {
            findings.push(Finding::left(drift));
            continue;
        }
        match apply(provisioner, store, &mut step, &known.account, &drift).await {
            Ok(()) => findings.push(Finding { drift, is_repaired: true, note: None }),
            Err(Trouble::Database(failure)) => return Err(failure.into()),
            Err(Trouble::Location(error) | Trouble::Account(error)) => {
                findings.push(Finding { drift, is_repaired: false, note: Some(error) });
            }
        }
    }
    // Events last, as everywhere: in another order, two steps could wait for each other.
    for Finding { drift, .. } in findings.iter().filter(|finding| finding.is_repaired) {
        store::drifts::forget(step.connection(), drift).await?;
        if drift.kind == DriftKind::Notification {
            watching::record(&mut step, &known.account, &drift.subject, OPERATOR).await?;
        }
        background::record_resolved(&mut step, drift, Some(known.account.customer_id), OPERATOR).await?;
    }
    step.commit().await?;
    Ok(Some(findings))
}

async fn apply(
    provisioner: &Provisioner,
    store: &dyn ObjectStore,
    step: &mut Step,
    account: &Account,
    drift: &DriftDetected,
) -> Result<(), Trouble> {
    let (s3uid, location, name, now) = (&account.s3uid, &account.location, drift.subject.as_str(), step.now());
    let keys = provisioner.keys(account)?;
    let quota = ByteCount::from_i64(account.quota_bytes);
    match drift.kind {
        DriftKind::UserMissing => {
            store.create_user(&account.new_user(&keys)).await?;
            store.set_user_quota(s3uid, quota).await?;
            store.set_access(s3uid, account.store_access()).await?;
        }
        DriftKind::KeyMissing => store.add_keys(s3uid, &keys).await?,
        DriftKind::KeyExtra => store.remove_key(s3uid, name).await?,
        DriftKind::Suspension => store.set_access(s3uid, account.store_access()).await?,
        DriftKind::Quota => store.set_user_quota(s3uid, quota).await?,
        // What it held is gone; nothing is made up for it.
        DriftKind::BucketMissing => {
            store::buckets::mark_deleted(step.connection(), location, name, s3uid, now).await?;
        }
        DriftKind::BucketExtra => {
            store::buckets::insert(step.connection(), location, name, s3uid, None, now).await?;
        }
        DriftKind::Notification => notify(provisioner, store, step, account, &keys, name).await?,
        DriftKind::UserExtra | DriftKind::BucketOwner => {
            return Err(Trouble::Account("a person must decide".to_owned()));
        }
    }
    Ok(())
}

async fn notify(
    provisioner: &Provisioner,
    store: &dyn ObjectStore,
    step: &mut Step,
    account: &Account,
    keys: &S3Keys,
    bucket: &str,
) -> Result<(), Trouble> {
    let Some(watch) = provisioner.watch(&account.location) else { return Ok(()) };
    // The bucket gets a copy of it.
    store.put_topic(&watch.topic).await?;
    store.notify(keys, bucket, &watch.topic.name).await?;
    Ok(store::watching::set_topic_by_name(step.connection(), &account.location, bucket, &watch.mark).await?)
}
