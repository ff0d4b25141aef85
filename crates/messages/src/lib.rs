//! What travels over RabbitMQ: actions and their replies, events, the envelope, and the two encodings.
//!
//! This crate knows no broker: the `bus` turns AMQP deliveries into [`Delivery`] and carries out an [`Outcome`].

mod action;
mod catalog;
mod codec;
mod delivery;
mod direct_reply_to;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod lenient;
mod outgoing;
mod reply;
mod request;
mod trace_context;

pub use action::{
    ACTIONS, AccountAccess, Action, ActionKind, ActionSpec, AddPayment, AddPaymentReply, AmountReply, Api,
    AvailableLocationsReply, BucketSizeReply, BucketStatus, BucketStatusReply, BucketUsageReply,
    CancelPaymentAccountDeletion, CancelPaymentAccountDeletionReply, ChangePlan, ChangePlanReply, CreateAccount,
    CreateBucket, CreateOrder, CreateOrderReply, DeleteAccount, DeleteAccountReply, DeleteBucket, DeleteFile,
    DeleteFileReply, DeletePaymentAccount, DeletePaymentAccountReply, FileReply, FilesReply, FolderReply,
    GetAvailableLocations, GetBuckets, GetBucketsReply, GetBucketsRmq, GetBucketsRmqReply, GetFiles, GetFilesReply,
    GetInvoice, GetUsers, GetUsersReply, History, HistoryEntryReply, HistoryReply, HoldService, HoldServiceReply,
    InvoiceAmounts, InvoiceCustomerReply, InvoiceKind, InvoiceLineKind, InvoiceLineReply, InvoicePreview,
    InvoicePreviewReply, InvoiceReply, InvoiceSummaryReply, KeyKind, ListInvoices, ListInvoicesReply, ListPlans,
    ListPlansReply, MeteringReply, NextInvoiceReply, PlanChangePreview, PlanChangePreviewReply, PlanPriceReply,
    PlanReply, ProvisionAccount, PurgeAccount, ReleaseAccount, RoleName, ServiceHold, SetAccountAccess,
    SetAccountQuota, SettledReply, ShowKey, ShowKeyReply, SortDirection, StorageCreate, StorageCreated, StorageDelete,
    StorageDeleted, StorageInfo, StorageNewPassword, StoragePackage, StoragePassword, StoragePlan, StoragePrice,
    StoragePrices, StoragePricing, StorageUndelete, UpdateTrafficInfo, UpdateTrafficInfoReply, UsageCategoryReply,
    UsageGapReply, UsageReport, UsageReportReply, UsageRowReply, UsageSection, UsageSnapshotReply, UsageTotalsReply,
    UserOrder, UserPriceReply, UserReply, UserServiceReply, find_action,
};
pub use catalog::{AccountReply, ActionVisitor, EmptyReply, EventVisitor, visit_actions, visit_events};
pub use codec::{DecodeError, Encoding};
pub use delivery::{Delivery, Outcome, ParkReason, RetryKind};
pub use direct_reply_to::is_direct;
pub use event::{
    AccountAccessChanged, AccountDeleted, AccountProvisionFailed, AccountProvisioned, AccountQuotaChanged,
    AccountReleased, BucketCreated, BucketDeleted, BucketDiscovered, BucketVanished, BucketWatched, CustomerChanged,
    DriftDetected, DriftKind, EVENTS, Event, EventData, FileDeleted, GapKind, InvoiceIssued, InvoicingTaskParked,
    KeyRotated, KeyShown, MessageDropped, MessageRedriven, OrderFailed, OrderPlaced, PaymentReceived, PlanChanged,
    QuotaThresholdCrossed, ServiceCancellationWithdrawn, ServiceCancelled, ServiceDunned, ServiceEnded, ServiceHeld,
    ServicePlanChanged, ServiceRenewed, ServiceStarted, ServiceTerminated, StorageInHour, Subject, TrafficInHour,
    UsageGapDetected, UsageRecorded,
};
pub use outgoing::Envelope;
pub use reply::{Refusal, RefusalKind, Reply};
pub use request::{CallerAddress, CommandKey, NOBODY, Request, RequestError, Scope, is_answerable, parameter_with_nul};
pub use trace_context::{continue_or_start_trace, trace_id};
