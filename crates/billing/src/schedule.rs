//! What happens by itself when its time has come. Any number of processes may run it: each row is done once.

use std::time::Duration;

use history::{Failure, Journal};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::observe::Task;
use crate::{Settings, deadlines, dunning, observe, periods, run, terminations};

const INTERVAL: Duration = Duration::from_secs(1);

/// Fails overdue orders, ends what was cancelled, begins new periods, issues invoices and duns, until shutdown.
pub(crate) async fn run(journal: Journal, settings: &Settings, soft: CancellationToken) {
    while timeout(INTERVAL, soft.cancelled()).await.is_err() {
        // What fails is tried again in the next round.
        for (task, what, done) in [
            (Task::Orders, "orders that are overdue", overdue_orders(&journal).await),
            // Ends come before renewals: what is over gets no new period.
            (Task::Terminations, "services that end", due_terminations(&journal, settings).await),
            (Task::Renewals, "services whose period is over", due_renewals(&journal).await),
            (Task::Invoices, "invoices that are due", due_invoices(&journal, settings, &soft).await),
            (Task::Dunning, "services that aren't paid", due_dunning(&journal, settings).await),
        ] {
            if let Err(error) = done {
                observe::failed(task);
                tracing::warn!(%error, "{what} can't be seen to");
            }
        }
    }
}

async fn overdue_orders(journal: &Journal) -> Result<(), Failure> {
    while deadlines::fail_one_overdue(journal).await? {}
    Ok(())
}

async fn due_terminations(journal: &Journal, settings: &Settings) -> Result<(), Failure> {
    while terminations::end_one_due(journal, settings).await? {}
    Ok(())
}

async fn due_renewals(journal: &Journal) -> Result<(), Failure> {
    while periods::renew_one_due(journal).await? {}
    Ok(())
}

async fn due_invoices(journal: &Journal, settings: &Settings, soft: &CancellationToken) -> Result<(), Failure> {
    run::by_itself(journal, settings, soft).await
}

async fn due_dunning(journal: &Journal, settings: &Settings) -> Result<(), Failure> {
    if settings.invoicing.is_native() {
        while dunning::step_one(journal, settings).await? {}
        while dunning::restore_one(journal, settings).await? {}
    }
    Ok(())
}
