//! `set_account_quota`: how much an account may store from now on.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{AccountQuotaChanged, AccountReply, EventData, Refusal, Reply, Request, SetAccountQuota, Subject};
use model::{ByteCount, S3Uid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::store_failure;
use crate::store;

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    account: Account,
    quota: ByteCount,
    #[serde(default)]
    decided_at: Option<Timestamp>,
}

#[async_trait]
impl OutsideCommand<SetAccountQuota> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    fn subject(&self, parameters: &SetAccountQuota) -> Option<Subject> {
        Some(Subject::Account(parameters.s3uid.clone()))
    }

    async fn plan(
        &self,
        step: &mut Step,
        _request: &Request,
        parameters: &SetAccountQuota,
    ) -> Result<(Subject, Plan), Failure> {
        let s3uid = &parameters.s3uid;
        let account =
            store::accounts::share_active(step.connection(), s3uid).await?.ok_or_else(|| not_active(s3uid))?;
        // What was decided earlier than what is set already was overtaken on its way.
        let decided_at = parameters.decided_at;
        let is_overtaken = store::accounts::quota_decided_after(step.connection(), s3uid, decided_at).await?;
        let quota_bytes =
            if is_overtaken { ByteCount::from_i64(account.quota_bytes).bytes() } else { parameters.quota_bytes };
        let plan = Plan { account, quota: ByteCount::from_bytes(quota_bytes), decided_at };
        Ok((Subject::Account(s3uid.clone()), plan))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let store = &self.location(&plan.account)?.store;
        lease.check()?;
        store
            .set_user_quota(&plan.account.s3uid, plan.quota)
            .await
            .map_err(|error| store_failure("the quota could not be set", error))
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let Plan { account, quota, decided_at } = plan;
        if !store::accounts::set_quota(step.connection(), &account.s3uid, *quota, *decided_at).await? {
            return Err(not_active(&account.s3uid).into());
        }
        if quota.to_i64() != account.quota_bytes {
            step.record(Record {
                event: AccountQuotaChanged::EVENT,
                subject: Subject::Account(account.s3uid.clone()),
                customer_id: Some(account.customer_id),
                actor: &request.principal.actor(),
                description: format!("Quota changed to {quota}"),
                data: &AccountQuotaChanged {
                    s3uid: account.s3uid.clone(),
                    quota_bytes: quota.bytes(),
                    previous_quota_bytes: ByteCount::from_i64(account.quota_bytes).bytes(),
                },
                traceparent: request.traceparent.as_deref(),
            })
            .await?;
        }
        Ok(Reply::success(&request.action, &AccountReply { s3uid: account.s3uid.clone() }))
    }
}

fn not_active(s3uid: &S3Uid) -> Refusal {
    Refusal::not_found(format!("there is no account {s3uid} whose quota could be set"))
}
