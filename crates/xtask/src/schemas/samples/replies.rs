//! Successes, in the shape in which they are sent.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use messages::{
    AccountReply, AvailableLocationsReply, BucketSizeReply, BucketStatusReply, BucketUsageReply,
    CancelPaymentAccountDeletionReply, CreateOrderReply, DeleteAccountReply, DeleteFileReply,
    DeletePaymentAccountReply, EmptyReply, FileReply, FilesReply, FolderReply, GapKind, GetBucketsReply,
    GetBucketsRmqReply, GetFilesReply, GetUsersReply, HistoryEntryReply, HistoryReply, ListPlansReply, MeteringReply,
    PlanPriceReply, PlanReply, Reply, ShowKeyReply, StorageCreated, StorageDeleted, StoragePackage, StoragePassword,
    StoragePlan, StoragePrice, StoragePricing, UpdateTrafficInfoReply, UsageCategoryReply, UsageGapReply,
    UsageReportReply, UsageRowReply, UsageSection, UsageSnapshotReply, UsageTotalsReply, UserPriceReply, UserReply,
    UserServiceReply,
};
use model::{CustomerId, PlanId, ServiceId};
use serde_json::Value;

use super::{ACCESS_KEY, PACKAGE, S3UID, SECRET_KEY, invoices, read};

/// An action's success.
pub(crate) fn reply(action: &str) -> Result<Value> {
    let reply = match action {
        "create_order" | "create_account" => Reply::success(action, &CreateOrderReply { s3uid: read(S3UID)? }),
        "create_bucket" | "delete_bucket" => {
            Reply::success(action, &BucketStatusReply::success(read("my-new-bucket")?))
        }
        "delete_file" => Reply::success(action, &DeleteFileReply { message: "File deleted successfully".to_owned() }),
        "show_key" => Reply::success(action, &ShowKeyReply { key: SECRET_KEY.to_owned() }),
        "delete_account" => {
            Reply::success(action, &DeleteAccountReply { cancellation_date: read("2026-11-22 01:02:03")? })
        }
        "delete_payment_account" => Reply::success(
            action,
            &DeletePaymentAccountReply {
                cancellation_date: read("2026-11-22 01:02:03")?,
                termination_date: read("2026-12-22 00:00:00")?,
            },
        ),
        "cancel_payment_account_deletion" => Reply::success(
            action,
            &CancelPaymentAccountDeletionReply { termination_date: read("2026-12-22 00:00:00")? },
        ),
        "get_files" => Reply::success(action, &files()?),
        "get_buckets" => Reply::success(action, &buckets()?),
        // The reply says under which name it is kept.
        "get_buckets_rmq" | "get_user_info" => Reply::success("get_buckets_rmq", &account()?),
        "provision_account" | "release_account" | "purge_account" | "set_account_access" | "set_account_quota" => {
            Reply::success(action, &AccountReply { s3uid: read(S3UID)? })
        }
        _ if action.starts_with("storage_") => storage(action)?,
        _ if invoices::has(action) => invoices::reply(action)?,
        _ => lists(action)?,
    };
    Ok(serde_json::from_str(reply.as_json_text())?)
}

fn lists(action: &str) -> Result<Reply> {
    Ok(match action {
        "list_plans" => Reply::success(action, &ListPlansReply { plans: vec![plan()?] }),
        "get_available_locations" => Reply::success(
            action,
            &AvailableLocationsReply { locations: vec![read("NL")?, read("US")?], default: read("NL")? },
        ),
        "history" => {
            let entry = HistoryEntryReply {
                id: 123,
                event: "bucket_created".to_owned(),
                description: "Bucket my-new-bucket created".to_owned(),
                created_at: read("2026-11-22T01:02:03Z")?,
            };
            Reply::success(action, &HistoryReply { data: vec![entry] })
        }
        "get_users" => Reply::success(action, &GetUsersReply { s3_users: vec![user()?], total: 1 }),
        "update_traffic_info" => {
            Reply::success(action, &UpdateTrafficInfoReply { accounts: 1, measured_at: read("2026-11-22 01:02:03")? })
        }
        "usage_report" => Reply::success(action, &usage_report()?),
        _ => bail!("{action} has no sample reply; write one here"),
    })
}

fn usage_report() -> Result<UsageReportReply> {
    let totals = UsageTotalsReply {
        traffic_in_bytes: 5_242_880,
        traffic_out_bytes: 1_048_576,
        operations: 12,
        successful_operations: 11,
        storage_byte_hours: read("125829120.5")?,
        storage_peak_bytes: 5_242_880,
        storage_closing_bytes: 5_242_880,
    };
    Ok(UsageReportReply {
        s3uid: read(S3UID)?,
        from: read("2026-11-01 00:00:00")?,
        to: read("2026-11-22 00:00:00")?,
        by: UsageSection::Day,
        rows: vec![UsageRowReply { section: "2026-11-21".to_owned(), usage: totals.clone() }],
        totals,
        categories: vec![UsageCategoryReply {
            category: "put_obj".to_owned(),
            traffic_in_bytes: 5_242_880,
            traffic_out_bytes: 0,
            operations: 3,
            successful_operations: 3,
        }],
        final_until: Some(read("2026-11-22 00:00:00")?),
        measured_at: Some(read("2026-11-22 01:02:03")?),
        gaps: vec![UsageGapReply {
            hour: read("2026-11-21 13:00:00")?,
            kind: GapKind::LostFlush,
            detail: "2 of 60 of Purser's own requests are in the log".to_owned(),
        }],
    })
}

fn plan() -> Result<PlanReply> {
    let overage = |eur, usd| BTreeMap::from([("eur".to_owned(), eur), ("usd".to_owned(), usd)]);
    Ok(PlanReply {
        id: PlanId(1),
        name: "PS100".to_owned(),
        active: 1,
        storage_type: "standard".to_owned(),
        location: "NL".to_owned(),
        locations: vec![read("NL")?, read("US")?],
        price: PlanPriceReply { base_price: 4.99, price: BTreeMap::from([(read("EUR")?, 4.99), (read("USD")?, 5.49)]) },
        traffic_overage_price: overage(0.01, 0.02),
        storage_overage_price: overage(0.05, 0.06),
    })
}

fn user() -> Result<UserReply> {
    Ok(UserReply {
        id: CustomerId(1),
        s3uid: read(S3UID)?,
        email: "alice@example.com".to_owned(),
        region: "NL".to_owned(),
        billing: "NL".to_owned(),
        currency: read("EUR")?,
        traffic: read("50.5")?,
        total_traffic_period_gb: read("50.5")?,
        storage_usage: 1024,
        total_storage_peak_gb: read("1.5")?,
        price: UserPriceReply { base_price: read("4.99")?, price: read("4.99")? },
        service: UserServiceReply {
            id: ServiceId(456),
            entity_id: CustomerId(1),
            service_ident: PACKAGE.to_owned(),
            plan_id: PlanId(1),
            period: "monthly".to_owned(),
            period_start: read("2026-11-22T00:00:00Z")?,
            period_end: read("2026-12-22T00:00:00Z")?,
            next_commit_date: read("2026-12-22T00:00:00Z")?,
            status: "active".to_owned(),
        },
        measured_at: Some(read("2026-11-22T01:02:03Z")?),
    })
}

fn files() -> Result<GetFilesReply> {
    let file = FileReply {
        key: "folder/file.txt".to_owned(),
        original_key: "folder/file.txt".to_owned(),
        size: 1024,
        last_modified: read("2026-11-22T01:02:03Z")?,
    };
    let folder = FolderReply { key: "folder/more/".to_owned(), original_key: "folder/more/".to_owned() };
    Ok(GetFilesReply {
        files: FilesReply { items: vec![file], folders: vec![folder] },
        next_token: Some("Zm9sZGVyL21vcmUv".to_owned()),
    })
}

fn buckets() -> Result<GetBucketsReply> {
    Ok(GetBucketsReply {
        message: vec![BucketSizeReply { name: "my-new-bucket".to_owned(), usage: 1024 }],
        bandwidth: 512,
        snapshot: UsageSnapshotReply {
            bandwidth_usage: 256,
            storage_usage: 1000,
            created_at: read("2026-11-22T00:00:00Z")?,
        },
        measured_at: Some(read("2026-11-22T01:02:03Z")?),
    })
}

fn account() -> Result<GetBucketsRmqReply> {
    let bucket =
        BucketUsageReply { name: "my-new-bucket".to_owned(), usage: 1024, usage_bytes: 1_023_456_789, objects: 42 };
    Ok(GetBucketsRmqReply {
        message: vec![bucket],
        usage_storage: 1024,
        usage_storage_bytes: 1_023_456_789,
        quota: 100_000,
        quota_bytes: 100_000_000_000,
        metering: MeteringReply {
            total_traffic_gb: read("1.5")?,
            total_storage_gb: read("1.023456789")?,
            traffic_in_bytes: 1_100_000_000,
            traffic_out_bytes: 400_000_000,
        },
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        endpoint: "s3.nl.example.com".to_owned(),
        measured_at: Some(read("2026-11-22T01:02:03Z")?),
    })
}

fn storage(action: &str) -> Result<Reply> {
    Ok(match action {
        "storage_prices" => Reply::success(action, &vec![storage_plan()]),
        "storage_info" => Reply::success(action, &BTreeMap::from([(PACKAGE.to_owned(), package()?)])),
        "storage_create" => Reply::success(action, &StorageCreated { name: PACKAGE.to_owned() }),
        "storage_delete" => Reply::success(action, &StorageDeleted { expiry: read("2026-12-22 00:00:00")? }),
        "storage_undelete" => Reply::success(action, &EmptyReply {}),
        "storage_newpassword" => Reply::success(action, &StoragePassword { password: SECRET_KEY.to_owned() }),
        _ => bail!("{action} has no sample reply; write one here"),
    })
}

fn pricing() -> StoragePricing {
    let price =
        |net: &str, gross: &str| StoragePrice { net: net.to_owned(), tax: "19.0".to_owned(), gross: gross.to_owned() };
    StoragePricing { ground: price("4,99", "5,94"), traffic: price("1,00", "1,19"), setup: price("0,00", "0,00") }
}

fn storage_plan() -> StoragePlan {
    StoragePlan {
        kind: "P".to_owned(),
        name: "PS100".to_owned(),
        size: 100,
        traffic_in: 0,
        traffic_out: 1000,
        ftps: -1,
        minterm: "1M".to_owned(),
        price: pricing(),
    }
}

fn package() -> Result<StoragePackage> {
    Ok(StoragePackage {
        tariff: "PS100".to_owned(),
        kind: "P".to_owned(),
        size: 100,
        used: 10,
        traffic_in: 0,
        traffic_out: 1000,
        ftps: -1,
        hostname: "s3.nl.example.com".to_owned(),
        username: ACCESS_KEY.to_owned(),
        minterm: "1M".to_owned(),
        payment_period: "1M".to_owned(),
        state: "running".to_owned(),
        price: pricing(),
        order_datetime: read("2026-11-22 01:02:03")?,
        termination_datetime: String::new(),
        max_termination_datetime: read("2026-12-22 00:00:00")?,
        expiry_datetime: String::new(),
    })
}
