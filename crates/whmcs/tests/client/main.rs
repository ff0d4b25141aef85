//! The client against a stand-in for WHMCS, which checks requests and its own answers against what is documented.

mod calls;
mod fields;
mod outcomes;
mod paging;

use std::time::Duration;

use rust_decimal::Decimal;
use test_support::whmcs::{self as stand_in, Whmcs};
use whmcs::{AddOrder, Client, ClientId, ProductId, Settings};

const CLIENT: ClientId = ClientId(12);
const PRODUCT: ProductId = ProductId(5);
/// The product's custom field for a caller's own name of an order.
const COMMAND_FIELD: u32 = 9;

/// A stand-in with a client and a product, and a client of it.
async fn start() -> (Whmcs, Client) {
    let whmcs = Whmcs::start().await.expect("a free port");
    whmcs.add_client(stand_in::Client::new(CLIENT.0, "ada@example.com", "EUR"));
    let fields = [(COMMAND_FIELD, "Command"), (10, "S3 account")];
    whmcs.add_product(stand_in::Product::new(PRODUCT.0, "Storage 100", Decimal::new(499, 2), &fields));
    let client = client(settings(&whmcs));
    (whmcs, client)
}

fn settings(whmcs: &Whmcs) -> Settings {
    Settings {
        url: whmcs.url().parse().expect("a URL"),
        identifier: stand_in::IDENTIFIER.to_owned(),
        secret: stand_in::SECRET.to_owned().into(),
        access_key: None,
        timeout: Duration::from_secs(20),
    }
}

fn client(settings: Settings) -> Client {
    Client::new(settings).expect("a client")
}

fn order() -> AddOrder {
    AddOrder::new(CLIENT, PRODUCT, stand_in::PAYMENT_METHODS[0])
}
