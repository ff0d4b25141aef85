//! Every call, and what it does.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use rust_decimal::Decimal;
use test_support::whmcs as stand_in;
use whmcs::{
    AcceptOrder, AddOrder, BillableItem, BillableItemId, CancelOutcome, CancelType, ClientId, ClientStatus, DateChange,
    Error, InvoiceAction, InvoiceId, InvoicePayment, InvoiceStatus, OrderFilter, OrderId, OrderStatus, RecurCycle,
    ServiceChanges, ServiceFilter, ServiceId, ServiceStatus, Unit,
};

use crate::{CLIENT, COMMAND_FIELD, PRODUCT, order, start};

fn euros(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn time(text: &str) -> NaiveDateTime {
    text.parse().expect("a time")
}

fn refused(message: &str) -> Error {
    Error::Refused { message: message.to_owned() }
}

#[tokio::test]
async fn clients_are_found_or_not() {
    let (whmcs, client) = start().await;
    let found = client.get_client_details(CLIENT).await.expect("an answer").expect("a client");
    assert_eq!((found.id, found.email.as_str(), found.currency_code.as_str()), (CLIENT, "ada@example.com", "EUR"));
    assert_eq!((found.status, found.credit), (ClientStatus::Active, Decimal::ZERO));
    assert_eq!(client.get_client_details(ClientId(13)).await, Ok(None));
    assert_eq!(whmcs.calls("GetClientsDetails"), 2);
}

#[tokio::test]
async fn an_order_is_placed_accepted_and_used() {
    let (whmcs, client) = start().await;
    whmcs.set_now(time("2031-02-03T04:05:06"));
    let order = AddOrder {
        billing_cycle: Some("monthly".into()),
        price_override: Some(euros(425)),
        custom_fields: BTreeMap::from([(COMMAND_FIELD, "größer \"c-1\"; & more".to_owned())]),
        domain: Some("box.example.com".into()),
        no_email: true,
        ..order()
    };
    let added = client.add_order(&order).await.expect("an order");
    assert_eq!((added.order, added.invoice), (OrderId(1), Some(InvoiceId(1))));
    let services =
        client.get_client_products(&ServiceFilter { client: Some(CLIENT), ..ServiceFilter::default() }).await;
    let service = services.expect("services").pop().expect("a service");
    assert_eq!(added.services, [service.id]);
    assert_eq!(
        (service.order, service.product, &service.status),
        (Some(added.order), PRODUCT, &ServiceStatus::Pending)
    );
    assert_eq!((service.first_payment_amount, service.recurring_amount), (euros(425), euros(425)));
    assert_eq!((service.domain.as_str(), service.billing_cycle.as_str()), ("box.example.com", "Monthly"));
    assert_eq!(service.registered, Some(day("2031-02-03")));
    assert_eq!(service.custom_field(COMMAND_FIELD), Some("größer \"c-1\"; & more"));
    assert!(!whmcs.orders()[0].is_confirmed);

    let accept = AcceptOrder { service_username: Some("s3-uid".into()), ..AcceptOrder::default() };
    client.accept_order(added.order, &accept).await.expect("accepted");
    let again = client.accept_order(added.order, &accept).await;
    assert_eq!(again, Err(refused("Order ID not found or Status not Pending")));
    let by_name = ServiceFilter { username: Some("s3-uid".into()), ..ServiceFilter::default() };
    let services = client.get_client_products(&by_name).await.expect("services");
    assert_eq!(services.iter().map(|service| &service.status).collect::<Vec<_>>(), [&ServiceStatus::Active]);

    let orders = client.get_orders(&OrderFilter { id: Some(added.order), ..OrderFilter::default() }).await;
    let order = orders.expect("orders").pop().expect("an order");
    assert_eq!((order.status.clone(), order.client, order.amount), (OrderStatus::Active, CLIENT, euros(425)));
    assert_eq!((order.date, order.invoice), (Some(time("2031-02-03T04:05:06")), added.invoice));
    assert_eq!(order.services().collect::<Vec<_>>(), added.services);
}

#[tokio::test]
async fn an_order_without_an_invoice_can_be_cancelled() {
    let (whmcs, client) = start().await;
    let added = client.add_order(&AddOrder { no_invoice: true, ..order() }).await.expect("an order");
    assert_eq!(added.invoice, None);
    client.cancel_order(added.order, false).await.expect("cancelled");
    let filter = OrderFilter { client: Some(CLIENT), status: Some(OrderStatus::Cancelled), ..OrderFilter::default() };
    let orders = client.get_orders(&filter).await.expect("orders");
    assert_eq!(orders.iter().map(|order| order.id).collect::<Vec<_>>(), [added.order]);
    assert_eq!(whmcs.services()[0].status, "Cancelled");
    let pending = OrderFilter { status: Some(OrderStatus::Pending), ..OrderFilter::default() };
    assert_eq!(client.get_orders(&pending).await, Ok(vec![]));
}

#[tokio::test]
async fn a_repeated_order_is_a_second_one() {
    let (whmcs, client) = start().await;
    let first = client.add_order(&order()).await.expect("an order");
    let second = client.add_order(&order()).await.expect("an order");
    assert_ne!(first.order, second.order);
    assert_eq!((whmcs.orders().len(), whmcs.calls("addorder")), (2, 2));
}

#[tokio::test]
async fn orders_that_can_t_be_are_refused() {
    let (whmcs, client) = start().await;
    let closed = stand_in::Client { status: "Closed".into(), ..stand_in::Client::new(13, "bob@example.com", "EUR") };
    whmcs.add_client(closed);
    for (order, message) in [
        (AddOrder { client: ClientId(14), ..order() }, "Client ID Not Found"),
        (AddOrder { client: ClientId(13), ..order() }, "Unable to add order when client status is Closed"),
        (
            AddOrder { payment_method: "gold".into(), ..order() },
            "Invalid Payment Method. Valid options include mailin,banktransfer,paypal",
        ),
        (AddOrder { product: whmcs::ProductId(6), ..order() }, "No items added to cart so order cannot proceed"),
    ] {
        assert_eq!(client.add_order(&order).await, Err(refused(message)));
    }
    assert_eq!(whmcs.orders(), []);
}

#[tokio::test]
async fn a_service_is_changed() {
    let (whmcs, client) = start().await;
    let id = ServiceId(whmcs.add_service(CLIENT.0, PRODUCT.0));
    let changes = ServiceChanges {
        status: Some(ServiceStatus::Suspended),
        next_due_date: Some(day("2031-03-01")),
        termination_date: Some(DateChange::Set(day("2031-04-01"))),
        recurring_amount: Some(euros(1250)),
        disk_usage_mb: Some(20),
        disk_limit_mb: Some(100),
        bandwidth_usage_mb: Some(7),
        bandwidth_limit_mb: Some(1000),
        suspend_reason: Some("Overdue".into()),
        override_auto_suspend: Some(true),
        custom_fields: BTreeMap::from([(10, "uid".to_owned())]),
    };
    client.update_client_product(id, &changes).await.expect("changed");
    let this = ServiceFilter { service: Some(id), product: Some(PRODUCT), ..ServiceFilter::default() };
    let service = client.get_client_products(&this).await.expect("services").pop().expect("a service");
    assert_eq!((&service.status, service.suspend_reason.as_deref()), (&ServiceStatus::Suspended, Some("Overdue")));
    assert_eq!((service.next_due_date, service.recurring_amount), (Some(day("2031-03-01")), euros(1250)));
    assert_eq!((service.disk_usage_mb, service.disk_limit_mb), (20, 100));
    assert_eq!((service.bandwidth_usage_mb, service.bandwidth_limit_mb), (7, 1000));
    assert_eq!((service.override_auto_suspend, service.custom_field(10)), (true, Some("uid")));
    assert_eq!(whmcs.services()[0].termination_date, Some(day("2031-04-01")));

    let back = ServiceChanges {
        status: Some(ServiceStatus::Active),
        termination_date: Some(DateChange::Clear),
        suspend_reason: Some(String::new()),
        override_auto_suspend: Some(false),
        ..ServiceChanges::default()
    };
    client.update_client_product(id, &back).await.expect("changed");
    let service = client.get_client_products(&this).await.expect("services").pop().expect("a service");
    assert_eq!((&service.status, service.suspend_reason.as_deref()), (&ServiceStatus::Active, None));
    assert_eq!((service.override_auto_suspend, service.disk_usage_mb), (false, 20));
    assert_eq!(whmcs.services()[0].termination_date, None);
    let unknown = client.update_client_product(ServiceId(99), &back).await;
    assert_eq!(unknown, Err(refused("Service ID Not Found")));
}

#[tokio::test]
async fn a_service_is_cancelled_once() {
    let (whmcs, client) = start().await;
    let ids = [(); 2].map(|()| ServiceId(whmcs.add_service(CLIENT.0, PRODUCT.0)));
    for (when, outcome) in [
        (CancelType::EndOfBillingPeriod, CancelOutcome::Requested),
        (CancelType::Immediate, CancelOutcome::AlreadyRequested),
    ] {
        assert_eq!(client.add_cancel_request(ids[0], when, "asked for").await, Ok(outcome));
    }
    let other = client.add_cancel_request(ids[1], CancelType::Immediate, "").await;
    assert_eq!(other, Ok(CancelOutcome::Requested));
    let unknown = client.add_cancel_request(ServiceId(99), CancelType::Immediate, "").await;
    assert_eq!(unknown, Err(refused("Service ID Not Found")));
    let cancellations = client.get_cancelled_packages().await.expect("requests");
    let found: Vec<_> = cancellations.iter().map(|found| (found.service, &*found.kind, &*found.reason)).collect();
    assert_eq!(found, [(ids[0], "End of Billing Period", "asked for"), (ids[1], "Immediate", "")]);
    assert!(cancellations[0].date.is_some());
}

#[tokio::test]
async fn billable_items_wait_for_their_invoice() {
    let (whmcs, client) = start().await;
    let item = |amount, unit, invoice_action| BillableItem {
        client: CLIENT,
        description: "Storage, January".into(),
        amount: euros(amount),
        unit,
        invoice_action,
    };
    let pieces = Unit::Quantity(Decimal::ONE);
    let recur =
        |every, times| InvoiceAction::Recur { every, cycle: RecurCycle::Months, times, first: day("2031-06-01") };
    for (id, item) in (1..).zip([
        item(123, pieces, InvoiceAction::NextInvoice),
        item(200, Unit::Hours(Decimal::new(15, 1)), InvoiceAction::NextCron),
        item(300, pieces, InvoiceAction::DueDate(day("2031-02-17"))),
        item(400, pieces, InvoiceAction::DueDate(day("2031-05-17"))),
        item(500, pieces, InvoiceAction::NoInvoice),
        item(600, pieces, recur(1, 12)),
    ]) {
        assert_eq!(client.add_billable_item(&item).await, Ok(BillableItemId(id)), "{item:?}");
    }
    for (bad, message) in [
        (BillableItem { client: ClientId(99), ..item(1, pieces, InvoiceAction::NextCron) }, "Client ID not Found"),
        (
            BillableItem { description: String::new(), ..item(1, pieces, InvoiceAction::NextCron) },
            "You must provide a description",
        ),
        (item(1, pieces, recur(0, 1)), "Recurring must have a unit, cycle and limit"),
    ] {
        assert_eq!(client.add_billable_item(&bad).await, Err(refused(message)));
    }
    let wire = whmcs.billable_items();
    assert_eq!((wire[1].unit.as_str(), wire[1].quantity), ("hours", Decimal::new(15, 1)));

    let invoice = InvoiceId(whmcs.run_invoicing(CLIENT.0, day("2031-03-01")).expect("an invoice"));
    let invoice = client.get_invoice(invoice).await.expect("an answer").expect("an invoice");
    let items: Vec<_> = invoice.items.iter().map(|item| (item.related, item.amount)).collect();
    assert_eq!(items, [(1, euros(123)), (2, euros(200)), (3, euros(300))]);
    assert_eq!((invoice.total, invoice.balance, invoice.status), (euros(623), euros(623), InvoiceStatus::Unpaid));
    assert_eq!(whmcs.run_invoicing(CLIENT.0, day("2031-03-01")), None);
}

#[tokio::test]
async fn an_invoice_is_paid_in_parts() {
    let (whmcs, client) = start().await;
    let id = client.add_order(&order()).await.expect("an order").invoice.expect("an invoice");
    let payment = InvoicePayment {
        invoice: id,
        transaction_id: "T-1".into(),
        gateway: "banktransfer".into(),
        date: time("2031-02-05T10:00:00"),
        amount: Some(euros(400)),
        fees: Some(euros(10)),
        no_email: true,
    };
    client.add_invoice_payment(&payment).await.expect("noted");
    let invoice = client.get_invoice(id).await.expect("an answer").expect("an invoice");
    assert_eq!((&invoice.status, invoice.balance, invoice.paid_at), (&InvoiceStatus::Unpaid, euros(99), None));
    let rest = InvoicePayment {
        transaction_id: "T-2".into(),
        date: time("2031-02-06T11:00:00"),
        amount: None,
        fees: None,
        ..payment.clone()
    };
    client.add_invoice_payment(&rest).await.expect("noted");
    let invoice = client.get_invoice(id).await.expect("an answer").expect("an invoice");
    assert_eq!((&invoice.status, invoice.balance), (&InvoiceStatus::Paid, Decimal::ZERO));
    assert_eq!(invoice.paid_at, Some(time("2031-02-06T11:00:00")));
    let paid: Vec<_> = invoice.transactions.iter().map(|paid| (&*paid.transaction_id, paid.amount_in)).collect();
    assert_eq!(paid, [("T-1", euros(400)), ("T-2", euros(99))]);

    let of_client = |status| client.get_invoices(CLIENT, status);
    let found = of_client(Some(&InvoiceStatus::Paid)).await.expect("invoices");
    assert_eq!(found.iter().map(|found| (found.id, found.total)).collect::<Vec<_>>(), [(id, euros(499))]);
    assert_eq!(of_client(Some(&InvoiceStatus::Unpaid)).await, Ok(vec![]));
    assert_eq!(of_client(None).await.expect("invoices")[0].currency_code, "EUR");
    assert_eq!(client.get_invoice(InvoiceId(99)).await, Ok(None));
    whmcs.edit_invoice(id.0, |invoice| "Cancelled".clone_into(&mut invoice.status));
    let late = client.add_invoice_payment(&payment).await;
    assert_eq!(late, Err(refused("It is not possible to add a payment to an invoice that is Cancelled")));
}
