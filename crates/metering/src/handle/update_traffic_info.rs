//! `update_traffic_info`: an administrator wants accounts read from RGW now.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{Refusal, RefusalKind, Reply, Request, Scope, UpdateTrafficInfo, UpdateTrafficInfoReply};
use model::PlainTime;

use crate::{Metering, sampling, store};

/// More are the sweep's business.
const ACCOUNTS_MAX: usize = 500;

#[async_trait]
impl DatabaseCommand<UpdateTrafficInfo> for Metering {
    async fn decide(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &UpdateTrafficInfo,
    ) -> Result<Decision, Failure> {
        if !request.principal.is_admin() {
            let refusal = Refusal::new("update_traffic_info is for administrators; the figures are read regularly");
            return Err(refusal.of_kind(RefusalKind::Forbidden).into());
        }
        let scope = Scope::of(request.principal, parameters.id)?;
        let s3uid = parameters.s3uid.as_deref();
        let accounts = store::accounts::in_scope(step.connection(), scope, s3uid, ACCOUNTS_MAX + 1).await?;
        if accounts.is_empty() && (s3uid.is_some() || parameters.id.is_some()) {
            return Err(Refusal::account_not_found().into());
        }
        if accounts.len() > ACCOUNTS_MAX {
            return Err(Refusal::new(format!(
                "more than {ACCOUNTS_MAX} accounts are meant; send s3uid or id: all of them are read regularly anyway"
            ))
            .into());
        }
        let now = step.now();
        for account in &accounts {
            sampling::read_again(self, step, &account.s3uid).await?;
        }
        let accounts = u64::try_from(accounts.len()).unwrap_or(u64::MAX);
        let reply = UpdateTrafficInfoReply { accounts, measured_at: PlainTime(now) };
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForDays))
    }
}
