//! `usage_report`: what an account used, by hour, day or bucket.

use async_trait::async_trait;
use history::Failure;
use messages::{Refusal, Request, Scope, UsageReport, UsageReportReply};
use runtime::Query;

use crate::report::{self, Wanted};
use crate::{Metering, store};

#[async_trait]
impl Query<UsageReport> for Metering {
    type Reply = UsageReportReply;

    async fn answer(&self, request: &Request, parameters: UsageReport) -> Result<UsageReportReply, Failure> {
        let scope = Scope::of(request.principal, parameters.id)?;
        let named = parameters.s3uid.as_deref();
        if scope == Scope::Anyone && named.is_none() {
            return Err(Refusal::new("s3uid required").into());
        }
        let mut found = store::accounts::of_scope(&self.pool, scope, named).await?;
        let account = match (found.pop(), found.is_empty()) {
            (Some(account), true) => account,
            (Some(_), false) => return Err(Refusal::new("s3uid required").into()),
            (None, _) => return Err(Refusal::account_not_found().into()),
        };
        let wanted = Wanted::new(&parameters, self.clock.now())?;
        report::make(&self.pool, &account, &wanted).await
    }
}
