//! Requests: parameters only; the principal is added where a message is made of them.

use anyhow::{Result, bail};
use messages::{
    AccountAccess, CancelPaymentAccountDeletion, CommandKey, CreateAccount, CreateBucket, CreateOrder, DeleteAccount,
    DeleteBucket, DeleteFile, DeletePaymentAccount, GetAvailableLocations, GetBuckets, GetBucketsRmq, GetFiles,
    GetUsers, History, KeyKind, ListPlans, ProvisionAccount, PurgeAccount, ReleaseAccount, SetAccountAccess,
    SetAccountQuota, ShowKey, SortDirection, StorageCreate, StorageDelete, StorageInfo, StorageNewPassword,
    StoragePrices, StorageUndelete, UpdateTrafficInfo, UsageReport, UsageSection, UserOrder,
};
use model::{CustomerId, OrderId, PlanId};
use serde_json::{Map, Value};

use super::{ORDER_ID, PACKAGE, S3UID, fields, invoices, read};

/// An action's parameters.
pub(crate) fn request(action: &str) -> Result<Map<String, Value>> {
    match action {
        "provision_account" | "release_account" | "purge_account" | "set_account_access" | "set_account_quota" => {
            internal(action)
        }
        "storage_prices" => fields(&StoragePrices { id: None }),
        "storage_info" => fields(&StorageInfo { name: Some(PACKAGE.to_owned()), id: None }),
        "storage_create" => fields(&StorageCreate { name: "PS100".to_owned(), id: None }),
        "storage_delete" => fields(&StorageDelete { name: PACKAGE.to_owned(), id: None }),
        "storage_undelete" => fields(&StorageUndelete { name: PACKAGE.to_owned(), id: None }),
        "storage_newpassword" => fields(&StorageNewPassword { name: PACKAGE.to_owned(), id: None }),
        "get_users" | "history" | "list_plans" | "get_available_locations" => lists(action),
        _ if invoices::has(action) => invoices::request(action),
        _ => accounts(action),
    }
}

fn accounts(action: &str) -> Result<Map<String, Value>> {
    let (s3uid, id) = (Some(S3UID.to_owned()), None);
    let bucket_name = read("my-new-bucket")?;
    let order = CreateOrder {
        plan_id: PlanId(1),
        bucket_name: read("my-new-bucket")?,
        location: Some("NL".to_owned()),
        id: None,
    };
    match action {
        "create_order" => fields(&order),
        "create_account" => fields(&CreateAccount(order)),
        "create_bucket" => fields(&CreateBucket { s3uid, bucket_name, id }),
        "delete_bucket" => fields(&DeleteBucket { s3uid, bucket_name, id }),
        "delete_file" => fields(&DeleteFile { s3uid, bucket_name, filename: "folder/file.txt".to_owned(), id }),
        "get_files" => fields(&GetFiles {
            s3uid,
            bucket_name,
            continuation_token: None,
            max_keys: Some(2),
            page: None,
            search: None,
            prefix: Some("folder/".to_owned()),
            delimiter: Some("/".to_owned()),
            id,
        }),
        "get_buckets" => fields(&GetBuckets { s3uid, id }),
        "get_buckets_rmq" | "get_user_info" => fields(&GetBucketsRmq { s3uid, id }),
        "show_key" => fields(&ShowKey { s3uid, s3_key: KeyKind::SecretKey, id }),
        "delete_account" => fields(&DeleteAccount { s3uid, id, reason: Some("moved elsewhere".to_owned()) }),
        "delete_payment_account" => fields(&DeletePaymentAccount { s3uid, id }),
        "cancel_payment_account_deletion" => fields(&CancelPaymentAccountDeletion { s3uid, id }),
        "update_traffic_info" => fields(&UpdateTrafficInfo { s3uid, id }),
        "usage_report" => fields(&UsageReport {
            s3uid,
            id,
            from: Some(read("2026-11-01 00:00:00")?),
            to: Some(read("2026-11-22 00:00:00")?),
            by: Some(UsageSection::Day),
        }),
        _ => bail!("{action} has no sample request; write one here"),
    }
}

fn lists(action: &str) -> Result<Map<String, Value>> {
    match action {
        "list_plans" => fields(&ListPlans { id: None, location: Some("NL".to_owned()) }),
        "history" => fields(&History { id: None, s3uid: Some(S3UID.to_owned()), limit: Some(20), offset: Some(0) }),
        "get_users" => fields(&GetUsers {
            id: None,
            plan_id: Some(PlanId(1)),
            s3uid: None,
            email: None,
            billing: None,
            bucket_name: None,
            location: Some("NL".to_owned()),
            storage_type: None,
            period_from: Some(read("2026-11-01")?),
            period_to: Some(read("2026-11-21")?),
            offset: Some(0),
            limit: Some(50),
            order: Some(UserOrder::TotalTrafficPeriodGb),
            order_by: Some(SortDirection::Descending),
        }),
        _ => fields(&GetAvailableLocations {}),
    }
}

fn internal(action: &str) -> Result<Map<String, Value>> {
    let (order_id, s3uid) = (OrderId(read(ORDER_ID)?), read(S3UID)?);
    match action {
        "provision_account" => fields(&ProvisionAccount {
            order_id,
            s3uid,
            customer_id: CustomerId(1),
            location: read("NL")?,
            bucket_name: read("my-new-bucket")?,
            quota_bytes: 100_000_000_000,
        }),
        "set_account_access" => {
            let reason = Some("an invoice is overdue".to_owned());
            fields(&SetAccountAccess {
                s3uid,
                access: AccountAccess::ReadOnly,
                reason,
                decided_at: Some(read("2026-12-22T00:00:01Z")?),
            })
        }
        "set_account_quota" => {
            let decided_at = Some(read("2026-12-22T00:00:01Z")?);
            fields(&SetAccountQuota { s3uid, quota_bytes: 200_000_000_000, decided_at })
        }
        "release_account" => fields(&ReleaseAccount { order_id, s3uid }),
        _ => {
            let requested_by = CommandKey {
                principal: "customer:1".to_owned(),
                message_id: read("0193500b-1f6a-7c11-8d2e-3a4b5c6d7e8f")?,
            };
            fields(&PurgeAccount { s3uid, requested_by: Some(requested_by) })
        }
    }
}
