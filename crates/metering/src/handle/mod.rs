//! One file per message.

mod account_deleted;
mod account_provisioned;
mod account_released;
mod bucket_created;
mod bucket_deleted;
mod get_buckets;
mod get_users;
mod update_traffic_info;
