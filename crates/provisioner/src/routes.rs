//! THE table: which message goes to which handler. Read it first.

use messages::{
    BucketDiscovered, BucketVanished, CreateBucket, DeleteBucket, DeleteFile, GetBucketsRmq, GetFiles,
    ProvisionAccount, PurgeAccount, ReleaseAccount, SetAccountAccess, SetAccountQuota, ShowKey, StorageNewPassword,
};
use runtime::Routes;

use crate::Provisioner;

pub(crate) fn routes() -> Routes<Provisioner> {
    Routes::default()
        .outside_command::<CreateBucket>()
        .outside_command::<DeleteBucket>()
        .outside_command::<DeleteFile>()
        .outside_command::<StorageNewPassword>()
        .outside_command::<ProvisionAccount>()
        .outside_command::<ReleaseAccount>()
        .outside_command::<SetAccountAccess>()
        .outside_command::<SetAccountQuota>()
        .database_command::<PurgeAccount>()
        .query::<GetBucketsRmq>()
        .query::<GetFiles>()
        .query::<ShowKey>()
        .query_as::<GetBucketsRmq>("get_user_info")
        .event::<BucketDiscovered>()
        .event::<BucketVanished>()
}
