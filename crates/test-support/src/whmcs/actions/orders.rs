//! Orders.

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Answer, Call, PAYMENT_METHODS, currency_prefix, filled, money, services, success, time};
use crate::whmcs::books::{Books, InvoiceItem, Order, Product, Service, next_id};
use crate::whmcs::parameters::Parameters;

const NOT_PENDING: &str = "Order ID not found or Status not Pending";

pub(super) fn add(call: Call<'_>, books: &mut Books) -> Answer {
    let parameters = call.parameters;
    let id = parameters.id("clientid").unwrap_or_default();
    let client = books.clients.get(&id).ok_or("Client ID Not Found")?;
    if client.status == "Closed" {
        return Err("Unable to add order when client status is Closed".to_owned());
    }
    let payment_method = parameters.text("paymentmethod").unwrap_or_default();
    if !PAYMENT_METHODS.contains(&payment_method) {
        return Err(format!("Invalid Payment Method. Valid options include {}", PAYMENT_METHODS.join(",")));
    }
    for name in ["pid", "billingcycle", "priceoverride", "domain", "hostname", "customfields"] {
        if parameters.get(name).is_some() && !parameters.is_list(name) {
            return Err(format!("Expecting parameter '{name}' to be an array"));
        }
    }
    let products = parameters.items("pid").into_iter().filter_map(|(key, product)| {
        let product = books.products.get(&product.parse().ok()?)?;
        Some((key, product.clone()))
    });
    let products: Vec<(&str, Product)> = products.collect();
    if products.is_empty() {
        return Err("No items added to cart so order cannot proceed".to_owned());
    }
    let order = next_id(&books.orders);
    let mut ids = Vec::new();
    let mut items = Vec::new();
    for (key, product) in products {
        let service = ordered(parameters, key, books.new_service(id, &product, call.now.date()))?;
        items.push(line(&product, &service));
        ids.push(service.id);
        books.services.insert(service.id, Service { order: Some(order), ..service });
    }
    let amount = items.iter().map(|item| item.amount).sum();
    let invoice =
        (!parameters.flag("noinvoice")).then(|| books.add_invoice(id, payment_method, items, call.now.date()));
    books.orders.insert(
        order,
        Order {
            id: order,
            client: id,
            date: call.now,
            amount,
            payment_method: payment_method.to_owned(),
            invoice,
            status: "Pending".to_owned(),
            services: ids.clone(),
            is_confirmed: !parameters.flag("noemail"),
        },
    );
    let services = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let fields = json!({
        "orderid": order.to_string(),
        "serviceids": services,
        "productids": services,
        "invoiceid": invoice.unwrap_or_default().to_string(),
    });
    Ok(filled(call.success(), fields))
}

/// The service with what the order says of it under `key`.
fn ordered(parameters: &Parameters, key: &str, mut service: Service) -> Result<Service, String> {
    let text = |name: &str| parameters.item(name, key).filter(|text| !text.is_empty());
    if let Some(price) = text("priceoverride").and_then(|price| price.parse::<Decimal>().ok()) {
        (service.first_payment_amount, service.recurring_amount) = (price, price);
    }
    if let Some(cycle) = text("billingcycle") {
        let (first, rest) = cycle.split_at_checked(1).unwrap_or((cycle, ""));
        service.billing_cycle = format!("{}{rest}", first.to_uppercase());
    }
    let (domain, hostname) = (text("domain"), text("hostname"));
    domain.or(hostname).unwrap_or_default().clone_into(&mut service.domain);
    parameters.text("paymentmethod").unwrap_or_default().clone_into(&mut service.payment_method);
    if let Some(encoded) = text("customfields") {
        services::fill(&mut service, encoded)?;
    }
    Ok(service)
}

fn line(product: &Product, service: &Service) -> InvoiceItem {
    InvoiceItem {
        kind: "Hosting".to_owned(),
        related: service.id,
        description: product.name.clone(),
        amount: service.first_payment_amount,
    }
}

pub(super) fn accept(call: Call<'_>, books: &mut Books) -> Answer {
    let parameters = call.parameters;
    // Nothing here sets services up or sends mail.
    let _ = (parameters.flag("autosetup"), parameters.flag("sendemail"));
    let username = parameters.filled("serviceusername");
    let services = conclude(call, books, "Active")?.services.clone();
    for service in services {
        if let Some(service) = books.services.get_mut(&service) {
            "Active".clone_into(&mut service.status);
            if let Some(username) = username {
                username.clone_into(&mut service.username);
            }
        }
    }
    Ok(success())
}

pub(super) fn cancel(call: Call<'_>, books: &mut Books) -> Answer {
    let parameters = call.parameters;
    // Nothing here sends mail, and there are no subscriptions.
    let _ = (parameters.flag("noemail"), parameters.flag("cancelsub"));
    let order = conclude(call, books, "Cancelled")?.clone();
    for service in &order.services {
        if let Some(service) = books.services.get_mut(service) {
            "Cancelled".clone_into(&mut service.status);
        }
    }
    let invoice = order.invoice.and_then(|invoice| books.invoices.get_mut(&invoice));
    if let Some(invoice) = invoice.filter(|invoice| invoice.status == "Unpaid") {
        "Cancelled".clone_into(&mut invoice.status);
    }
    Ok(success())
}

/// Gives a pending order its new state.
fn conclude<'a>(call: Call<'_>, books: &'a mut Books, status: &str) -> Result<&'a Order, String> {
    let id = call.parameters.id("orderid").unwrap_or_default();
    let order = books.orders.get_mut(&id).filter(|order| order.status == "Pending").ok_or(NOT_PENDING)?;
    status.clone_into(&mut order.status);
    Ok(order)
}

pub(super) fn get(call: Call<'_>, books: &Books) -> Value {
    let parameters = call.parameters;
    let (id, client, status) = (parameters.id("id"), parameters.id("userid"), parameters.filled("status"));
    let matches = |order: &&Order| {
        id.is_none_or(|id| order.id == id)
            && client.is_none_or(|client| order.client == client)
            && status.is_none_or(|status| order.status.eq_ignore_ascii_case(status))
    };
    // The newest first, as WHMCS lists them.
    let shown = books.orders.values().rev().filter(matches).map(|order| shown(call, books, order)).collect();
    call.page("orders/order", shown)
}

fn shown(call: Call<'_>, books: &Books, order: &Order) -> Value {
    let invoice = order.invoice.and_then(|invoice| books.invoices.get(&invoice));
    let currency = books.clients.get(&order.client).map_or("", |client| client.currency.as_str());
    let services = order.services.iter().filter_map(|service| books.services.get(service));
    let lines = services.map(|service| {
        let product = books.products.get(&service.product).map_or("", |product| product.name.as_str());
        json!({
            "type": "product",
            "relid": service.id,
            "producttype": "Other Product/Service",
            "product": product,
            "domain": service.domain,
            "billingcycle": service.billing_cycle,
            "amount": money(service.first_payment_amount),
            "status": service.status,
        })
    });
    filled(
        call.action.blank("/orders/order/0"),
        json!({
            "id": order.id,
            "ordernum": number(order.id, order.date.date()),
            "userid": order.client,
            "requestor_id": order.client,
            "date": time(Some(order.date)),
            "amount": money(order.amount),
            "paymentmethod": order.payment_method,
            "paymentmethodname": order.payment_method,
            "invoiceid": order.invoice.unwrap_or_default(),
            "status": order.status,
            "paymentstatus": invoice.map_or("No Invoice", |invoice| invoice.status.as_str()),
            "name": "Test Client",
            "currencyprefix": currency_prefix(currency),
            "currencysuffix": currency,
            "lineitems": {"lineitem": lines.collect::<Vec<_>>()},
        }),
    )
}

/// The number that clients see: ten digits.
fn number(id: i64, day: NaiveDate) -> i64 {
    i64::from(day.year()) * 1_000_000 + id
}
