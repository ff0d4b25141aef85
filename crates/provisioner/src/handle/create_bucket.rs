//! `create_bucket`: a further bucket in an existing account.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Step};
use messages::{BucketStatusReply, CreateBucket, Reply, Request, Subject};
use model::BucketName;
use serde::{Deserialize, Serialize};

use super::{account_to_change, named_account, write_bucket};
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
    /// The topic to which the store sends the bucket's changes.
    type Performed = Option<String>;

    fn subject(&self, parameters: &CreateBucket) -> Option<Subject> {
        named_account(parameters.s3uid.as_deref())
    }

    async fn plan(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &CreateBucket,
    ) -> Result<(Subject, Plan), Failure> {
        let account = account_to_change(step, request, parameters.s3uid.as_deref(), parameters.id).await?;
        Ok((Subject::Account(account.s3uid.clone()), Plan { account, bucket_name: parameters.bucket_name.clone() }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<Option<String>, Failure> {
        let store = &self.location(&plan.account)?.store;
        let keys = self.keys(&plan.account)?;
        lease.check()?;
        store.create_bucket(&keys, &plan.bucket_name).await.map_err(|error| store_failure(FAILED, error))?;
        lease.check()?;
        Ok(self.watch_new(&plan.account, &keys, &plan.bucket_name).await)
    }

    async fn conclude(
        &self,
        step: &mut Step,
        request: &Request,
        plan: &Plan,
        topic: &Option<String>,
    ) -> Result<Reply, Failure> {
        write_bucket(step, request, &plan.account, &plan.bucket_name, topic.as_deref()).await?;
        Ok(Reply::success(&request.action, &BucketStatusReply::success(plan.bucket_name.clone())))
    }
}
