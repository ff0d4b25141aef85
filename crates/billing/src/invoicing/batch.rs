//! Several services in one transaction, with a few statements for all of them. What can't be done so, and what fails, is
//! done again in a transaction of its own, which is a batch of one.

use chrono::NaiveDate;
use history::{Failure, Journal, Step};
use model::{ServiceId, Timestamp};

use super::due::{Due, issuable};
use super::issue::{Draft, compose_all, issue_all};
use super::{Account, account, viewed_all};
use crate::Settings;
use crate::domain::charge::{ChargeKind, Usage};
use crate::domain::document::{DocumentKind, Line};
use crate::domain::schedule::midnight;
use crate::handover::tasks;
use crate::store;
use crate::store::due::Position;

/// How many services are invoiced in one transaction. Their customers and their numbers' series are held for so long.
const SERVICES_TOGETHER: i64 = 200;

/// What became of one service in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invoicing {
    /// A document was issued.
    Issued,
    /// The system that issues the invoices is told.
    HandedOver,
    /// There was nothing to charge.
    Nothing,
    /// Its usage isn't final yet.
    Waiting,
    /// It can't be invoiced at the moment; the log says why.
    Failed,
}

impl Invoicing {
    pub(crate) const ALL: [Self; 5] = [Self::Issued, Self::HandedOver, Self::Nothing, Self::Waiting, Self::Failed];

    /// As shown in `/metrics`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::HandedOver => "handed_over",
            Self::Nothing => "nothing",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// What became of several services, and where to go on.
pub(crate) struct Round {
    pub(crate) outcomes: Vec<Invoicing>,
    pub(crate) reached: Position,
}

/// What became of one service, and when it is due again.
struct Outcome {
    invoicing: Invoicing,
    next: Option<NaiveDate>,
}

impl Outcome {
    const WAITING: Self = Self { invoicing: Invoicing::Waiting, next: None };
    const FAILED: Self = Self { invoicing: Invoicing::Failed, next: None };
}

/// Issues the next documents that are due by `at`, after `position`; `None` where nothing is due.
///
/// `by_itself`: a service whose usage isn't final is passed over for a while.
pub(crate) async fn invoice_some(
    journal: &Journal,
    settings: &Settings,
    at: Timestamp,
    position: Position,
    by_itself: bool,
) -> Result<Option<Round>, Failure> {
    let mut step = journal.step().await?;
    let now = by_itself.then(|| step.now());
    let limit = if store::due::lock_together(step.connection()).await? { SERVICES_TOGETHER } else { 1 };
    let services = store::due::lock_next(step.connection(), at, position, now, limit).await?;
    let Some(&(_, last)) = services.last() else { return Ok(None) };
    let ids: Vec<ServiceId> = services.iter().map(|(id, _)| *id).collect();
    let (mut outcomes, mut again, mut passed) = (Vec::with_capacity(ids.len()), last, position);
    for ((id, place), outcome) in services.into_iter().zip(together(step, settings, &ids, at).await?) {
        let outcome = match outcome {
            Some(outcome) => Some(outcome),
            None => alone(journal, settings, id, at).await?,
        };
        // Somebody else sees to it.
        let Some(Outcome { invoicing, next }) = outcome else { continue };
        match next.map(midnight) {
            Some(next) if next <= at => again = again.min((next, id.0 - 1)),
            None if matches!(invoicing, Invoicing::Waiting | Invoicing::Failed) => passed = place,
            Some(_) | None => {}
        }
        outcomes.push(invoicing);
    }
    // Before what is due again at once, and not before what was passed over.
    Ok(Some(Round { outcomes, reached: again.max(passed) }))
}

/// Invoices services that are locked, and commits. `None` for those that need a transaction of their own: nothing of them
/// is kept.
async fn together(
    mut step: Step,
    settings: &Settings,
    ids: &[ServiceId],
    at: Timestamp,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let error = match invoice_readable(&mut step, settings, ids, at).await {
        Ok(outcomes) => match step.commit().await {
            Ok(()) => return Ok(outcomes),
            Err(error) => error,
        },
        Err(error) => {
            step.rollback().await?;
            error
        }
    };
    tracing::debug!(%error, services = ids.len(), "services can't be invoiced together; they are invoiced one by one");
    Ok(ids.iter().map(|_| None).collect())
}

async fn invoice_readable(
    step: &mut Step,
    settings: &Settings,
    ids: &[ServiceId],
    at: Timestamp,
) -> Result<Vec<Option<Outcome>>, Failure> {
    store::customers::lock_of_services(step.connection(), ids).await?;
    let accounts = viewed_all(step, ids).await?;
    let is_readable: Vec<bool> = accounts.iter().map(Result::is_ok).collect();
    let accounts: Vec<Account> = accounts.into_iter().flatten().collect();
    let mut invoiced = invoice(step, settings, &accounts, at).await?.into_iter();
    Ok(is_readable.into_iter().map(|is_readable| if is_readable { invoiced.next().flatten() } else { None }).collect())
}

/// Invoices one service in a transaction of its own; `None` where it isn't due any more, or somebody else holds it.
async fn alone(
    journal: &Journal,
    settings: &Settings,
    id: ServiceId,
    at: Timestamp,
) -> Result<Option<Outcome>, Failure> {
    let mut step = journal.step().await?;
    if !store::due::lock(step.connection(), id, at).await? {
        return Ok(None);
    }
    let invoiced = match account(&mut step, id).await {
        Ok(account) => invoice(&mut step, settings, &[account], at).await,
        Err(error) => Err(error),
    };
    match invoiced {
        Ok(mut outcomes) => {
            step.commit().await?;
            Ok(outcomes.pop().flatten())
        }
        Err(error) => {
            // One service's trouble holds up no other.
            tracing::warn!(service_id = %id, %error, "a service can't be invoiced; it is tried again later");
            step.rollback().await?;
            let mut step = journal.step().await?;
            let now = step.now();
            store::due::wait(step.connection(), &[id], now).await?;
            step.commit().await?;
            Ok(Some(Outcome::FAILED))
        }
    }
}

/// Issues the next document of each of these services, which are locked with their customers. `None` for those that must
/// be invoiced alone; one that is alone is always invoiced, or its failure is returned.
async fn invoice(
    step: &mut Step,
    settings: &Settings,
    accounts: &[Account],
    at: Timestamp,
) -> Result<Vec<Option<Outcome>>, Failure> {
    // A run for an earlier moment picks what was due by then; nothing is dated back.
    let (now, at) = (step.now(), at.max(step.now()));
    let uids: Vec<&str> = accounts.iter().map(|account| account.billed.s3uid.as_str()).collect();
    let finals = store::usage::final_until(step.connection(), &uids).await?;
    let mut charged = Vec::with_capacity(accounts.len());
    let mut waiting = Vec::new();
    let mut outcomes = Vec::with_capacity(accounts.len());
    for (place, account) in accounts.iter().enumerate() {
        let final_until = finals.get(account.billed.s3uid.as_str()).copied();
        if let Some(due) = issuable(&account.billed, settings, final_until, at) {
            charged.push((place, account, due));
            outcomes.push(None);
        } else {
            waiting.push(account.billed.id);
            outcomes.push(Some(Outcome::WAITING));
        }
    }
    store::due::wait(step.connection(), &waiting, now).await?;
    let usage = used(step, &charged).await?;
    let bases: Vec<_> =
        charged.iter().zip(&usage).map(|((_, account, due), usage)| (*account, usage, due.extent)).collect();
    let lines = compose_all(step, settings, &bases).await?;
    let (mut advanced, mut drafts) = (Vec::with_capacity(charged.len()), Vec::with_capacity(charged.len()));
    for ((place, account, due), lines) in charged.iter().zip(lines) {
        let Some(charging) = charge(step, account, due, lines, accounts.len() == 1).await? else { continue };
        let invoicing = match charging {
            Charging::Draft(draft) => {
                drafts.push(draft);
                Invoicing::Issued
            }
            Charging::Done(invoicing) => invoicing,
        };
        outcomes[*place] = Some(Outcome { invoicing, next: due.next });
        advanced.push((account.billed.id, due.extent.periods, due.next.map(midnight)));
    }
    issue_all(step, settings, &drafts, at).await?;
    store::due::advance(step.connection(), &advanced).await?;
    Ok(outcomes)
}

/// The usage that each of these documents is about.
async fn used(step: &mut Step, charged: &[(usize, &Account, Due)]) -> Result<Vec<Usage>, Failure> {
    let spans: Vec<_> = charged
        .iter()
        .map(|(_, Account { billed, .. }, due)| (&billed.s3uid, billed.life.schedule.start, due.extent.usage_until))
        .collect();
    store::usage::by_day_all(step.connection(), &spans).await
}

/// What is to be done about a service's lines.
enum Charging<'a> {
    Draft(Draft<'a>),
    Done(Invoicing),
}

/// `None` for what isn't done together with others: what can't be added up, and credit notes, because what they settle
/// depends on what else is open.
async fn charge<'a>(
    step: &mut Step,
    account: &'a Account,
    due: &'a Due,
    lines: Result<Vec<Line>, Failure>,
    is_alone: bool,
) -> Result<Option<Charging<'a>>, Failure> {
    if account.billed.is_external {
        let mut lines = match lines {
            Ok(lines) => lines,
            Err(error) if is_alone => return Err(error),
            Err(_) => return Ok(None),
        };
        // The price of each period is invoiced there by itself.
        lines.retain(|line| line.key.kind != ChargeKind::BaseFee);
        tasks::add_items(step, account, &due.occasion, &lines).await?;
        let invoicing = if lines.is_empty() { Invoicing::Nothing } else { Invoicing::HandedOver };
        return Ok(Some(Charging::Done(invoicing)));
    }
    match lines.and_then(|lines| Draft::new(account, &due.occasion, lines)) {
        Ok(None) => Ok(Some(Charging::Done(Invoicing::Nothing))),
        Ok(Some(draft)) if is_alone || draft.kind() == DocumentKind::Invoice => Ok(Some(Charging::Draft(draft))),
        Err(error) if is_alone => Err(error),
        Ok(Some(_)) | Err(_) => Ok(None),
    }
}
