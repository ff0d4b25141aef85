//! `change_plan`: moves an account to another plan from today on.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{ChangePlan, Reply, Request};

use crate::{Billing, plan_changes};

#[async_trait]
impl DatabaseCommand<ChangePlan> for Billing {
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &ChangePlan) -> Result<Decision, Failure> {
        let reply = plan_changes::change(step, &self.settings, request, parameters).await?;
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForDays))
    }
}
