//! `storage_newpassword`: a new secret key; the old one stops working.

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Record, Step};
use messages::{EventData, KeyRotated, Refusal, Reply, Request, Scope, StorageNewPassword, StoragePassword, Subject};
use object_store::S3Keys;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::Provisioner;
use crate::domain::account::Account;
use crate::domain::answers::store_failure;
use crate::store;

const PACKAGE_NOT_FOUND: &str = "package not found";

#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    /// With the new secret key, so that a repeat asks for the very same one.
    account: Account,
}

#[async_trait]
impl OutsideCommand<StorageNewPassword> for Provisioner {
    type Plan = Plan;
    type Performed = ();

    async fn plan(
        &self,
        step: &mut Step,
        request: &Request,
        parameters: &StorageNewPassword,
    ) -> Result<(Subject, Plan), Failure> {
        let scope = Scope::of(request.principal, parameters.id)?;
        let mut account = store::accounts::lock_by_name(step.connection(), scope, &parameters.name)
            .await?
            .ok_or_else(|| Refusal::not_found(PACKAGE_NOT_FOUND))?;
        account.sealed_secret_key = self.sealing_keys.seal(&account.s3uid, &S3Keys::generate().secret_key);
        Ok((Subject::Account(account.s3uid.clone()), Plan { account }))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        let store = &self.location(&plan.account)?.store;
        let keys = self.keys(&plan.account)?;
        lease.check()?;
        store
            .replace_keys(&plan.account.s3uid, &keys)
            .await
            .map_err(|error| store_failure("the password could not be changed", error))
    }

    async fn conclude(&self, step: &mut Step, request: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        let account = &plan.account;
        let sealed = self.sealed_anew(account)?;
        if !store::accounts::set_secret_key(step.connection(), &account.s3uid, &sealed).await? {
            return Err(Refusal::not_found(PACKAGE_NOT_FOUND).into());
        }
        step.record(Record {
            event: KeyRotated::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: &request.principal.actor(),
            description: "Secret key replaced".to_owned(),
            data: &KeyRotated { s3uid: account.s3uid.clone(), access_key: account.access_key.clone() },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        let password = self.keys(account)?.secret_key.expose_secret().to_owned();
        Ok(Reply::success(&request.action, &StoragePassword { password }).secret())
    }
}
