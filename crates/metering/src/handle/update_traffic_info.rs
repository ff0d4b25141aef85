//! `update_traffic_info`: an administrator wants accounts read from RGW now.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{Refusal, RefusalKind, Reply, Request, Scope, UpdateTrafficInfo, UpdateTrafficInfoReply};
use model::PlainTime;

use crate::store::accounts::Account;
use crate::{Metering, log, sampling, store};

/// More are the sweep's business.
const ACCOUNTS_MAX: usize = 500;
const ACCOUNTS_AT_ONCE: usize = 2;

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
        let (now, read) = (step.now(), u64::try_from(accounts.len()).unwrap_or(u64::MAX));
        stream::iter(accounts)
            .map(|account| async move { self.read(&account).await })
            .buffer_unordered(ACCOUNTS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        let reply = UpdateTrafficInfoReply { accounts: read, measured_at: PlainTime(now) };
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForDays))
    }
}

impl Metering {
    async fn read(&self, account: &Account) -> Result<(), Failure> {
        tokio::try_join!(
            sampling::sample(self, &account.s3uid, &account.location, None),
            log::read_account(self, &account.s3uid, &account.location),
        )?;
        Ok(())
    }
}
