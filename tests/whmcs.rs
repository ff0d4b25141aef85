//! The stand-in for WHMCS is what a client that isn't ours expects: `tests/whmcs/client.py`, with `whmcs-api-client`
//! from `PyPI`.

use std::path::{Path, PathBuf};
use std::process::Command;

use rust_decimal::Decimal;
use test_support::python;
use test_support::whmcs::{Client, IDENTIFIER, Product, SECRET, Whmcs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/whmcs lies in the workspace").to_owned()
}

fn run(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{what} can't be run ({error}): install python3 and python3-venv, 3.10 or newer")
    });
    assert!(
        output.status.success(),
        "{what} failed\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

#[tokio::test]
async fn a_foreign_client_understands_the_stand_in() {
    let whmcs = Whmcs::start().await.expect("a free port");
    whmcs.add_client(Client::new(12, "ada@example.com", "EUR"));
    whmcs.add_product(Product::new(5, "Storage 100", Decimal::new(499, 2), &[]));
    let environment =
        [("WHMCS_URL", whmcs.url()), ("WHMCS_IDENTIFIER", IDENTIFIER.into()), ("WHMCS_SECRET", SECRET.into())];
    let called = move || {
        let python = python::with(&root().join("tests/whmcs/requirements.txt"), &root().join("target/whmcs-python"));
        let mut client = Command::new(python.expect("Python with the client"));
        run(client.arg(root().join("tests/whmcs/client.py")).envs(environment), "client.py");
    };
    tokio::task::spawn_blocking(called).await.expect("the client is content");

    let services = whmcs.services();
    assert_eq!(services.iter().map(|service| service.username.as_str()).collect::<Vec<_>>(), ["s3-uid"; 2]);
    assert_eq!(whmcs.orders()[0].amount, Decimal::new(998, 2));
    assert_eq!(whmcs.billable_items().len(), 1);
    assert_eq!(whmcs.calls("AddOrder"), 1);
}
