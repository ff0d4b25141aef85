//! Accounts, keys, quotas and buckets on Ceph RGW
