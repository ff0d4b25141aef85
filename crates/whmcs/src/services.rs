//! Services: the products that clients have.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::call::Call;
use crate::pages::page;
use crate::{
    Client, ClientId, CustomField, Error, OrderId, ProductId, ServiceId, ServiceStatus, custom_fields, lenient,
};

/// Which services to list; all of them where nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceFilter {
    /// Of this client.
    pub client: Option<ClientId>,
    /// This one.
    pub service: Option<ServiceId>,
    /// Of this product.
    pub product: Option<ProductId>,
    /// With this user name.
    pub username: Option<String>,
}

/// A product that a client has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// Its number.
    pub id: ServiceId,
    /// Whose it is.
    #[serde(rename = "clientid")]
    pub client: ClientId,
    /// How it came about, if by an order.
    #[serde(default, rename = "orderid", deserialize_with = "lenient::optional_id")]
    pub order: Option<OrderId>,
    /// What it is one of.
    #[serde(rename = "pid")]
    pub product: ProductId,
    /// Its state.
    pub status: ServiceStatus,
    /// The day of its order.
    #[serde(default, rename = "regdate", deserialize_with = "lenient::date")]
    pub registered: Option<NaiveDate>,
    /// The product's name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: String,
    /// Its domain or host name, empty where it has none.
    #[serde(default, deserialize_with = "lenient::text")]
    pub domain: String,
    /// Its user name, empty where it has none.
    #[serde(default, deserialize_with = "lenient::text")]
    pub username: String,
    /// The amount of its first invoice.
    #[serde(default, rename = "firstpaymentamount", deserialize_with = "lenient::money")]
    pub first_payment_amount: Decimal,
    /// The amount of each later one.
    #[serde(default, rename = "recurringamount", deserialize_with = "lenient::money")]
    pub recurring_amount: Decimal,
    /// How it is paid, in WHMCS's system name.
    #[serde(default, rename = "paymentmethod", deserialize_with = "lenient::text")]
    pub payment_method: String,
    /// `Monthly`, `Annually`, ….
    #[serde(default, rename = "billingcycle", deserialize_with = "lenient::text")]
    pub billing_cycle: String,
    /// Until when it is paid.
    #[serde(default, rename = "nextduedate", deserialize_with = "lenient::date")]
    pub next_due_date: Option<NaiveDate>,
    /// Why it is suspended, if it is.
    #[serde(default, rename = "suspensionreason", deserialize_with = "lenient::optional_text")]
    pub suspend_reason: Option<String>,
    /// Whether WHMCS must not suspend it for an unpaid invoice.
    #[serde(default, rename = "overideautosuspend", deserialize_with = "lenient::flag")]
    pub override_auto_suspend: bool,
    /// Stored, in MB.
    #[serde(default, rename = "diskusage", deserialize_with = "lenient::count")]
    pub disk_usage_mb: u64,
    /// What may be stored, in MB.
    #[serde(default, rename = "disklimit", deserialize_with = "lenient::count")]
    pub disk_limit_mb: u64,
    /// Transferred, in MB.
    #[serde(default, rename = "bwusage", deserialize_with = "lenient::count")]
    pub bandwidth_usage_mb: u64,
    /// What may be transferred, in MB.
    #[serde(default, rename = "bwlimit", deserialize_with = "lenient::count")]
    pub bandwidth_limit_mb: u64,
    /// What stands in its product's custom fields.
    #[serde(default, rename = "customfields", deserialize_with = "lenient::custom_fields")]
    pub custom_fields: Vec<CustomField>,
}

impl Service {
    /// What stands in the custom field `id`.
    pub fn custom_field(&self, id: u32) -> Option<&str> {
        let field = self.custom_fields.iter().find(|field| field.id == i64::from(id));
        field.map(|field| field.value.as_str())
    }
}

page!(Services, products, "lenient::products", Service);

/// A date that is set, or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateChange {
    /// This day.
    Set(NaiveDate),
    /// None any more.
    Clear,
}

impl DateChange {
    fn on_the_wire(self) -> String {
        match self {
            Self::Set(day) => day.to_string(),
            Self::Clear => "0000-00-00".to_owned(),
        }
    }
}

/// What is to change of a service; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceChanges {
    /// Its state.
    pub status: Option<ServiceStatus>,
    /// Until when it is paid.
    pub next_due_date: Option<NaiveDate>,
    /// When it ended.
    pub termination_date: Option<DateChange>,
    /// The amount of each later invoice, in the client's currency.
    pub recurring_amount: Option<Decimal>,
    /// Stored, in MB.
    pub disk_usage_mb: Option<u64>,
    /// What may be stored, in MB.
    pub disk_limit_mb: Option<u64>,
    /// Transferred, in MB.
    pub bandwidth_usage_mb: Option<u64>,
    /// What may be transferred, in MB.
    pub bandwidth_limit_mb: Option<u64>,
    /// Why it is suspended; empty removes the reason.
    pub suspend_reason: Option<String>,
    /// Whether WHMCS must not suspend it for an unpaid invoice.
    pub override_auto_suspend: Option<bool>,
    /// Values of custom fields by their numbers.
    pub custom_fields: BTreeMap<u32, String>,
}

impl Client {
    /// All services that match, in whatever state, through all pages.
    pub async fn get_client_products(&self, filter: &ServiceFilter) -> Result<Vec<Service>, Error> {
        let call = Call::new("GetClientsProducts")
            .with_some("clientid", filter.client)
            .with_some("serviceid", filter.service)
            .with_some("pid", filter.product)
            .with_some("username2", filter.username.as_ref());
        self.pages::<Services>(call).await
    }

    /// Changes a service; the same again changes nothing.
    pub async fn update_client_product(&self, service: ServiceId, changes: &ServiceChanges) -> Result<(), Error> {
        let termination_date = changes.termination_date.map(DateChange::on_the_wire);
        let auto_suspend = changes.override_auto_suspend.map(|is_on| if is_on { "on" } else { "off" });
        let mut call = Call::new("UpdateClientProduct")
            .with("serviceid", service)
            .with_some("status", changes.status.as_ref())
            .with_some("nextduedate", changes.next_due_date)
            .with_some("terminationdate", termination_date.as_ref())
            .with_some("recurringamount", changes.recurring_amount)
            .with_some("diskusage", changes.disk_usage_mb)
            .with_some("disklimit", changes.disk_limit_mb)
            .with_some("bwusage", changes.bandwidth_usage_mb)
            .with_some("bwlimit", changes.bandwidth_limit_mb)
            .with_some("overideautosuspend", auto_suspend)
            .with_some("suspendreason", changes.suspend_reason.as_ref().filter(|reason| !reason.is_empty()));
        if changes.suspend_reason.as_ref().is_some_and(String::is_empty) {
            call = call.with("unset[0]", "suspendreason");
        }
        if !changes.custom_fields.is_empty() {
            call = call.with("customfields", &custom_fields::encode(&changes.custom_fields));
        }
        self.call_for_nothing(call).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pages::Page;

    fn service() -> Value {
        json!({
            "id": "31", "clientid": "12", "orderid": "0", "pid": "5", "regdate": "2031-02-03", "name": "Box",
            "domain": "", "username": "u31", "status": "Suspended", "suspensionreason": "Overdue", "paymentmethod": "mailin",
            "firstpaymentamount": "4.99", "recurringamount": 5, "billingcycle": "Monthly", "nextduedate": "0000-00-00",
            "overideautosuspend": "on", "diskusage": "20", "disklimit": 100, "bwusage": "", "bwlimit": "0",
            "customfields": {"customfield": [{"id": "9", "name": "Command", "translated_name": "", "value": "c-1"}]},
            "configoptions": {"configoption": []},
        })
    }

    #[test]
    fn a_service_is_read() {
        let service: Service = serde_json::from_value(service()).unwrap();
        let day = "2031-02-03".parse().unwrap();
        assert_eq!((service.id, service.client, service.product), (ServiceId(31), ClientId(12), ProductId(5)));
        assert_eq!((service.order, service.registered, service.next_due_date), (None, Some(day), None));
        assert_eq!((service.first_payment_amount, service.recurring_amount), (Decimal::new(499, 2), Decimal::from(5)));
        assert_eq!((service.status, service.override_auto_suspend), (ServiceStatus::Suspended, true));
        assert_eq!(service.suspend_reason.as_deref(), Some("Overdue"));
        let megabytes = (service.disk_usage_mb, service.disk_limit_mb, service.bandwidth_usage_mb);
        assert_eq!(megabytes, (20, 100, 0));
        let field = CustomField { id: 9, name: "Command".into(), value: "c-1".into() };
        assert_eq!(service.custom_fields, [field]);
    }

    #[test]
    fn a_custom_field_is_found_by_its_number() {
        let service: Service = serde_json::from_value(service()).unwrap();
        assert_eq!((service.custom_field(9), service.custom_field(1)), (Some("c-1"), None));
    }

    #[test]
    fn a_page_may_be_empty() {
        for products in [json!(""), json!([]), json!({"product": []}), json!(null)] {
            let page: Services = serde_json::from_value(json!({"totalresults": "0", "products": products})).unwrap();
            assert_eq!((page.total(), page.into_items().len()), (0, 0), "{products}");
        }
        let page: Services = serde_json::from_value(json!({"totalresults": 0})).unwrap();
        assert!(page.into_items().is_empty());
        assert!(serde_json::from_value::<Services>(json!({"products": ""})).is_err(), "a total is needed");
    }
}
