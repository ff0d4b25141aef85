//! Periods: where one is over, the next begins.

use history::{Failure, Journal, Record};
use messages::{EventData, ServiceRenewed, Subject};

use crate::store;

/// Begins the next period of one service; false where no period is over.
pub(crate) async fn renew_one_due(journal: &Journal) -> Result<bool, Failure> {
    let mut step = journal.step().await?;
    let now = step.now();
    let Some(service) = store::services::lock_due_renewal(step.connection(), now).await? else { return Ok(false) };
    let (period_start, period_end) = (service.period_end, service.end_of_period(service.period_number + 1));
    store::services::renew(step.connection(), &service, period_end).await?;
    step.record(Record {
        event: ServiceRenewed::EVENT,
        subject: Subject::Account(service.s3uid.clone()),
        customer_id: Some(service.customer_id),
        actor: "billing",
        description: format!("Period {} begins; it ends on {}", service.period_number + 1, period_end.date_naive()),
        data: &ServiceRenewed { service_id: service.id, s3uid: service.s3uid.clone(), period_start, period_end },
        traceparent: None,
    })
    .await?;
    step.commit().await?;
    Ok(true)
}
