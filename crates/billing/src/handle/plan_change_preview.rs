//! `plan_change_preview`: what moving an account to another plan would cost.

use async_trait::async_trait;
use history::Failure;
use messages::{PlanChangePreview, PlanChangePreviewReply, Request};
use runtime::Query;

use crate::{Billing, plan_changes};

#[async_trait]
impl Query<PlanChangePreview> for Billing {
    type Reply = PlanChangePreviewReply;

    async fn answer(&self, request: &Request, parameters: PlanChangePreview) -> Result<Self::Reply, Failure> {
        // Never committed: it only looks.
        let mut step = self.journal.step().await?;
        plan_changes::preview(&mut step, &self.settings, request, &parameters.0).await
    }
}
