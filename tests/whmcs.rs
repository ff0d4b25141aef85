//! The stand-in for WHMCS is what a client that isn't ours expects: `tests/whmcs/client.py`, with `whmcs-api-client`
//! from `PyPI`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rust_decimal::Decimal;
use test_support::whmcs::{Client, IDENTIFIER, Product, SECRET, Whmcs};

/// What is installed, noted in the environment that it is installed in.
const INSTALLED: &str = "installed-requirements.txt";

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

/// A Python with what `requirements.txt` names, made where it is missing.
fn python() -> PathBuf {
    let (requirements, dir) = (root().join("tests/whmcs/requirements.txt"), root().join("target/whmcs-python"));
    let (python, wanted) = (dir.join("bin/python"), fs::read(&requirements).expect("requirements.txt"));
    if fs::read(dir.join(INSTALLED)).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir), "`python3 -m venv`");
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r"]);
        run(pip.arg(&requirements), "`pip install`");
        fs::write(dir.join(INSTALLED), wanted).expect("a note of what is installed");
    }
    python
}

#[tokio::test]
async fn a_foreign_client_understands_the_stand_in() {
    let whmcs = Whmcs::start().await.expect("a free port");
    whmcs.add_client(Client::new(12, "ada@example.com", "EUR"));
    whmcs.add_product(Product::new(5, "Storage 100", Decimal::new(499, 2), &[]));
    let environment =
        [("WHMCS_URL", whmcs.url()), ("WHMCS_IDENTIFIER", IDENTIFIER.into()), ("WHMCS_SECRET", SECRET.into())];
    let called = move || {
        let mut client = Command::new(python());
        run(client.arg(root().join("tests/whmcs/client.py")).envs(environment), "client.py");
    };
    tokio::task::spawn_blocking(called).await.expect("the client is content");

    let services = whmcs.services();
    assert_eq!(services.iter().map(|service| service.username.as_str()).collect::<Vec<_>>(), ["s3-uid"; 2]);
    assert_eq!(whmcs.orders()[0].amount, Decimal::new(998, 2));
    assert_eq!(whmcs.billable_items().len(), 1);
    assert_eq!(whmcs.calls("AddOrder"), 1);
}
