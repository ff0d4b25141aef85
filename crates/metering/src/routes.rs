//! THE table: which message goes to which handler. Read it first.

use messages::{
    AccountDeleted, AccountProvisioned, AccountQuotaChanged, AccountReleased, BucketCreated, BucketDeleted,
    BucketWatched, GetBuckets, GetUsers, UpdateTrafficInfo, UsageReport,
};
use runtime::Routes;

use crate::Metering;

pub(crate) fn routes() -> Routes<Metering> {
    Routes::default()
        .database_command::<UpdateTrafficInfo>()
        .query::<GetBuckets>()
        .query::<GetUsers>()
        .query::<UsageReport>()
        .event::<AccountDeleted>()
        .event::<AccountProvisioned>()
        .event::<AccountQuotaChanged>()
        .event::<AccountReleased>()
        .event::<BucketCreated>()
        .event::<BucketDeleted>()
        .event::<BucketWatched>()
}
