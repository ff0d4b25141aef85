//! `create_bucket`: a further bucket in an existing account.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{
    BucketCreated, CreateBucket, CreateBucketReply, CreateBucketStatus, EventData, Reply, Request, Subject,
};
use model::BucketName;
use serde::{Deserialize, Serialize};

use super::requested_account;
use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::store_failure;
use crate::store;

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
        let account =
            requested_account(&mut *step.connection(), request, parameters.s3uid.as_deref(), parameters.id).await?;
        Ok((Subject::Account(account.s3uid.clone()), Plan { account, bucket_name: parameters.bucket_name.clone() }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let location = self.location(&plan.account)?;
        let keys = self.keys(&plan.account)?;
        lease.check()?;
        location.store.create_bucket(&keys, &plan.bucket_name).await.map_err(|error| store_failure(FAILED, error))
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let (now, account, bucket_name) = (step.now(), &plan.account, &plan.bucket_name);
        store::buckets::insert(step.connection(), &account.location, bucket_name, &account.s3uid, now).await?;
        step.record(Record {
            event: BucketCreated::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: &request.principal.actor(),
            description: format!("Bucket {bucket_name} created"),
            data: &BucketCreated { s3uid: account.s3uid.clone(), bucket_name: bucket_name.clone() },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        let message = CreateBucketStatus { status: "success".to_owned(), bucket_name: bucket_name.clone() };
        Ok(Reply::success(&request.action, &CreateBucketReply { message }))
    }
}
