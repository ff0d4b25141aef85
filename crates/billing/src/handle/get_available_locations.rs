//! `get_available_locations`: where S3 can be ordered.

use std::collections::BTreeSet;

use async_trait::async_trait;
use history::Failure;
use messages::{AvailableLocationsReply, GetAvailableLocations, ListPlans, Request};
use runtime::Query;

use crate::Billing;

#[async_trait]
impl Query<GetAvailableLocations> for Billing {
    type Reply = AvailableLocationsReply;

    async fn answer(
        &self,
        request: &Request,
        _parameters: GetAvailableLocations,
    ) -> Result<AvailableLocationsReply, Failure> {
        let plans = self.answer(request, ListPlans { id: None, location: None }).await?.plans;
        let locations = plans.into_iter().filter(|plan| plan.active == 1).flat_map(|plan| plan.locations);
        Ok(AvailableLocationsReply {
            locations: locations.collect::<BTreeSet<_>>().into_iter().collect(),
            default: self.settings.locations.default_location().clone(),
        })
    }
}
