//! THE table: which message goes to which handler. Read it first.

use messages::{CreateBucket, GetBucketsRmq, ProvisionAccount, ReleaseAccount};
use runtime::Routes;

use crate::Provisioner;

pub(crate) fn routes() -> Routes<Provisioner> {
    Routes::default()
        .outside_command::<CreateBucket>()
        .outside_command::<ProvisionAccount>()
        .outside_command::<ReleaseAccount>()
        .query::<GetBucketsRmq>()
        .query_as::<GetBucketsRmq>("get_user_info")
}
