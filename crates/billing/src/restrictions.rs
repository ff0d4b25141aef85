//! Holding services back, on RGW and wherever else it must be known.

use history::{Failure, Step};
use messages::{AccountAccess, SetAccountAccess, Subject};
use model::Principal;
use uuid::Uuid;

use crate::domain::dunning::Restriction;
use crate::domain::handover::ExternalStatus;
use crate::domain::service::{Service, ServiceState};
use crate::handover::tasks;
use crate::store;

/// Holds a service back this far from now on; nothing happens where it is already.
pub(crate) async fn restrict(
    step: &mut Step,
    service: &Service,
    to: Option<Restriction>,
    reason: &str,
) -> Result<ServiceState, Failure> {
    if service.restriction() == to {
        return Ok(service.state);
    }
    let state = service.restricted(to).map_err(|error| Failure::Unavailable(error.to_string()))?;
    store::services::set_state(step.connection(), service.id, state).await?;
    let (access, status) = match to {
        None => (AccountAccess::Full, ExternalStatus::Active),
        Some(Restriction::Lock) => (AccountAccess::ReadOnly, ExternalStatus::Suspended),
        Some(Restriction::Suspension) => (AccountAccess::None, ExternalStatus::Suspended),
    };
    let subject = Subject::Account(service.s3uid.clone());
    let now = step.now();
    let decided_at = Some(store::services::decide(step.connection(), service.id, now).await?);
    let s3uid = service.s3uid.clone();
    let command = SetAccountAccess { s3uid, access, reason: Some(reason.to_owned()), decided_at };
    step.send(&subject, Principal::Admin(None), Uuid::now_v7(), None, None, &command).await?;
    tasks::set_status(step, service, status, Some(reason)).await?;
    Ok(state)
}
