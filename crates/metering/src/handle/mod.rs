//! One file per message.

mod account_provisioned;
mod account_released;
mod bucket_created;
