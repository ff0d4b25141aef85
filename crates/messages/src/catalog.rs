//! Which types belong to which name: every action with its reply, every event with its data.

use std::collections::BTreeMap;

use model::S3Uid;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::action::{
    AddPayment, AddPaymentReply, AvailableLocationsReply, BucketStatusReply, CancelPaymentAccountDeletion,
    CancelPaymentAccountDeletionReply, ChangePlan, ChangePlanReply, CreateAccount, CreateBucket, CreateOrder,
    CreateOrderReply, DeleteAccount, DeleteAccountReply, DeleteBucket, DeleteFile, DeleteFileReply,
    DeletePaymentAccount, DeletePaymentAccountReply, GetAvailableLocations, GetBuckets, GetBucketsReply, GetBucketsRmq,
    GetBucketsRmqReply, GetFiles, GetFilesReply, GetInvoice, GetUsers, GetUsersReply, History, HistoryReply,
    HoldService, HoldServiceReply, InvoicePreview, InvoicePreviewReply, InvoiceReply, ListInvoices, ListInvoicesReply,
    ListPlans, ListPlansReply, PlanChangePreview, PlanChangePreviewReply, ProvisionAccount, PurgeAccount,
    ReleaseAccount, SetAccountAccess, SetAccountQuota, ShowKey, ShowKeyReply, StorageCreate, StorageCreated,
    StorageDelete, StorageDeleted, StorageInfo, StorageNewPassword, StoragePackage, StoragePassword, StoragePlan,
    StoragePrices, StorageUndelete, UpdateTrafficInfo, UpdateTrafficInfoReply, UsageReport, UsageReportReply,
};
use crate::event::{
    AccountAccessChanged, AccountDeleted, AccountProvisionFailed, AccountProvisioned, AccountQuotaChanged,
    AccountReleased, BucketCreated, BucketDeleted, BucketDiscovered, BucketVanished, BucketWatched, CustomerChanged,
    DriftDetected, FileDeleted, InvoiceIssued, InvoicingTaskParked, KeyRotated, KeyShown, MessageDropped,
    MessageRedriven, OrderFailed, OrderPlaced, PaymentReceived, PlanChanged, QuotaThresholdCrossed,
    ServiceCancellationWithdrawn, ServiceCancelled, ServiceDunned, ServiceEnded, ServiceHeld, ServicePlanChanged,
    ServiceRenewed, ServiceStarted, ServiceTerminated, UsageGapDetected, UsageRecorded,
};
use crate::{Action, EventData};

/// The reply to a command between roles: which account it was about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountReply {
    /// The account.
    pub s3uid: S3Uid,
}

/// A reply without fields of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmptyReply {}

/// Sees the types of every action.
pub trait ActionVisitor {
    /// Called once per row of [`ACTIONS`](crate::ACTIONS), in no particular order.
    fn visit<A, R>(&mut self, name: &'static str)
    where
        A: Action + JsonSchema,
        R: Serialize + DeserializeOwned + JsonSchema;
}

/// Sees the types of every event.
pub trait EventVisitor {
    /// Called once per row of [`EVENTS`](crate::EVENTS), in no particular order.
    fn visit<D: EventData + JsonSchema>(&mut self, name: &'static str);
}

/// Shows a visitor all actions.
pub fn visit_actions<V: ActionVisitor>(visitor: &mut V) {
    visitor
        .visit::<CancelPaymentAccountDeletion, CancelPaymentAccountDeletionReply>(CancelPaymentAccountDeletion::NAME);
    visitor.visit::<AddPayment, AddPaymentReply>(AddPayment::NAME);
    visitor.visit::<ChangePlan, ChangePlanReply>(ChangePlan::NAME);
    visitor.visit::<GetInvoice, InvoiceReply>(GetInvoice::NAME);
    visitor.visit::<HoldService, HoldServiceReply>(HoldService::NAME);
    visitor.visit::<InvoicePreview, InvoicePreviewReply>(InvoicePreview::NAME);
    visitor.visit::<ListInvoices, ListInvoicesReply>(ListInvoices::NAME);
    visitor.visit::<PlanChangePreview, PlanChangePreviewReply>(PlanChangePreview::NAME);
    visitor.visit::<CreateAccount, CreateOrderReply>(CreateAccount::NAME);
    visitor.visit::<CreateBucket, BucketStatusReply>(CreateBucket::NAME);
    visitor.visit::<CreateOrder, CreateOrderReply>(CreateOrder::NAME);
    visitor.visit::<DeleteAccount, DeleteAccountReply>(DeleteAccount::NAME);
    visitor.visit::<DeleteBucket, BucketStatusReply>(DeleteBucket::NAME);
    visitor.visit::<DeleteFile, DeleteFileReply>(DeleteFile::NAME);
    visitor.visit::<DeletePaymentAccount, DeletePaymentAccountReply>(DeletePaymentAccount::NAME);
    visitor.visit::<GetAvailableLocations, AvailableLocationsReply>(GetAvailableLocations::NAME);
    visitor.visit::<GetBuckets, GetBucketsReply>(GetBuckets::NAME);
    visitor.visit::<GetBucketsRmq, GetBucketsRmqReply>(GetBucketsRmq::NAME);
    visitor.visit::<GetBucketsRmq, GetBucketsRmqReply>("get_user_info");
    visitor.visit::<GetFiles, GetFilesReply>(GetFiles::NAME);
    visitor.visit::<GetUsers, GetUsersReply>(GetUsers::NAME);
    visitor.visit::<History, HistoryReply>(History::NAME);
    visitor.visit::<ListPlans, ListPlansReply>(ListPlans::NAME);
    visitor.visit::<ProvisionAccount, AccountReply>(ProvisionAccount::NAME);
    visitor.visit::<PurgeAccount, AccountReply>(PurgeAccount::NAME);
    visitor.visit::<ReleaseAccount, AccountReply>(ReleaseAccount::NAME);
    visitor.visit::<SetAccountAccess, AccountReply>(SetAccountAccess::NAME);
    visitor.visit::<SetAccountQuota, AccountReply>(SetAccountQuota::NAME);
    visitor.visit::<ShowKey, ShowKeyReply>(ShowKey::NAME);
    visitor.visit::<StorageCreate, StorageCreated>(StorageCreate::NAME);
    visitor.visit::<StorageDelete, StorageDeleted>(StorageDelete::NAME);
    visitor.visit::<StorageInfo, BTreeMap<String, StoragePackage>>(StorageInfo::NAME);
    visitor.visit::<StorageNewPassword, StoragePassword>(StorageNewPassword::NAME);
    visitor.visit::<StoragePrices, Vec<StoragePlan>>(StoragePrices::NAME);
    visitor.visit::<StorageUndelete, EmptyReply>(StorageUndelete::NAME);
    visitor.visit::<UpdateTrafficInfo, UpdateTrafficInfoReply>(UpdateTrafficInfo::NAME);
    visitor.visit::<UsageReport, UsageReportReply>(UsageReport::NAME);
}

/// Shows a visitor all events.
pub fn visit_events<V: EventVisitor>(visitor: &mut V) {
    visitor.visit::<AccountAccessChanged>(AccountAccessChanged::EVENT);
    visitor.visit::<AccountDeleted>(AccountDeleted::EVENT);
    visitor.visit::<AccountProvisionFailed>(AccountProvisionFailed::EVENT);
    visitor.visit::<AccountProvisioned>(AccountProvisioned::EVENT);
    visitor.visit::<AccountQuotaChanged>(AccountQuotaChanged::EVENT);
    visitor.visit::<AccountReleased>(AccountReleased::EVENT);
    visitor.visit::<BucketCreated>(BucketCreated::EVENT);
    visitor.visit::<BucketDeleted>(BucketDeleted::EVENT);
    visitor.visit::<BucketDiscovered>(BucketDiscovered::EVENT);
    visitor.visit::<BucketVanished>(BucketVanished::EVENT);
    visitor.visit::<BucketWatched>(BucketWatched::EVENT);
    visitor.visit::<InvoiceIssued>("credit_note.issued");
    visitor.visit::<InvoiceIssued>(InvoiceIssued::EVENT);
    visitor.visit::<InvoicingTaskParked>(InvoicingTaskParked::EVENT);
    visitor.visit::<PaymentReceived>(PaymentReceived::EVENT);
    visitor.visit::<ServiceDunned>("service.locked");
    visitor.visit::<ServiceDunned>(ServiceDunned::EVENT);
    visitor.visit::<ServiceDunned>("service.restored");
    visitor.visit::<ServiceDunned>("service.suspended");
    visitor.visit::<ServiceHeld>(ServiceHeld::EVENT);
    visitor.visit::<ServicePlanChanged>(ServicePlanChanged::EVENT);
    visitor.visit::<CustomerChanged>("customer.added");
    visitor.visit::<CustomerChanged>(CustomerChanged::EVENT);
    visitor.visit::<DriftDetected>(DriftDetected::EVENT);
    visitor.visit::<DriftDetected>("drift.resolved");
    visitor.visit::<FileDeleted>(FileDeleted::EVENT);
    visitor.visit::<KeyRotated>(KeyRotated::EVENT);
    visitor.visit::<KeyShown>(KeyShown::EVENT);
    visitor.visit::<MessageDropped>(MessageDropped::EVENT);
    visitor.visit::<MessageRedriven>(MessageRedriven::EVENT);
    visitor.visit::<OrderFailed>(OrderFailed::EVENT);
    visitor.visit::<OrderPlaced>(OrderPlaced::EVENT);
    visitor.visit::<PlanChanged>("plan.added");
    visitor.visit::<PlanChanged>(PlanChanged::EVENT);
    visitor.visit::<QuotaThresholdCrossed>(QuotaThresholdCrossed::EVENT);
    visitor.visit::<QuotaThresholdCrossed>("quota.threshold_left");
    visitor.visit::<ServiceCancellationWithdrawn>(ServiceCancellationWithdrawn::EVENT);
    visitor.visit::<ServiceCancelled>(ServiceCancelled::EVENT);
    visitor.visit::<ServiceEnded>(ServiceEnded::EVENT);
    visitor.visit::<ServiceRenewed>(ServiceRenewed::EVENT);
    visitor.visit::<ServiceStarted>(ServiceStarted::EVENT);
    visitor.visit::<ServiceTerminated>(ServiceTerminated::EVENT);
    visitor.visit::<UsageGapDetected>(UsageGapDetected::EVENT);
    visitor.visit::<UsageRecorded>(UsageRecorded::EVENT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ACTIONS, EVENTS};

    #[derive(Default)]
    struct Names(Vec<&'static str>);

    impl ActionVisitor for Names {
        fn visit<A: Action, R>(&mut self, name: &'static str) {
            self.0.push(name);
        }
    }

    impl EventVisitor for Names {
        fn visit<D: EventData>(&mut self, name: &'static str) {
            self.0.push(name);
        }
    }

    fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_row_of_the_tables_has_its_types() {
        let (mut actions, mut events) = (Names::default(), Names::default());
        visit_actions(&mut actions);
        visit_events(&mut events);
        assert_eq!(sorted(actions.0), sorted(ACTIONS.iter().map(|spec| spec.name)));
        assert_eq!(sorted(events.0), sorted(EVENTS.iter().map(|(name, _)| *name)));
    }
}
