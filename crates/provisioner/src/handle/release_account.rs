//! `release_account`: takes back what was made for an order that failed.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{AccountAccess, AccountReleased, AccountReply, EventData, ReleaseAccount, Reply, Request, Subject};
use model::{BucketName, OrderId, S3Uid};
use object_store::Access;
use serde::{Deserialize, Serialize};

use crate::Provisioner;
use crate::domain::account::Account;
use crate::store;

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    order_id: OrderId,
    s3uid: S3Uid,
    /// What there is to take back; nothing where provisioning never came that far.
    made: Option<(Account, Vec<BucketName>)>,
}

#[async_trait]
impl OutsideCommand<ReleaseAccount> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    fn subject(&self, parameters: &ReleaseAccount) -> Option<Subject> {
        Some(Subject::Account(parameters.s3uid.clone()))
    }

    async fn plan(
        &self,
        step: &mut Step,
        _request: &Request,
        parameters: &ReleaseAccount,
    ) -> Result<(Subject, Plan), Failure> {
        let s3uid = parameters.s3uid.clone();
        let account = store::accounts::of_order(step.connection(), parameters.order_id).await?;
        let made = match account {
            Some(account) => Some((account, store::buckets::of_account(step.connection(), &s3uid).await?)),
            None => None,
        };
        Ok((Subject::Account(s3uid.clone()), Plan { order_id: parameters.order_id, s3uid, made }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let Some((account, buckets)) = &plan.made else { return Ok(()) };
        // Its keys were never handed out, so it holds nothing; should it hold something, a person must look.
        let failed = |error| Failure::Unavailable(format!("release account: {error}"));
        let store = &self.location(account)?.store;
        let keys = self.keys(account)?;
        lease.check()?;
        if store.user(&account.s3uid).await.map_err(failed)?.is_none() {
            // An earlier attempt came as far as this; without its user, the keys open nothing any more.
            return Ok(());
        }
        if account.access != AccountAccess::Full {
            lease.check()?;
            store.set_access(&account.s3uid, Access::Full).await.map_err(failed)?;
        }
        for bucket in buckets {
            lease.check()?;
            store.delete_bucket(&keys, bucket).await.map_err(failed)?;
        }
        lease.check()?;
        store.delete_user(&account.s3uid).await.map_err(failed)
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let now = step.now();
        store::buckets::delete_of_account(step.connection(), &plan.s3uid).await?;
        store::accounts::release(step.connection(), plan.order_id, &plan.s3uid, now).await?;
        step.record(Record {
            event: AccountReleased::EVENT,
            subject: Subject::Account(plan.s3uid.clone()),
            customer_id: plan.made.as_ref().map(|(account, _)| account.customer_id),
            actor: &request.principal.actor(),
            description: "S3 account of a failed order released".to_owned(),
            data: &AccountReleased { order_id: plan.order_id, s3uid: plan.s3uid.clone() },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        Ok(Reply::success(&request.action, &AccountReply { s3uid: plan.s3uid.clone() }))
    }
}
