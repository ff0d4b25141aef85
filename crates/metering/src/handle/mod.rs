//! One file per message.

mod account_deleted;
mod account_provisioned;
mod account_quota_changed;
mod account_released;
mod bucket_created;
mod bucket_deleted;
mod bucket_watched;
mod get_buckets;
mod get_users;
mod update_traffic_info;
mod usage_report;
