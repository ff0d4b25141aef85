//! One file per message: load, decide, write.

mod account_provision_failed;
mod account_provisioned;
mod account_released;
mod create_account;
mod create_order;
mod history;
mod list_plans;
