//! `provision_account`: an ordered account on RGW, with keys, quota and its first bucket.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{
    AccountAccess, AccountProvisionFailed, AccountProvisioned, AccountReply, EventData, ProvisionAccount, Refusal,
    Reply, Request, Subject,
};
use model::{BucketName, ByteCount, OrderId};
use object_store::{S3Keys, StoreError};
use serde::{Deserialize, Serialize};

use super::write_bucket;
use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::store_failure;
use crate::store;

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    order_id: OrderId,
    account: Account,
    bucket_name: BucketName,
}

/// What RGW made of it.
pub(crate) enum Performed {
    /// The account is usable, with the topic to which the store sends its first bucket's changes.
    Made { topic: Option<String> },
    /// The account is usable, but for its first bucket.
    MadeWithoutBucket { reason: String },
    /// RGW refused the user; nothing exists.
    Impossible { reason: String },
}

#[async_trait]
impl OutsideCommand<ProvisionAccount> for Provisioner {
    type Plan = Plan;
    type Performed = Performed;

    fn subject(&self, parameters: &ProvisionAccount) -> Option<Subject> {
        Some(Subject::Account(parameters.s3uid.clone()))
    }

    async fn plan(
        &self,
        step: &mut Step,
        _request: &Request,
        parameters: &ProvisionAccount,
    ) -> Result<(Subject, Plan), Failure> {
        if store::accounts::is_released(step.connection(), parameters.order_id).await? {
            return Err(Refusal::new("the order has failed; its account is not made any more").into());
        }
        // Made here, before anything is asked of RGW, so that a repeat asks for the very same keys.
        let keys = S3Keys::generate();
        let account = Account {
            s3uid: parameters.s3uid.clone(),
            customer_id: parameters.customer_id,
            location: parameters.location.clone(),
            quota_bytes: ByteCount::from_bytes(parameters.quota_bytes).to_i64(),
            access: AccountAccess::Full,
            sealed_secret_key: self.sealing_keys.seal(&parameters.s3uid, &keys.secret_key),
            access_key: keys.access_key,
        };
        let plan = Plan { order_id: parameters.order_id, account, bucket_name: parameters.bucket_name.clone() };
        Ok((Subject::Account(parameters.s3uid.clone()), plan))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<Performed, Failure> {
        let account = &plan.account;
        let store = &self.location(account)?.store;
        let keys = self.keys(account)?;
        let user = account.new_user(&keys);
        lease.check()?;
        match store.create_user(&user).await.map_err(|error| store_failure("S3 account could not be created", error)) {
            Ok(()) => {}
            Err(Failure::Refused(refusal)) => return Ok(Performed::Impossible { reason: refusal.message }),
            Err(failure) => return Err(failure),
        }
        lease.check()?;
        store
            .set_user_quota(&account.s3uid, ByteCount::from_i64(account.quota_bytes))
            .await
            .map_err(|error| Failure::Unavailable(format!("set quota: {error}")))?;
        lease.check()?;
        match store.create_bucket(&keys, &plan.bucket_name).await {
            Ok(()) => {}
            Err(StoreError::Refused { message, .. } | StoreError::Conflict(message)) => {
                return Ok(Performed::MadeWithoutBucket { reason: message });
            }
            Err(error) => return Err(store_failure("create bucket", error)),
        }
        Ok(Performed::Made { topic: self.watch_new(account, &keys, &plan.bucket_name).await })
    }

    async fn conclude(
        &self,
        step: &mut Step,
        request: &Request,
        plan: &Plan,
        performed: &Performed,
    ) -> Result<Reply, Failure> {
        match performed {
            Performed::Impossible { reason } => record_failure(step, request, plan, reason).await?,
            Performed::MadeWithoutBucket { reason } => self.record_success(step, request, plan, Some(reason)).await?,
            Performed::Made { topic } => {
                self.record_success(step, request, plan, None).await?;
                write_bucket(step, request, &plan.account, &plan.bucket_name, topic.as_deref()).await?;
            }
        }
        Ok(Reply::success(&request.action, &AccountReply { s3uid: plan.account.s3uid.clone() }))
    }
}

impl Provisioner {
    async fn record_success(
        &self,
        step: &mut Step,
        request: &Request,
        plan: &Plan,
        bucket_error: Option<&str>,
    ) -> Result<(), Failure> {
        let now = step.now();
        let account = &Account { sealed_secret_key: self.sealed_anew(&plan.account)?, ..plan.account.clone() };
        store::accounts::insert(step.connection(), plan.order_id, account, now).await?;
        step.record(Record {
            event: AccountProvisioned::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: &request.principal.actor(),
            description: format!("S3 account created in {}", account.location),
            data: &AccountProvisioned {
                order_id: plan.order_id,
                s3uid: account.s3uid.clone(),
                customer_id: account.customer_id,
                location: account.location.clone(),
                bucket_name: plan.bucket_name.clone(),
                bucket_error: bucket_error.map(str::to_owned),
            },
            traceparent: request.traceparent.as_deref(),
        })
        .await
    }
}

async fn record_failure(step: &mut Step, request: &Request, plan: &Plan, reason: &str) -> Result<(), Failure> {
    step.record(Record {
        event: AccountProvisionFailed::EVENT,
        subject: Subject::Account(plan.account.s3uid.clone()),
        customer_id: Some(plan.account.customer_id),
        actor: &request.principal.actor(),
        description: reason.to_owned(),
        data: &AccountProvisionFailed {
            order_id: plan.order_id,
            s3uid: plan.account.s3uid.clone(),
            reason: reason.to_owned(),
        },
        traceparent: request.traceparent.as_deref(),
    })
    .await
}
