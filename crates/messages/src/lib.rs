//! What travels over RabbitMQ: actions and their replies, events, the envelope, and the two encodings.
//!
//! This crate knows no broker: the `bus` turns AMQP deliveries into [`Delivery`] and carries out an [`Outcome`].

mod action;
mod catalog;
mod codec;
mod delivery;
mod event;
mod lenient;
mod outgoing;
mod reply;
mod request;

pub use action::{
    ACTIONS, Action, ActionKind, ActionSpec, Api, AvailableLocationsReply, BucketSizeReply, BucketStatus,
    BucketStatusReply, BucketUsageReply, CancelPaymentAccountDeletion, CancelPaymentAccountDeletionReply,
    CreateAccount, CreateBucket, CreateOrder, CreateOrderReply, DeleteAccount, DeleteAccountReply, DeleteBucket,
    DeleteFile, DeleteFileReply, DeletePaymentAccount, DeletePaymentAccountReply, FileReply, FilesReply, FolderReply,
    GetAvailableLocations, GetBuckets, GetBucketsReply, GetBucketsRmq, GetBucketsRmqReply, GetFiles, GetFilesReply,
    GetUsers, GetUsersReply, History, HistoryEntryReply, HistoryReply, KeyKind, ListPlans, ListPlansReply,
    MeteringReply, PlanPriceReply, PlanReply, ProvisionAccount, PurgeAccount, ReleaseAccount, RoleName,
    SetAccountQuota, ShowKey, ShowKeyReply, SortDirection, StorageCreate, StorageCreated, StorageDelete,
    StorageDeleted, StorageInfo, StorageNewPassword, StoragePackage, StoragePassword, StoragePlan, StoragePrice,
    StoragePrices, StoragePricing, StorageUndelete, UpdateTrafficInfo, UpdateTrafficInfoReply, UsageCategoryReply,
    UsageGapReply, UsageReport, UsageReportReply, UsageRowReply, UsageSection, UsageSnapshotReply, UsageTotalsReply,
    UserOrder, UserPriceReply, UserReply, UserServiceReply, find_action,
};
pub use catalog::{AccountReply, ActionVisitor, EmptyReply, EventVisitor, visit_actions, visit_events};
pub use codec::{DecodeError, Encoding};
pub use delivery::{Delivery, Outcome, ParkReason, RetryKind};
pub use event::{
    AccountDeleted, AccountProvisionFailed, AccountProvisioned, AccountQuotaChanged, AccountReleased, BucketCreated,
    BucketDeleted, BucketDiscovered, BucketVanished, BucketWatched, CustomerChanged, DriftDetected, DriftKind, EVENTS,
    Event, EventData, FileDeleted, GapKind, KeyRotated, KeyShown, OrderFailed, OrderPlaced, PlanChanged,
    QuotaThresholdCrossed, ServiceCancellationWithdrawn, ServiceCancelled, ServiceEnded, ServiceRenewed,
    ServiceStarted, ServiceTerminated, StorageInHour, Subject, TrafficInHour, UsageGapDetected, UsageRecorded,
};
pub use outgoing::Envelope;
pub use reply::{Refusal, RefusalKind, Reply};
pub use request::{CallerAddress, CommandKey, Request, RequestError, Scope, is_answerable, parameter_with_nul};
