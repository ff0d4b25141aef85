//! The billing run: issues every document that is due.
//!
//! Some services are one transaction, so a run that is killed has done what it did, and the next one goes on; runs side by
//! side pass over what another one holds.

use std::time::Instant;

use history::{Failure, Journal};
use model::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::invoicing::{Invoicing, invoice_some};
use crate::store::due::Position;
use crate::{Settings, observe};

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Invoices and credit notes that it issued, or what it handed over where another system issues them.
    pub issued: u64,
    /// Periods in which there was nothing to charge.
    pub empty: u64,
    /// Services whose usage isn't final yet; they are invoiced later.
    pub waiting: u64,
    /// Services that can't be invoiced at the moment; the log says why.
    pub failed: u64,
}

impl Progress {
    /// Everything that it has looked at.
    pub fn total(&self) -> u64 {
        self.issued + self.empty + self.waiting + self.failed
    }
}

/// Before every service.
const START: Position = (Timestamp::UNIX_EPOCH, 0);

/// Issues everything that is due by `at`, and tells how far it has come after each document.
pub async fn run(
    journal: &Journal,
    settings: &Settings,
    at: Timestamp,
    mut report: impl FnMut(&Progress),
) -> Result<Progress, Failure> {
    let mut progress = Progress::default();
    // What somebody else held when a round came by has its turn in the next one.
    loop {
        let (before, mut position) = (progress.issued + progress.empty, START);
        (progress.waiting, progress.failed) = (0, 0);
        while let Some(round) = invoice_some(journal, settings, at, position, false).await? {
            position = round.reached;
            for outcome in round.outcomes {
                count(&mut progress, outcome);
                report(&progress);
            }
        }
        if progress.issued + progress.empty == before {
            return Ok(progress);
        }
    }
}

/// The same for now, until shutdown.
pub(crate) async fn by_itself(journal: &Journal, settings: &Settings, soft: &CancellationToken) -> Result<(), Failure> {
    let (now, mut position) = (journal.clock().now(), START);
    let (began, mut has_found) = (Instant::now(), false);
    while !soft.is_cancelled() {
        let Some(round) = invoice_some(journal, settings, now, position, true).await? else { break };
        position = round.reached;
        has_found = true;
        round.outcomes.into_iter().for_each(observe::met);
    }
    if has_found {
        observe::ran(began.elapsed());
    }
    Ok(())
}

fn count(progress: &mut Progress, outcome: Invoicing) {
    match outcome {
        Invoicing::Issued | Invoicing::HandedOver => progress.issued += 1,
        Invoicing::Nothing => progress.empty += 1,
        Invoicing::Waiting => progress.waiting += 1,
        Invoicing::Failed => progress.failed += 1,
    }
}
