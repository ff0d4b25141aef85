//! THE table: which message goes to which handler. Read it first.

use messages::{
    AccountDeleted, AccountProvisionFailed, AccountProvisioned, AccountReleased, CancelPaymentAccountDeletion,
    CreateAccount, CreateOrder, DeleteAccount, DeletePaymentAccount, GetAvailableLocations, History, ListPlans,
    StorageCreate, StorageDelete, StorageInfo, StoragePrices, StorageUndelete,
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
        .query::<GetAvailableLocations>()
        .query::<History>()
        .query::<ListPlans>()
        .query::<StorageInfo>()
        .query::<StoragePrices>()
        .event::<AccountDeleted>()
        .event::<AccountProvisioned>()
        .event::<AccountProvisionFailed>()
        .event::<AccountReleased>()
}
