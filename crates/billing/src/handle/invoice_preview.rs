//! `invoice_preview`: what the running period costs, and what the next invoice will say.

use async_trait::async_trait;
use history::Failure;
use messages::{InvoicePreview, InvoicePreviewReply, Request};
use runtime::Query;

use crate::cancellations::viewed_service;
use crate::store::services::Named;
use crate::{Billing, previews};

#[async_trait]
impl Query<InvoicePreview> for Billing {
    type Reply = InvoicePreviewReply;

    async fn answer(&self, request: &Request, parameters: InvoicePreview) -> Result<InvoicePreviewReply, Failure> {
        // Never committed: it only looks.
        let mut step = self.journal.step().await?;
        let named = Named::by_s3uid(parameters.s3uid.as_deref());
        let service = viewed_service(&mut step, request, named, parameters.id).await?;
        previews::preview(&mut step, &self.settings, &service).await
    }
}
