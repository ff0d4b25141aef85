//! THE table: which message goes to which handler. Read it first.

use messages::{AccountProvisioned, AccountReleased, BucketCreated};
use runtime::Routes;

use crate::Metering;

pub(crate) fn routes() -> Routes<Metering> {
    Routes::default().event::<AccountProvisioned>().event::<AccountReleased>().event::<BucketCreated>()
}
