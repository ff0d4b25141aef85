//! `purge_account`: an account is to be deleted with everything in it; [`crate::purge`] does it, however long it takes.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{AccountReply, PurgeAccount, Refusal, Reply, Request};
use object_store::S3Keys;

use crate::Provisioner;
use crate::store;

#[async_trait]
impl DatabaseCommand<PurgeAccount> for Provisioner {
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &PurgeAccount) -> Result<Decision, Failure> {
        let (s3uid, now) = (&parameters.s3uid, step.now());
        // From here on the account is its customer's no longer, and its keys are ours alone.
        let keys = S3Keys::generate();
        let sealed = self.sealing_keys.seal(s3uid, &keys.secret_key);
        if store::accounts::begin_deletion(step.connection(), s3uid, &keys.access_key, &sealed).await? {
            store::purges::insert(step.connection(), s3uid, parameters.requested_by.as_ref(), now).await?;
        } else if !store::purges::exists(step.connection(), s3uid).await? {
            return Err(Refusal::not_found(format!("there is no account {s3uid} to delete")).into());
        }
        let reply = Reply::success(&request.action, &AccountReply { s3uid: s3uid.clone() });
        Ok(Decision::Answer(reply, Keep::ForDays))
    }
}
