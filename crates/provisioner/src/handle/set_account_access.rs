//! `set_account_access`: what an account may do over S3 from now on.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{
    AccountAccess, AccountAccessChanged, AccountReply, EventData, Refusal, Reply, Request, SetAccountAccess, Subject,
};
use model::{S3Uid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Provisioner;
use crate::domain::account::{Account, store_access};
use crate::domain::answers::store_failure;
use crate::store;

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    account: Account,
    access: AccountAccess,
    reason: Option<String>,
    #[serde(default)]
    decided_at: Option<Timestamp>,
}

#[async_trait]
impl OutsideCommand<SetAccountAccess> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    fn subject(&self, parameters: &SetAccountAccess) -> Option<Subject> {
        Some(Subject::Account(parameters.s3uid.clone()))
    }

    async fn plan(
        &self,
        step: &mut Step,
        _request: &Request,
        parameters: &SetAccountAccess,
    ) -> Result<(Subject, Plan), Failure> {
        let s3uid = &parameters.s3uid;
        let account =
            store::accounts::share_active(step.connection(), s3uid).await?.ok_or_else(|| not_active(s3uid))?;
        // What was decided earlier than what is set already was overtaken on its way.
        let decided_at = parameters.decided_at;
        let is_overtaken = store::accounts::access_decided_after(step.connection(), s3uid, decided_at).await?;
        let access = if is_overtaken { account.access } else { parameters.access };
        let plan = Plan { account, access, reason: parameters.reason.clone(), decided_at };
        Ok((Subject::Account(s3uid.clone()), plan))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let store = &self.location(&plan.account)?.store;
        lease.check()?;
        store
            .set_access(&plan.account.s3uid, store_access(plan.access))
            .await
            .map_err(|error| store_failure("the access could not be set", error))
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let Plan { account, access, reason, decided_at } = plan;
        if !store::accounts::set_access(step.connection(), &account.s3uid, *access, *decided_at).await? {
            return Err(not_active(&account.s3uid).into());
        }
        if *access == AccountAccess::Full {
            // Its new buckets were left alone while it was locked.
            self.wake_watching(&account.location);
        }
        if *access != account.access {
            step.record(Record {
                event: AccountAccessChanged::EVENT,
                subject: Subject::Account(account.s3uid.clone()),
                customer_id: Some(account.customer_id),
                actor: &request.principal.actor(),
                description: described(*access, reason.as_deref()),
                data: &AccountAccessChanged {
                    s3uid: account.s3uid.clone(),
                    access: *access,
                    previous_access: account.access,
                },
                traceparent: request.traceparent.as_deref(),
            })
            .await?;
        }
        Ok(Reply::success(&request.action, &AccountReply { s3uid: account.s3uid.clone() }))
    }
}

fn described(access: AccountAccess, reason: Option<&str>) -> String {
    let what = match access {
        AccountAccess::Full => "S3 account open for reading and writing",
        AccountAccess::ReadOnly => "S3 account locked for writing",
        AccountAccess::None => "S3 account suspended",
    };
    reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"))
}

fn not_active(s3uid: &S3Uid) -> Refusal {
    Refusal::not_found(format!("there is no account {s3uid} whose access could be set"))
}
