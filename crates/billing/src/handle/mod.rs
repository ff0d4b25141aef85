//! One file per message: load, decide, write.

mod account_deleted;
mod account_provision_failed;
mod account_provisioned;
mod account_released;
mod add_payment;
mod cancel_payment_account_deletion;
mod change_plan;
mod create_account;
mod create_order;
mod delete_account;
mod delete_payment_account;
mod get_available_locations;
mod get_invoice;
mod history;
mod hold_service;
mod invoice_preview;
mod list_invoices;
mod list_plans;
mod plan_change_preview;
mod storage_create;
mod storage_delete;
mod storage_info;
mod storage_prices;
mod storage_undelete;

use ::history::Failure;
use messages::{Refusal, RefusalKind};

/// What `/storage` says of a package that doesn't exist, is over, or is somebody else's.
const PACKAGE_NOT_FOUND: &str = "package not found";

/// The same in the words of `/storage`.
fn as_package(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(refusal) if refusal.kind == RefusalKind::NotFound => {
            Refusal::not_found(PACKAGE_NOT_FOUND).into()
        }
        other => other,
    }
}
