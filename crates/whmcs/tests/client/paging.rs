//! Lists are read to their end.

use serde_json::json;
use whmcs::{Error, OrderFilter, ServiceFilter, ServiceId};

use crate::{CLIENT, PRODUCT, order, start};

const OF_CLIENT: ServiceFilter = ServiceFilter { client: Some(CLIENT), service: None, product: None, username: None };

#[tokio::test]
async fn a_list_of_many_pages_is_whole() {
    let (whmcs, client) = start().await;
    for (count, calls) in [(0, 1), (26, 1), (100, 1), (101, 2), (230, 3)] {
        while whmcs.services().len() < count {
            whmcs.add_service(CLIENT.0, PRODUCT.0);
        }
        let before = whmcs.calls("GetClientsProducts");
        let services = client.get_client_products(&OF_CLIENT).await.expect("services");
        let ids: Vec<i64> = services.iter().map(|service| service.id.0).collect();
        assert_eq!(ids, whmcs.services().iter().map(|service| service.id).collect::<Vec<_>>());
        assert_eq!(whmcs.calls("GetClientsProducts") - before, calls, "{count} services");
    }
}

#[tokio::test]
async fn orders_are_whole_too() {
    let (whmcs, client) = start().await;
    for _ in 0..103 {
        client.add_order(&order()).await.expect("an order");
    }
    let orders = client.get_orders(&OrderFilter { client: Some(CLIENT), ..OrderFilter::default() }).await;
    assert_eq!((orders.expect("orders").len(), whmcs.calls("GetOrders")), (103, 2));
    let invoices = client.get_invoices(CLIENT, None).await.expect("invoices");
    assert!(invoices.is_sorted_by_key(|invoice| invoice.id), "the oldest first");
    assert_eq!(invoices.len(), 103);
}

fn page(total: usize, ids: &[i64]) -> String {
    let products = ids.iter().map(|id| json!({"id": id, "clientid": CLIENT.0, "pid": PRODUCT.0, "status": "Active"}));
    json!({"result": "success", "totalresults": total, "products": {"product": products.collect::<Vec<_>>()}})
        .to_string()
}

#[tokio::test]
async fn a_server_may_send_less_than_was_asked_for_and_repeat_itself() {
    let (whmcs, client) = start().await;
    for ids in [&[1, 2][..], &[2, 3], &[4]] {
        whmcs.answer_next("GetClientsProducts", 200, &page(4, ids));
    }
    let services = client.get_client_products(&OF_CLIENT).await.expect("services");
    assert_eq!(services.iter().map(|service| service.id).collect::<Vec<_>>(), [1, 2, 3, 4].map(ServiceId));
}

#[tokio::test]
async fn a_list_with_a_hole_is_no_list() {
    for last in [&[][..], &[1, 2]] {
        let (whmcs, client) = start().await;
        whmcs.answer_next("GetClientsProducts", 200, &page(4, &[1, 2]));
        whmcs.answer_next("GetClientsProducts", 200, &page(4, last));
        let unknown = Error::Unknown { action: "GetClientsProducts", reason: "2 of 4 items came".into() };
        assert_eq!(client.get_client_products(&OF_CLIENT).await, Err(unknown));
    }
}
