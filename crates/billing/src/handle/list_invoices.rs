//! `list_invoices`: a customer's invoices and credit notes.

use async_trait::async_trait;
use history::Failure;
use messages::{ListInvoices, ListInvoicesReply, Refusal, Request, Scope};
use runtime::Query;

use crate::{Billing, invoices};

#[async_trait]
impl Query<ListInvoices> for Billing {
    type Reply = ListInvoicesReply;

    async fn answer(&self, request: &Request, parameters: ListInvoices) -> Result<ListInvoicesReply, Failure> {
        let scope = Scope::of(request.principal, parameters.id)?;
        let open_only = match parameters.open {
            None | Some(0) => false,
            Some(1) => true,
            Some(_) => return Err(Refusal::new("open must be 1 (not paid yet) or 0 (all)").into()),
        };
        let mut connection = self.pool.acquire().await?;
        invoices::listed(&mut connection, scope, parameters.s3uid.as_deref(), open_only).await
    }
}
