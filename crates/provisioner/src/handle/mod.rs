//! One file per message: load, plan, perform, conclude.

mod bucket_discovered;
mod bucket_vanished;
mod create_bucket;
mod delete_bucket;
mod delete_file;
mod get_buckets_rmq;
mod get_files;
mod provision_account;
mod purge_account;
mod release_account;
mod set_account_access;
mod set_account_quota;
mod show_key;
mod storage_newpassword;

use history::{Failure, Record, Step};
use messages::{BucketCreated, EventData, Refusal, Request, Scope, Subject};
use model::{BucketName, CustomerId};
use object_store::{LocationStore, S3Keys};
use sqlx::PgExecutor;

use crate::Provisioner;
use crate::domain::account::{self, Account};
use crate::domain::sealing::Sealed;
use crate::store;

/// The account that a request means by its `s3uid` and `id`.
async fn requested_account(
    executor: impl PgExecutor<'_>,
    request: &Request,
    s3uid: Option<&str>,
    id: Option<CustomerId>,
) -> Result<Account, Failure> {
    let scope = scope(request, s3uid, id)?;
    let found = store::accounts::find(executor, scope, s3uid).await?;
    Ok(account::pick(s3uid.is_some(), found)?)
}

/// The same for a command that writes as the customer, in the transaction that takes the account's slot: its deletion
/// can't begin meanwhile.
async fn account_to_change(
    step: &mut Step,
    request: &Request,
    s3uid: Option<&str>,
    id: Option<CustomerId>,
) -> Result<Account, Failure> {
    let scope = scope(request, s3uid, id)?;
    let found = store::accounts::share(step.connection(), scope, s3uid).await?;
    let account = account::pick(s3uid.is_some(), found)?;
    account.check_writable()?;
    Ok(account)
}

/// The account that a command names; one that names none is its customer's only one.
fn named_account(s3uid: Option<&str>) -> Option<Subject> {
    s3uid.and_then(|s3uid| s3uid.parse().ok()).map(Subject::Account)
}

fn scope(request: &Request, s3uid: Option<&str>, id: Option<CustomerId>) -> Result<Scope, Refusal> {
    match Scope::of(request.principal, id)? {
        Scope::Anyone if s3uid.is_none() => Err(Refusal::new("s3uid required")),
        scope => Ok(scope),
    }
}

/// Writes down a bucket that RGW has made: its row with the topic of its notification, its history entry, its event.
async fn write_bucket(
    step: &mut Step,
    request: &Request,
    account: &Account,
    bucket_name: &BucketName,
    topic: Option<&str>,
) -> Result<(), Failure> {
    let (now, location, name) = (step.now(), &account.location, bucket_name.as_str());
    store::buckets::insert(step.connection(), location, name, &account.s3uid, topic, now).await?;
    step.record(Record {
        event: BucketCreated::EVENT,
        subject: Subject::Account(account.s3uid.clone()),
        customer_id: Some(account.customer_id),
        actor: &request.principal.actor(),
        description: format!("Bucket {bucket_name} created"),
        data: &BucketCreated { s3uid: account.s3uid.clone(), bucket_name: bucket_name.clone() },
        traceparent: request.traceparent.as_deref(),
    })
    .await
}

impl Provisioner {
    /// The store that the account lives in.
    pub(crate) fn location(&self, account: &Account) -> Result<&LocationStore, Failure> {
        self.locations.get(&account.location).map_err(|error| Failure::Unavailable(error.to_string()))
    }

    /// The account's key pair, opened.
    pub(crate) fn keys(&self, account: &Account) -> Result<S3Keys, Failure> {
        let secret_key = self
            .sealing_keys
            .open(&account.s3uid, &account.sealed_secret_key)
            .map_err(|error| Failure::Unavailable(format!("account {}: {error}", account.s3uid)))?;
        Ok(S3Keys { access_key: account.access_key.clone(), secret_key })
    }

    /// The account's secret key as it is stored: a plan may have been sealed with a key that is on its way out.
    fn sealed_anew(&self, account: &Account) -> Result<Sealed, Failure> {
        self.sealing_keys
            .seal_anew(&account.s3uid, &account.sealed_secret_key)
            .map_err(|error| Failure::Unavailable(format!("account {}: {error}", account.s3uid)))
    }
}
