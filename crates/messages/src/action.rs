//! Actions: their names, parameters and replies. `s3.php`'s form parameters carry the same names.

mod accounts;
mod buckets;
mod files;
mod history;
mod invoices;
mod orders;
mod plans;
mod storage;
mod usage;
mod usage_report;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use accounts::{
    AccountAccess, CancelPaymentAccountDeletion, CancelPaymentAccountDeletionReply, DeleteAccount, DeleteAccountReply,
    DeletePaymentAccount, DeletePaymentAccountReply, HoldService, HoldServiceReply, KeyKind, PurgeAccount, ServiceHold,
    SetAccountAccess, SetAccountQuota, ShowKey, ShowKeyReply,
};
pub use buckets::{
    BucketStatus, BucketStatusReply, BucketUsageReply, CreateBucket, DeleteBucket, GetBucketsRmq, GetBucketsRmqReply,
    MeteringReply,
};
pub use files::{DeleteFile, DeleteFileReply, FileReply, FilesReply, FolderReply, GetFiles, GetFilesReply};
pub use history::{History, HistoryEntryReply, HistoryReply};
pub use invoices::{
    AddPayment, AddPaymentReply, AmountReply, ChangePlan, ChangePlanReply, GetInvoice, InvoiceAmounts,
    InvoiceCustomerReply, InvoiceKind, InvoiceLineKind, InvoiceLineReply, InvoicePreview, InvoicePreviewReply,
    InvoiceReply, InvoiceSummaryReply, ListInvoices, ListInvoicesReply, NextInvoiceReply, PlanChangePreview,
    PlanChangePreviewReply, SettledReply,
};
pub use orders::{CreateAccount, CreateOrder, CreateOrderReply, ProvisionAccount, ReleaseAccount};
pub use plans::{AvailableLocationsReply, GetAvailableLocations, ListPlans, ListPlansReply, PlanPriceReply, PlanReply};
pub use storage::{
    StorageCreate, StorageCreated, StorageDelete, StorageDeleted, StorageInfo, StorageNewPassword, StoragePackage,
    StoragePassword, StoragePlan, StoragePrice, StoragePrices, StoragePricing, StorageUndelete,
};
pub use usage::{
    BucketSizeReply, GetBuckets, GetBucketsReply, GetUsers, GetUsersReply, SortDirection, UpdateTrafficInfo,
    UpdateTrafficInfoReply, UsageSnapshotReply, UserOrder, UserPriceReply, UserReply, UserServiceReply,
};
pub use usage_report::{
    UsageCategoryReply, UsageGapReply, UsageReport, UsageReportReply, UsageRowReply, UsageSection, UsageTotalsReply,
};

/// The four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// HTTP to AMQP.
    Gateway,
    /// Accounts, keys, quotas and buckets on RGW.
    Provisioner,
    /// What accounts use.
    Metering,
    /// Plans, orders, services.
    Billing,
}

impl RoleName {
    /// The name in queues, users and schemas.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Provisioner => "provisioner",
            Self::Metering => "metering",
            Self::Billing => "billing",
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an action changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// Changes something, once per `message_id`; travels over `s3.commands`.
    Command,
    /// Reads; travels over `s3.queries` and expires when nobody waits any more.
    Query,
}

/// Which of the APIs an action belongs to; it decides the shape of the replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `s3.php`: `{"result":"OK","action":…}` and `{"code":-1,"message":…}`.
    S3Php,
    /// `/storage/…`: `{"code":…,"message":…,"result":…}`.
    Storage,
    /// Between roles only; the gateway refuses it. Replies as `s3.php`.
    Internal,
}

/// One row of the table of actions.
#[derive(Debug, Clone, Copy)]
pub struct ActionSpec {
    /// The routing key and `type`.
    pub name: &'static str,
    /// Command or query.
    pub kind: ActionKind,
    /// Who answers it.
    pub role: RoleName,
    /// Where callers reach it.
    pub api: Api,
    /// Whether `s3.php` takes it by POST only.
    pub post_only: bool,
}

use Api::{Internal, S3Php, Storage};
use RoleName::{Billing, Metering, Provisioner};

const fn command(name: &'static str, role: RoleName, api: Api) -> ActionSpec {
    ActionSpec { name, kind: ActionKind::Command, role, api, post_only: true }
}

const fn query(name: &'static str, role: RoleName, api: Api) -> ActionSpec {
    ActionSpec { name, kind: ActionKind::Query, role, api, post_only: false }
}

impl ActionSpec {
    /// A command that `s3.php` takes by GET, too, because it always did.
    const fn also_by_get(self) -> Self {
        Self { post_only: false, ..self }
    }
}

/// Every action there is. Topology, gateway and schemas follow this table.
pub const ACTIONS: &[ActionSpec] = &[
    command("add_payment", Billing, S3Php),
    command("cancel_payment_account_deletion", Billing, S3Php).also_by_get(),
    command("change_plan", Billing, S3Php),
    command("create_account", Billing, S3Php),
    command("create_bucket", Provisioner, S3Php),
    command("create_order", Billing, S3Php),
    command("delete_account", Billing, S3Php),
    command("delete_bucket", Provisioner, S3Php),
    command("delete_file", Provisioner, S3Php),
    command("delete_payment_account", Billing, S3Php),
    query("get_available_locations", Billing, S3Php),
    query("get_buckets", Metering, S3Php),
    query("get_buckets_rmq", Provisioner, S3Php),
    query("get_files", Provisioner, S3Php),
    query("get_invoice", Billing, S3Php),
    query("get_user_info", Provisioner, S3Php),
    query("get_users", Metering, S3Php),
    query("history", Billing, S3Php),
    command("hold_service", Billing, S3Php),
    query("invoice_preview", Billing, S3Php),
    query("list_invoices", Billing, S3Php),
    query("list_plans", Billing, S3Php),
    query("plan_change_preview", Billing, S3Php),
    query("show_key", Provisioner, S3Php),
    command("update_traffic_info", Metering, S3Php).also_by_get(),
    query("usage_report", Metering, S3Php),
    command("storage_create", Billing, Storage),
    command("storage_delete", Billing, Storage),
    query("storage_info", Billing, Storage),
    command("storage_newpassword", Provisioner, Storage),
    query("storage_prices", Billing, Storage),
    command("storage_undelete", Billing, Storage),
    command("provision_account", Provisioner, Internal),
    command("purge_account", Provisioner, Internal),
    command("release_account", Provisioner, Internal),
    command("set_account_access", Provisioner, Internal),
    command("set_account_quota", Provisioner, Internal),
];

/// The row of an action.
pub fn find_action(name: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().find(|spec| spec.name == name)
}

/// The typed parameters of an action.
pub trait Action: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The action's name (its first one, where it answers to two).
    const NAME: &'static str;
}

macro_rules! action {
    ($($type:ty => $name:literal),+ $(,)?) => {
        $(impl Action for $type { const NAME: &'static str = $name; })+
    };
}

action!(
    AddPayment => "add_payment",
    CancelPaymentAccountDeletion => "cancel_payment_account_deletion",
    ChangePlan => "change_plan",
    CreateAccount => "create_account",
    CreateBucket => "create_bucket",
    CreateOrder => "create_order",
    DeleteAccount => "delete_account",
    DeleteBucket => "delete_bucket",
    DeleteFile => "delete_file",
    DeletePaymentAccount => "delete_payment_account",
    GetAvailableLocations => "get_available_locations",
    GetBuckets => "get_buckets",
    GetBucketsRmq => "get_buckets_rmq",
    GetFiles => "get_files",
    GetInvoice => "get_invoice",
    GetUsers => "get_users",
    History => "history",
    HoldService => "hold_service",
    InvoicePreview => "invoice_preview",
    ListInvoices => "list_invoices",
    ListPlans => "list_plans",
    PlanChangePreview => "plan_change_preview",
    ProvisionAccount => "provision_account",
    PurgeAccount => "purge_account",
    ReleaseAccount => "release_account",
    SetAccountAccess => "set_account_access",
    SetAccountQuota => "set_account_quota",
    ShowKey => "show_key",
    StorageCreate => "storage_create",
    StorageDelete => "storage_delete",
    StorageInfo => "storage_info",
    StorageNewPassword => "storage_newpassword",
    StoragePrices => "storage_prices",
    StorageUndelete => "storage_undelete",
    UpdateTrafficInfo => "update_traffic_info",
    UsageReport => "usage_report",
);
