//! `add_payment`: a customer has paid.

use async_trait::async_trait;
use history::{DatabaseCommand, Decision, Failure, Keep, Step};
use messages::{AddPayment, Refusal, RefusalKind, Reply, Request};

use crate::{Billing, payments};

#[async_trait]
impl DatabaseCommand<AddPayment> for Billing {
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &AddPayment) -> Result<Decision, Failure> {
        if !request.principal.is_admin() {
            let refusal = Refusal::new("payments are noted by administrators and internal services only");
            return Err(refusal.of_kind(RefusalKind::Forbidden).into());
        }
        if !self.settings.invoicing.is_native() {
            return Err(Refusal::conflict("payments are noted in WHMCS, which issues the invoices").into());
        }
        let (actor, traceparent) = (request.principal.actor(), request.traceparent.as_deref());
        let reply = payments::receive(step, &self.settings, &actor, traceparent, parameters).await?;
        Ok(Decision::Answer(Reply::success(&request.action, &reply), Keep::ForEver))
    }
}
