//! What every object store must do: the same cases against the store in memory and a real radosgw.

#![allow(clippy::unwrap_used, reason = "in a test, an error is a failure")]

mod access;
mod accounts;
mod admin;
mod ceph_admin;
mod ceph_buckets;
mod ceph_only;
mod fixture;
mod keys;
mod listings;
mod metering;
mod notifications;
mod objects;
mod raw;
mod removal;

/// Runs each case once for each store.
macro_rules! contract {
    ($($cases:ident :: $case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                crate::$cases::$case(crate::fixture::memory()).await;
            })*
        }
        mod ceph {
            $(#[tokio::test]
            async fn $case() {
                crate::$cases::$case(crate::fixture::ceph()).await;
            })*
        }
    };
}

contract! {
    accounts::creating_a_user_again_needs_the_same_keys,
    accounts::a_user_s_data_is_what_was_set,
    accounts::a_user_without_sense_is_refused,
    accounts::only_users_without_buckets_are_deleted,
    accounts::an_absent_user_is_none_not_an_error,
    accounts::creating_a_bucket_again_is_for_its_owner_only,
    accounts::the_bucket_limit_holds,
    accounts::every_valid_bucket_name_is_taken,
    accounts::only_empty_buckets_are_deleted,
    accounts::wrong_s3_keys_are_refused,
    objects::objects_come_back_byte_for_byte,
    objects::impossible_keys_are_refused,
    objects::an_object_is_described_or_absent,
    objects::what_is_missing_is_not_found,
    objects::the_quota_counts_blocks,
    objects::a_quota_of_nothing_takes_nothing,
    listings::listings_go_page_by_page,
    listings::large_listings_are_whole_and_in_order,
    listings::listings_start_and_fold_as_asked,
    listings::odd_keys_come_back_as_they_were,
    keys::replaced_keys_are_the_only_ones,
    keys::keys_are_replaced_for_known_users_only,
    access::suspended_users_are_refused_until_they_are_resumed,
    access::readers_read_and_write_nothing,
    access::each_access_follows_each_other,
    removal::large_buckets_are_emptied_page_by_page,
    removal::one_call_deletes_more_than_one_request_holds,
    removal::only_the_named_objects_are_deleted,
    removal::without_versioning_the_versions_are_the_objects,
    metering::bucket_usages_are_exact,
    metering::the_usage_log_has_the_exact_bytes,
    metering::the_store_is_healthy,
    metering::one_hour_of_all_users_is_read_at_once,
    metering::the_administrator_s_probe_is_in_the_log,
    metering::only_the_named_hours_are_trimmed,
    admin::every_user_is_on_one_page,
    admin::every_bucket_is_on_one_page,
    admin::a_bucket_is_known_whoever_owns_it,
    admin::several_key_pairs_work_and_go_one_by_one,
    admin::key_pairs_are_their_users_own,
    admin::the_bucket_limit_can_be_changed,
    admin::user_and_bucket_quota_both_hold,
    admin::the_administrator_is_known,
    notifications::a_bucket_notifies_one_topic,
    notifications::only_what_exists_is_notified_and_notifies,
    notifications::buckets_are_set_up_at_once,
}
