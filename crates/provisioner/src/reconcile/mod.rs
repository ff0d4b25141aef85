//! Comparing database and stores, both ways, and putting right what was asked for. Nothing here deletes customers' data.

pub(crate) mod background;
mod compare;
mod repair;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use history::{Failure, Journal};
use messages::{DriftDetected, DriftKind};
use model::{Location, S3Uid};
use object_store::ObjectStore;
use serde::Serialize;

use crate::domain::drift::advice;
use crate::{Provisioner, Settings, store};
use compare::{Compared, Comparer, Trouble};

/// The kinds that can be put right without a person's judgement.
pub const REPAIRABLE: [DriftKind; 8] = [
    DriftKind::UserMissing,
    DriftKind::KeyMissing,
    DriftKind::KeyExtra,
    DriftKind::Suspension,
    DriftKind::Quota,
    DriftKind::BucketMissing,
    DriftKind::BucketExtra,
    DriftKind::Notification,
];

const ACCOUNTS_AT_ONCE: usize = 4;
const PAGE: i64 = 1_000;
/// What changed later is left for the next comparison: metering may still be about to tell of it.
const SETTLED_FOR: TimeDelta = TimeDelta::minutes(1);

/// What to compare, and what to do about it.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Only this location.
    pub location: Option<Location>,
    /// Only this account, also where it has changed this very moment.
    pub account: Option<S3Uid>,
    /// What is put right; only kinds among [`REPAIRABLE`] are.
    pub repair: BTreeSet<DriftKind>,
}

/// What a comparison came to.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many accounts were compared.
    pub accounts: u64,
    /// How many were left out because they were changing.
    pub skipped: u64,
    /// Where the two sides didn't agree.
    pub findings: Vec<Finding>,
    /// What couldn't be compared.
    pub impossible: Vec<Impossible>,
}

impl Report {
    /// Whether something is left that doesn't agree.
    pub fn has_drift(&self) -> bool {
        self.findings.iter().any(|finding| !finding.is_repaired)
    }
}

/// Something about which database and store didn't agree.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What.
    #[serde(flatten)]
    pub drift: DriftDetected,
    /// Whether they agree now.
    #[serde(rename = "repaired")]
    pub is_repaired: bool,
    /// Why they don't, or what an operator can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Finding {
    fn left(drift: DriftDetected) -> Self {
        Self { note: advice(&drift), drift, is_repaired: false }
    }
}

/// Something that couldn't be compared.
#[derive(Debug, Clone, Serialize)]
pub struct Impossible {
    /// Where; `None` where it isn't even known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The account; the whole location where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3uid: Option<S3Uid>,
    /// Why.
    pub error: String,
}

/// Compares what `scope` says and repairs what it asks for.
///
/// A location or an account that can't be compared is in the report; only a database that doesn't answer is a failure.
pub async fn reconcile(journal: Journal, settings: Settings, scope: &Scope) -> Result<Report, Failure> {
    let provisioner = Provisioner::new(journal, settings);
    let settled_for = scope.account.is_none().then_some(SETTLED_FOR);
    let mut run = Run {
        provisioner: &provisioner,
        comparer: Comparer { provisioner: &provisioner, settled_for },
        repair: &scope.repair,
        report: Report::default(),
    };
    match &scope.account {
        Some(s3uid) => run.one(s3uid, scope.location.as_ref()).await?,
        None => run.all(scope.location.as_ref()).await?,
    }
    Ok(run.report)
}

struct Run<'a> {
    provisioner: &'a Provisioner,
    comparer: Comparer<'a>,
    repair: &'a BTreeSet<DriftKind>,
    report: Report,
}

impl Run<'_> {
    fn locations(&self, only: Option<&Location>) -> Vec<Location> {
        let all = self.provisioner.places.keys();
        all.filter(|location| only.is_none_or(|only| only == *location)).cloned().collect()
    }

    async fn all(&mut self, only: Option<&Location>) -> Result<(), Failure> {
        for location in self.locations(only) {
            let walked = self.location(&location).await;
            self.note(&location, None, walked)?;
        }
        Ok(())
    }

    async fn location(&mut self, location: &Location) -> Result<(), Trouble> {
        let store = self.comparer.store(location).await?;
        let mut after = String::new();
        loop {
            let page = store::reconcile::page(&self.provisioner.pool, location, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.to_string();
            let (reader, repair) = (&self.comparer, self.repair);
            let mut results = stream::iter(page)
                .map(|s3uid| async move {
                    let result = compare(reader, store, &s3uid, repair).await;
                    (s3uid, result)
                })
                .buffer_unordered(ACCOUNTS_AT_ONCE);
            while let Some((s3uid, result)) = results.next().await {
                match result {
                    Ok(findings) => self.report.add(findings),
                    Err(Trouble::Account(error)) => self.report.impossible(location, Some(&s3uid), error),
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        let extra = self.comparer.extra_users(store, location).await?;
        self.report.findings.extend(extra.into_iter().map(Finding::left));
        Ok(())
    }

    /// One account wherever it is, or the user that is left of it.
    async fn one(&mut self, s3uid: &S3Uid, only: Option<&Location>) -> Result<(), Failure> {
        let whereabouts = store::reconcile::whereabouts(&self.provisioner.pool, s3uid).await?;
        let is_known = whereabouts.is_some();
        if let Some((location, state)) = whereabouts
            && matches!(state.as_str(), "active" | "deleting")
        {
            let location: Location =
                location.parse().map_err(|error| Failure::Unavailable(format!("account {s3uid}: {error}")))?;
            if only.is_some_and(|only| *only != location) {
                let error = format!("the account is in {location}");
                self.report.impossible(only.unwrap_or(&location), Some(s3uid), error);
                return Ok(());
            }
            let compared = self.known(s3uid, &location).await;
            return self.note(&location, Some(s3uid), compared);
        }
        for location in self.locations(only) {
            let looked = self.unknown(s3uid, &location).await;
            self.note(&location, Some(s3uid), looked)?;
        }
        if !is_known && self.report.findings.is_empty() && self.report.impossible.is_empty() {
            let error = "there is neither an account nor a user of this name".to_owned();
            self.report.impossible.push(Impossible { location: only.cloned(), s3uid: Some(s3uid.clone()), error });
        }
        Ok(())
    }

    async fn known(&mut self, s3uid: &S3Uid, location: &Location) -> Result<(), Trouble> {
        let store = self.comparer.store(location).await?;
        let findings = compare(&self.comparer, store, s3uid, self.repair).await?;
        self.report.add(findings);
        Ok(())
    }

    async fn unknown(&mut self, s3uid: &S3Uid, location: &Location) -> Result<(), Trouble> {
        let store = self.comparer.store(location).await?;
        let extra = self.comparer.extra_among(store, location, std::slice::from_ref(s3uid)).await?;
        self.report.findings.extend(extra.into_iter().map(Finding::left));
        Ok(())
    }

    /// Puts what couldn't be compared into the report.
    fn note(&mut self, location: &Location, s3uid: Option<&S3Uid>, done: Result<(), Trouble>) -> Result<(), Failure> {
        match done {
            Ok(()) => Ok(()),
            Err(Trouble::Database(failure)) => Err(failure),
            Err(Trouble::Location(error)) => {
                self.report.impossible(location, None, error);
                Ok(())
            }
            Err(Trouble::Account(error)) => {
                self.report.impossible(location, s3uid, error);
                Ok(())
            }
        }
    }
}

impl Report {
    fn add(&mut self, compared: Option<Vec<Finding>>) {
        match compared {
            Some(findings) => {
                self.accounts += 1;
                self.findings.extend(findings);
            }
            None => self.skipped += 1,
        }
    }

    fn impossible(&mut self, location: &Location, s3uid: Option<&S3Uid>, error: String) {
        let (location, s3uid) = (Some(location.clone()), s3uid.cloned());
        self.impossible.push(Impossible { location, s3uid, error });
    }
}

/// Compares one account and repairs what is asked for. `None`: it was skipped.
async fn compare(
    comparer: &Comparer<'_>,
    store: &dyn ObjectStore,
    s3uid: &S3Uid,
    repair: &BTreeSet<DriftKind>,
) -> Result<Option<Vec<Finding>>, Trouble> {
    let Compared::Done(found) = comparer.account(store, s3uid).await? else { return Ok(None) };
    if !found.iter().any(|drift| repair.contains(&drift.kind) && REPAIRABLE.contains(&drift.kind)) {
        return Ok(Some(found.into_iter().map(Finding::left).collect()));
    }
    repair::account(comparer.provisioner, store, s3uid, repair).await
}
