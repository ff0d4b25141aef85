//! Custom fields arrive as they were sent.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use test_support::whmcs::Product;
use tokio::runtime::Runtime;
use whmcs::{AddOrder, ServiceFilter};

use crate::{CLIENT, COMMAND_FIELD, PRODUCT, order, start};

#[test]
fn any_value_of_any_field_arrives() {
    let runtime = Runtime::new().expect("a runtime");
    let (whmcs, client) = runtime.block_on(start());
    let some_fields = proptest::collection::btree_map(any::<u32>(), any::<String>(), 0..5);
    proptest!(ProptestConfig::with_cases(100), |(fields in some_fields)| {
        let known: Vec<(u32, &str)> = fields.keys().map(|id| (*id, "a field")).collect();
        whmcs.add_product(Product::new(PRODUCT.0, "Storage 100", Decimal::ONE, &known));
        let added = runtime.block_on(client.add_order(&AddOrder { custom_fields: fields.clone(), ..order() }));
        let id = added.expect("an order").services[0];
        let stored = whmcs.services().pop().expect("a service");
        prop_assert_eq!(stored.id, id.0);
        prop_assert_eq!(stored.custom_fields, fields);
    });
}

#[test]
fn a_field_that_isn_t_the_product_s_is_left_out() {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (_whmcs, client) = start().await;
        let custom_fields = BTreeMap::from([(COMMAND_FIELD, "c-1".to_owned()), (77, "lost".to_owned())]);
        client.add_order(&AddOrder { custom_fields, ..order() }).await.expect("an order");
        let filter = ServiceFilter { client: Some(CLIENT), ..ServiceFilter::default() };
        let service = client.get_client_products(&filter).await.expect("services").pop().expect("a service");
        assert_eq!((service.custom_field(COMMAND_FIELD), service.custom_field(77)), (Some("c-1"), None));
    });
}
