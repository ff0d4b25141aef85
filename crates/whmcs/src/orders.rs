//! Orders.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::call::Call;
use crate::pages::page;
use crate::{Client, ClientId, Error, InvoiceId, OrderId, OrderStatus, ProductId, ServiceId, custom_fields, lenient};

/// An order of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddOrder {
    /// Who orders.
    pub client: ClientId,
    /// How it will be paid, in WHMCS's system name: `mailin`.
    pub payment_method: String,
    /// What is ordered.
    pub product: ProductId,
    /// `monthly`, `annually`, …; the product's first one where it is `None`.
    pub billing_cycle: Option<String>,
    /// The price of each cycle in the client's currency, instead of the product's.
    pub price_override: Option<Decimal>,
    /// Values of the product's custom fields by their numbers. WHMCS leaves out numbers that aren't the product's.
    pub custom_fields: BTreeMap<u32, String>,
    /// The service's domain.
    pub domain: Option<String>,
    /// The service's host name.
    pub hostname: Option<String>,
    /// Whether WHMCS makes no invoice for the order.
    pub no_invoice: bool,
    /// Whether WHMCS sends no confirmation.
    pub no_email: bool,
}

impl AddOrder {
    /// An order with nothing but what is needed.
    pub fn new(client: ClientId, product: ProductId, payment_method: impl Into<String>) -> Self {
        Self {
            client,
            payment_method: payment_method.into(),
            product,
            billing_cycle: None,
            price_override: None,
            custom_fields: BTreeMap::new(),
            domain: None,
            hostname: None,
            no_invoice: false,
            no_email: false,
        }
    }
}

/// What an order has become.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Added")]
pub struct AddedOrder {
    /// The order.
    pub order: OrderId,
    /// Its services: one, still pending.
    pub services: Vec<ServiceId>,
    /// Its invoice, unless it has none.
    pub invoice: Option<InvoiceId>,
}

#[derive(Deserialize)]
struct Added {
    orderid: OrderId,
    #[serde(default, deserialize_with = "lenient::ids")]
    serviceids: Vec<ServiceId>,
    /// The same in versions before 7.8; newer ones may send both.
    #[serde(default, deserialize_with = "lenient::ids")]
    productids: Vec<ServiceId>,
    #[serde(default, deserialize_with = "lenient::optional_id")]
    invoiceid: Option<InvoiceId>,
}

impl From<Added> for AddedOrder {
    fn from(added: Added) -> Self {
        let services = if added.serviceids.is_empty() { added.productids } else { added.serviceids };
        Self { order: added.orderid, services, invoice: added.invoiceid }
    }
}

/// How an order is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptOrder {
    /// The user name that its service gets.
    pub service_username: Option<String>,
    /// Whether WHMCS's own module sets the service up.
    pub auto_setup: bool,
    /// Whether WHMCS sends the product's welcome message.
    pub send_email: bool,
}

/// Which orders to list; all of them where nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// This one.
    pub id: Option<OrderId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// In this state.
    pub status: Option<OrderStatus>,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// Its number inside WHMCS.
    pub id: OrderId,
    /// Its number as clients see it.
    #[serde(default, rename = "ordernum", deserialize_with = "lenient::text")]
    pub number: String,
    /// Who ordered.
    #[serde(rename = "userid")]
    pub client: ClientId,
    /// When, in WHMCS's time zone.
    #[serde(default, deserialize_with = "lenient::time")]
    pub date: Option<NaiveDateTime>,
    /// The amount that was due at once, in the client's currency.
    #[serde(default, deserialize_with = "lenient::money")]
    pub amount: Decimal,
    /// How it is paid, in WHMCS's system name.
    #[serde(default, rename = "paymentmethod", deserialize_with = "lenient::text")]
    pub payment_method: String,
    /// Its invoice, if it has one.
    #[serde(default, rename = "invoiceid", deserialize_with = "lenient::optional_id")]
    pub invoice: Option<InvoiceId>,
    /// Its state.
    pub status: OrderStatus,
    /// What was ordered.
    #[serde(default, rename = "lineitems", deserialize_with = "lenient::line_items")]
    pub lines: Vec<OrderLine>,
}

impl Order {
    /// The services that came out of it.
    pub fn services(&self) -> impl Iterator<Item = ServiceId> {
        self.lines.iter().filter(|line| line.kind == "product").map(|line| ServiceId(line.related))
    }
}

/// A part of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderLine {
    /// `product`, `addon`, `domain`, ….
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    pub kind: String,
    /// What came out of it: for a product the service's number.
    #[serde(rename = "relid", deserialize_with = "lenient::int")]
    pub related: i64,
    /// Names of the product and its group.
    #[serde(default, deserialize_with = "lenient::text")]
    pub product: String,
    /// The service's state.
    #[serde(default, deserialize_with = "lenient::text")]
    pub status: String,
}

page!(Orders, orders, "lenient::orders", Order);

impl Client {
    /// Places an order, which is pending then. **The same again is a second order**: look for the first one before, by
    /// a custom field that holds something of your own.
    pub async fn add_order(&self, order: &AddOrder) -> Result<AddedOrder, Error> {
        let mut call = Call::new("AddOrder")
            .with("clientid", order.client)
            .with("paymentmethod", &order.payment_method)
            .with("pid[0]", order.product)
            .with_some("billingcycle[0]", order.billing_cycle.as_ref())
            .with_some("priceoverride[0]", order.price_override)
            .with_some("domain[0]", order.domain.as_ref())
            .with_some("hostname[0]", order.hostname.as_ref())
            .with_flag("noinvoice", order.no_invoice)
            .with_flag("noemail", order.no_email);
        if !order.custom_fields.is_empty() {
            call = call.with("customfields[0]", &custom_fields::encode(&order.custom_fields));
        }
        self.call(call).await
    }

    /// Accepts a pending order: its services become active. Refused where the order isn't pending, for example because
    /// it was accepted before. With [`AcceptOrder::auto_setup`] a refusal may also be that of the service's module.
    pub async fn accept_order(&self, order: OrderId, how: &AcceptOrder) -> Result<(), Error> {
        // Without these two WHMCS does as the product's settings say.
        let (auto_setup, send_email) = (u8::from(how.auto_setup), u8::from(how.send_email));
        let call = Call::new("AcceptOrder")
            .with("orderid", order)
            .with_some("serviceusername", how.service_username.as_ref())
            .with("autosetup", auto_setup)
            .with("sendemail", send_email);
        self.call_for_nothing(call).await
    }

    /// Cancels a pending order with its services, and its invoice where that is unpaid. Refused where the order isn't
    /// pending.
    pub async fn cancel_order(&self, order: OrderId, send_email: bool) -> Result<(), Error> {
        let call = Call::new("CancelOrder").with("orderid", order).with_flag("noemail", !send_email);
        self.call_for_nothing(call).await
    }

    /// All orders that match, through all pages.
    pub async fn get_orders(&self, filter: &OrderFilter) -> Result<Vec<Order>, Error> {
        let call = Call::new("GetOrders")
            .with_some("id", filter.id)
            .with_some("userid", filter.client)
            .with_some("status", filter.status.as_ref());
        self.pages::<Orders>(call).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_order_s_numbers_are_read() {
        for (answer, services, invoice) in [
            (json!({"orderid": "7", "serviceids": "31", "invoiceid": "4"}), vec![31], Some(4)),
            (json!({"orderid": 7, "serviceids": "31,32", "addonids": "", "invoiceid": 4}), vec![31, 32], Some(4)),
            (json!({"orderid": "7", "productids": "31", "invoiceid": "0"}), vec![31], None),
            (json!({"orderid": "7", "serviceids": "31", "productids": "31"}), vec![31], None),
            (json!({"orderid": "7", "serviceids": "", "invoiceid": ""}), vec![], None),
            (json!({"orderid": "7"}), vec![], None),
        ] {
            let added: AddedOrder = serde_json::from_value(answer.clone()).unwrap();
            let services = services.into_iter().map(ServiceId).collect();
            let expected = AddedOrder { order: OrderId(7), services, invoice: invoice.map(InvoiceId) };
            assert_eq!(added, expected, "{answer}");
        }
        assert!(serde_json::from_value::<AddedOrder>(json!({"serviceids": "31"})).is_err());
    }

    #[test]
    fn an_order_is_read() {
        let order: Order = serde_json::from_value(json!({
            "id": 7, "ordernum": 9_876_543_210_i64, "userid": "12", "date": "2031-02-03 04:05:06", "amount": "4.99",
            "paymentmethod": "mailin", "invoiceid": 0, "status": "Pending",
            "lineitems": {"lineitem": [
                {"type": "product", "relid": 31, "product": "Storage - Box", "amount": "4.99", "status": "Pending"},
                {"type": "addon", "relid": "3", "product": "Backup", "status": "Pending"},
            ]},
        }))
        .unwrap();
        assert_eq!((order.id, order.client, order.number.as_str()), (OrderId(7), ClientId(12), "9876543210"));
        assert_eq!((order.invoice, order.status.clone()), (None, OrderStatus::Pending));
        assert_eq!(order.services().collect::<Vec<_>>(), [ServiceId(31)]);
    }
}
