//! `delete_file`: one object goes.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{DeleteFile, DeleteFileReply, EventData, FileDeleted, Refusal, Reply, Request, Subject};
use model::BucketName;
use serde::{Deserialize, Serialize};

use super::{account_to_change, named_account};
use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::{bucket_failure, store_failure};

const FAILED: &str = "Delete file error";

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    account: Account,
    bucket_name: BucketName,
    filename: String,
}

#[async_trait]
impl OutsideCommand<DeleteFile> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    fn subject(&self, parameters: &DeleteFile) -> Option<Subject> {
        named_account(parameters.s3uid.as_deref())
    }

    async fn plan(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &DeleteFile,
    ) -> Result<(Subject, Plan), Failure> {
        let account = account_to_change(step, request, parameters.s3uid.as_deref(), parameters.id).await?;
        let subject = Subject::Account(account.s3uid.clone());
        let (bucket_name, filename) = (parameters.bucket_name.clone(), parameters.filename.clone());
        Ok((subject, Plan { account, bucket_name, filename }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let Plan { account, bucket_name, filename } = plan;
        let store = &self.location(account)?.store;
        let keys = self.keys(account)?;
        lease.check()?;
        let found = store.object(&keys, bucket_name, filename).await.map_err(bucket_failure)?;
        // An earlier attempt may have deleted it, and not come to write that down.
        if found.is_none() && !lease.is_repeated() {
            return Err(Refusal::not_found("File not found").into());
        }
        lease.check()?;
        store.delete_object(&keys, bucket_name, filename).await.map_err(|error| store_failure(FAILED, error))
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let Plan { account, bucket_name, filename } = plan;
        step.record(Record {
            event: FileDeleted::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: &request.principal.actor(),
            description: format!("File {filename} deleted from bucket {bucket_name}"),
            data: &FileDeleted {
                s3uid: account.s3uid.clone(),
                bucket_name: bucket_name.clone(),
                filename: filename.clone(),
            },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        let reply = DeleteFileReply { message: "File deleted successfully".to_owned() };
        Ok(Reply::success(&request.action, &reply))
    }
}
