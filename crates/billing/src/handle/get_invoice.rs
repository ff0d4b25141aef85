//! `get_invoice`: one invoice or credit note.

use async_trait::async_trait;
use history::Failure;
use messages::{GetInvoice, InvoiceReply, Refusal, Request, Scope};
use runtime::Query;

use crate::{Billing, invoices};

#[async_trait]
impl Query<GetInvoice> for Billing {
    type Reply = InvoiceReply;

    async fn answer(&self, request: &Request, parameters: GetInvoice) -> Result<InvoiceReply, Failure> {
        let scope = Scope::of(request.principal, parameters.id)?;
        let invoice = invoices::find(&self.pool, &parameters.number, scope.customer_id()).await?;
        invoice.ok_or_else(|| Refusal::not_found("invoice not found").into())
    }
}
