//! The paths, one file each.

pub(crate) mod s3_php;
