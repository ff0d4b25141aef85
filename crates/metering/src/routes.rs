//! THE table: which message goes to which handler. Read it first.

use messages::{
    AccountDeleted, AccountProvisioned, AccountReleased, BucketCreated, BucketDeleted, GetBuckets, GetUsers,
    UpdateTrafficInfo,
};
use runtime::Routes;

use crate::Metering;

pub(crate) fn routes() -> Routes<Metering> {
    Routes::default()
        .database_command::<UpdateTrafficInfo>()
        .query::<GetBuckets>()
        .query::<GetUsers>()
        .event::<AccountDeleted>()
        .event::<AccountProvisioned>()
        .event::<AccountReleased>()
        .event::<BucketCreated>()
        .event::<BucketDeleted>()
}
