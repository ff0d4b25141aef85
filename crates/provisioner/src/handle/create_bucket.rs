//! `create_bucket`: a further bucket in an existing account.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Step};
use messages::{BucketStatusReply, CreateBucket, Reply, Request, Subject};
use model::BucketName;
use serde::{Deserialize, Serialize};

use super::{account_to_change, write_bucket};
use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::store_failure;

const FAILED: &str = "Create S3 bucket error";

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    account: Account,
    bucket_name: BucketName,
}

#[async_trait]
impl OutsideCommand<CreateBucket> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    async fn plan(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &CreateBucket,
    ) -> Result<(Subject, Plan), Failure> {
        let account = account_to_change(step, request, parameters.s3uid.as_deref(), parameters.id).await?;
        Ok((Subject::Account(account.s3uid.clone()), Plan { account, bucket_name: parameters.bucket_name.clone() }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let location = self.location(&plan.account)?;
        let keys = self.keys(&plan.account)?;
        lease.check()?;
        location.store.create_bucket(&keys, &plan.bucket_name).await.map_err(|error| store_failure(FAILED, error))
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        write_bucket(step, request, &plan.account, &plan.bucket_name).await?;
        Ok(Reply::success(&request.action, &BucketStatusReply::success(plan.bucket_name.clone())))
    }
}
