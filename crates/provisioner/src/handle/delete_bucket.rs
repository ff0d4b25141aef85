//! `delete_bucket`: an empty bucket goes.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{BucketDeleted, BucketStatusReply, DeleteBucket, EventData, Refusal, Reply, Request, Subject};
use model::BucketName;
use object_store::{Removal, StoreError};
use serde::{Deserialize, Serialize};

use super::{account_to_change, named_account};
use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::store_failure;
use crate::store;

const FAILED: &str = "Delete S3 bucket error";

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    account: Account,
    bucket_name: BucketName,
}

#[async_trait]
impl OutsideCommand<DeleteBucket> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    fn subject(&self, parameters: &DeleteBucket) -> Option<Subject> {
        named_account(parameters.s3uid.as_deref())
    }

    async fn plan(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &DeleteBucket,
    ) -> Result<(Subject, Plan), Failure> {
        let account = account_to_change(step, request, parameters.s3uid.as_deref(), parameters.id).await?;
        Ok((Subject::Account(account.s3uid.clone()), Plan { account, bucket_name: parameters.bucket_name.clone() }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let location = self.location(&plan.account)?;
        let keys = self.keys(&plan.account)?;
        lease.check()?;
        match location.store.delete_bucket(&keys, &plan.bucket_name).await {
            Ok(Removal::Removed) => Ok(()),
            // An earlier attempt may have deleted it, and not come to write that down.
            Ok(Removal::Absent) if lease.is_repeated() => Ok(()),
            Ok(Removal::Absent) => Err(Refusal::not_found(format!("{FAILED}: Bucket not found")).into()),
            Err(StoreError::Refused { code, .. }) if matches!(code.as_str(), "BucketNotEmpty" | "AccessDenied") => {
                Err(Refusal::conflict(format!("{FAILED}: Bucket not empty or access denied")).into())
            }
            Err(error) => Err(store_failure(FAILED, error)),
        }
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let (account, bucket_name, now) = (&plan.account, &plan.bucket_name, step.now());
        let (location, name) = (&account.location, bucket_name.as_str());
        store::buckets::mark_deleted(step.connection(), location, name, &account.s3uid, now).await?;
        step.record(Record {
            event: BucketDeleted::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: &request.principal.actor(),
            description: format!("Bucket {bucket_name} deleted"),
            data: &BucketDeleted { s3uid: account.s3uid.clone(), bucket_name: bucket_name.clone() },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        Ok(Reply::success(&request.action, &BucketStatusReply::success(bucket_name.clone())))
    }
}
