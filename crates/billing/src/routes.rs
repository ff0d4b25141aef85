//! THE table: which message goes to which handler. Read it first.

use messages::{
    AccountProvisionFailed, AccountProvisioned, AccountReleased, CreateAccount, CreateOrder, History, ListPlans,
};
use runtime::Routes;

use crate::Billing;

pub(crate) fn routes() -> Routes<Billing> {
    Routes::default()
        .database_command::<CreateOrder>()
        .database_command::<CreateAccount>()
        .query::<History>()
        .query::<ListPlans>()
        .event::<AccountProvisioned>()
        .event::<AccountProvisionFailed>()
        .event::<AccountReleased>()
}
