//! WHMCS as the system that issues invoices.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{CustomerId, PlanId, S3Uid};
use rust_decimal::Decimal;
use whmcs::{
    AcceptOrder, AddOrder, BillableItem, CancelType, Client, ClientId, DateChange, Error, InvoiceAction, OrderId,
    ProductId, ServiceChanges, ServiceFilter, ServiceId, ServiceStatus, Unit,
};

use super::{Acceptance, ExternalInvoicing, ExternalOrder, Placed, ServiceUpdate, WhmcsSettings};
use crate::domain::handover::ExternalStatus;

/// WHMCS, reached by its API. Customers have the same numbers there.
#[derive(Debug)]
pub struct WhmcsInvoicing {
    client: Client,
    settings: WhmcsSettings,
}

impl WhmcsInvoicing {
    /// With the client that reaches it.
    pub fn new(client: Client, settings: WhmcsSettings) -> Self {
        Self { client, settings }
    }

    fn product(&self, plan_id: PlanId) -> Result<ProductId, Error> {
        let product = self.settings.products.get(&plan_id).copied().map(ProductId);
        product.ok_or_else(|| Error::Refused { message: format!("whmcs.products has no product for plan {plan_id}") })
    }
}

#[async_trait]
impl ExternalInvoicing for WhmcsInvoicing {
    async fn knows_customer(&self, id: CustomerId) -> Result<bool, Error> {
        Ok(self.client.get_client_details(ClientId(id.0)).await?.is_some())
    }

    async fn find_order(&self, order: &ExternalOrder) -> Result<Option<Placed>, Error> {
        let filter = ServiceFilter { client: Some(ClientId(order.customer_id.0)), ..ServiceFilter::default() };
        let services = self.client.get_client_products(&filter).await?;
        let id = order.id.to_string();
        let found = services.into_iter().find(|service| service.custom_field(self.settings.order_field) == Some(&id));
        Ok(found.map(|service| Placed {
            order_id: service.order.map(|id| id.0),
            service_id: service.id.0,
            acceptance: match service.status {
                ServiceStatus::Pending => Acceptance::Pending,
                ServiceStatus::Cancelled | ServiceStatus::Fraud | ServiceStatus::Terminated => Acceptance::Rejected,
                _ => Acceptance::Accepted,
            },
        }))
    }

    async fn place_order(&self, order: &ExternalOrder) -> Result<(), Error> {
        let (client, product) = (ClientId(order.customer_id.0), self.product(order.plan_id)?);
        let placed = AddOrder {
            billing_cycle: Some(order.billing_cycle.to_owned()),
            price_override: Some(order.price),
            custom_fields: BTreeMap::from([(self.settings.order_field, order.id.to_string())]),
            domain: Some(order.name.clone()),
            no_email: true,
            ..AddOrder::new(client, product, &self.settings.payment_method)
        };
        self.client.add_order(&placed).await.map(|_| ())
    }

    async fn accept_order(&self, order_id: i64, s3uid: &S3Uid) -> Result<(), Error> {
        let how = AcceptOrder { service_username: Some(s3uid.to_string()), ..AcceptOrder::default() };
        self.client.accept_order(OrderId(order_id), &how).await
    }

    async fn cancel(&self, service_id: i64, reason: &str) -> Result<(), Error> {
        let when = CancelType::EndOfBillingPeriod;
        self.client.add_cancel_request(ServiceId(service_id), when, reason).await.map(|_| ())
    }

    async fn update(&self, service_id: i64, update: &ServiceUpdate) -> Result<(), Error> {
        let mut changes = ServiceChanges {
            disk_usage_mb: Some(update.disk_usage_mb),
            disk_limit_mb: Some(update.disk_limit_mb),
            bandwidth_usage_mb: Some(update.bandwidth_usage_mb),
            bandwidth_limit_mb: Some(update.bandwidth_limit_mb),
            ..ServiceChanges::default()
        };
        if let Some((status, on, reason)) = &update.status {
            changes.status = Some(match status {
                ExternalStatus::Active => ServiceStatus::Active,
                ExternalStatus::Suspended => ServiceStatus::Suspended,
                ExternalStatus::Terminated => ServiceStatus::Terminated,
                ExternalStatus::Cancelled => ServiceStatus::Cancelled,
            });
            let is_over = matches!(status, ExternalStatus::Terminated | ExternalStatus::Cancelled);
            changes.termination_date = is_over.then_some(DateChange::Set(*on));
            changes.suspend_reason = (!is_over).then(|| reason.clone().unwrap_or_default());
        }
        self.client.update_client_product(ServiceId(service_id), &changes).await
    }

    async fn add_item(&self, id: CustomerId, description: &str, net: Decimal) -> Result<i64, Error> {
        let item = BillableItem {
            client: ClientId(id.0),
            description: description.to_owned(),
            amount: net,
            unit: Unit::Quantity(Decimal::ONE),
            invoice_action: InvoiceAction::NextInvoice,
        };
        Ok(self.client.add_billable_item(&item).await?.0)
    }
}
