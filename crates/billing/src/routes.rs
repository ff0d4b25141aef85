//! THE table: which message goes to which handler. Read it first.

use messages::{
    AccountDeleted, AccountProvisionFailed, AccountProvisioned, AccountReleased, AddPayment,
    CancelPaymentAccountDeletion, ChangePlan, CreateAccount, CreateOrder, DeleteAccount, DeletePaymentAccount,
    GetAvailableLocations, GetInvoice, History, HoldService, InvoicePreview, ListInvoices, ListPlans,
    PlanChangePreview, StorageCreate, StorageDelete, StorageInfo, StoragePrices, StorageUndelete,
};
use runtime::Routes;

use crate::Billing;

pub(crate) fn routes() -> Routes<Billing> {
    Routes::default()
        .database_command::<CreateOrder>()
        .database_command::<CreateAccount>()
        .database_command::<DeleteAccount>()
        .database_command::<DeletePaymentAccount>()
        .database_command::<CancelPaymentAccountDeletion>()
        .database_command::<StorageCreate>()
        .database_command::<StorageDelete>()
        .database_command::<StorageUndelete>()
        .database_command::<AddPayment>()
        .database_command::<ChangePlan>()
        .database_command::<HoldService>()
        .query::<GetAvailableLocations>()
        .query::<GetInvoice>()
        .query::<InvoicePreview>()
        .query::<ListInvoices>()
        .query::<PlanChangePreview>()
        .query::<History>()
        .query::<ListPlans>()
        .query::<StorageInfo>()
        .query::<StoragePrices>()
        .event::<AccountDeleted>()
        .event::<AccountProvisioned>()
        .event::<AccountProvisionFailed>()
        .event::<AccountReleased>()
}
