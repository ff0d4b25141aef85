//! One file per message: load, plan, perform, conclude.

mod create_bucket;
mod get_buckets_rmq;
mod provision_account;
mod release_account;

use history::Failure;
use messages::{Refusal, Request, Scope};
use model::CustomerId;
use object_store::{LocationStore, S3Keys};
use sqlx::PgExecutor;

use crate::Provisioner;
use crate::domain::account::{self, Account};
use crate::store;

/// The account that a request means by its `s3uid` and `id`.
async fn requested_account(
    executor: impl PgExecutor<'_>,
    request: &Request,
    s3uid: Option<&str>,
    id: Option<CustomerId>,
) -> Result<Account, Failure> {
    let scope = Scope::of(request.principal, id)?;
    if s3uid.is_none() && scope == Scope::Anyone {
        return Err(Refusal::new("s3uid required").into());
    }
    let found = store::accounts::find(executor, scope, s3uid).await?;
    Ok(account::pick(s3uid.is_some(), found)?)
}

impl Provisioner {
    /// The store that the account lives in.
    fn location(&self, account: &Account) -> Result<&LocationStore, Failure> {
        self.locations.get(&account.location).map_err(|error| Failure::Unavailable(error.to_string()))
    }

    /// The account's key pair, opened.
    fn keys(&self, account: &Account) -> Result<S3Keys, Failure> {
        let secret_key = self
            .sealing_key
            .open(&account.s3uid, &account.sealed_secret_key)
            .map_err(|error| Failure::Unavailable(format!("account {}: {error}", account.s3uid)))?;
        Ok(S3Keys { access_key: account.access_key.clone(), secret_key })
    }
}
