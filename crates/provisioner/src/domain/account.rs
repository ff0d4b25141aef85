//! Accounts, and which of them a caller means.

use messages::{AccountAccess, Refusal};
use model::{CustomerId, Location, S3Uid};
use object_store::{Access, NewUser, S3Keys};
use serde::{Deserialize, Serialize};

use super::sealing::Sealed;

/// A usable account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) s3uid: S3Uid,
    pub(crate) customer_id: CustomerId,
    pub(crate) location: Location,
    pub(crate) quota_bytes: i64,
    #[serde(default)]
    pub(crate) access: AccountAccess,
    pub(crate) access_key: String,
    pub(crate) sealed_secret_key: Sealed,
}

/// RGW's own default.
const BUCKETS_MAX: u32 = 1_000;

impl Account {
    /// The user to make for it, with its own keys.
    pub(crate) fn new_user(&self, keys: &S3Keys) -> NewUser {
        NewUser {
            uid: self.s3uid.clone(),
            display_name: format!("customer {}", self.customer_id),
            keys: keys.clone(),
            max_buckets: BUCKETS_MAX,
        }
    }

    /// What the store should let its user do.
    pub(crate) fn store_access(&self) -> Access {
        store_access(self.access)
    }

    /// Refuses what reads as the customer where they may not.
    pub(crate) fn check_readable(&self) -> Result<(), Refusal> {
        match self.access {
            AccountAccess::Full | AccountAccess::ReadOnly => Ok(()),
            AccountAccess::None => Err(Refusal::conflict("the S3 account is suspended")),
        }
    }

    /// Refuses what writes or deletes as the customer where they may not.
    pub(crate) fn check_writable(&self) -> Result<(), Refusal> {
        match self.access {
            AccountAccess::ReadOnly => Err(Refusal::conflict("the S3 account is locked for writing")),
            AccountAccess::Full | AccountAccess::None => self.check_readable(),
        }
    }
}

/// The store's word for an account's access.
pub(crate) fn store_access(access: AccountAccess) -> Access {
    match access {
        AccountAccess::Full => Access::Full,
        AccountAccess::ReadOnly => Access::ReadOnly,
        AccountAccess::None => Access::Suspended,
    }
}

/// The one account that a caller means: the named one, or their only one.
///
/// `found` are the accounts in the caller's scope that match. Someone else's account is not among them, and so
/// reads exactly like one that doesn't exist.
pub(crate) fn pick(named: bool, mut found: Vec<Account>) -> Result<Account, Refusal> {
    match (found.pop(), found.is_empty()) {
        (Some(account), true) => Ok(account),
        (Some(_), false) if !named => Err(Refusal::new("s3uid required")),
        _ => Err(Refusal::account_not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            s3uid: S3Uid::random(),
            customer_id: CustomerId(1),
            location: "NL".parse().unwrap(),
            quota_bytes: 0,
            access: AccountAccess::Full,
            access_key: String::new(),
            sealed_secret_key: Sealed::default(),
        }
    }

    #[test]
    fn what_an_account_s_access_allows() {
        for (access, readable, writable) in [
            (AccountAccess::Full, "", ""),
            (AccountAccess::ReadOnly, "", "the S3 account is locked for writing"),
            (AccountAccess::None, "the S3 account is suspended", "the S3 account is suspended"),
        ] {
            let account = Account { access, ..account() };
            let said = |checked: Result<(), Refusal>| checked.err().map_or_else(String::new, |refusal| refusal.message);
            assert_eq!(
                (said(account.check_readable()).as_str(), said(account.check_writable()).as_str()),
                (readable, writable)
            );
        }
    }

    #[test]
    fn without_a_name_the_only_account_is_meant() {
        assert!(pick(false, vec![account()]).is_ok());
        assert_eq!(pick(false, vec![account(), account()]).unwrap_err().message, "s3uid required");
        for named in [false, true] {
            assert_eq!(pick(named, vec![]).unwrap_err(), Refusal::account_not_found());
        }
    }
}
