//! Invoices, payments and the ledger, as operators see them with `purser`.

use serde_json::{Value, json};
use test_support::world::{CUSTOMERS, World, wait_until};

use crate::{LIMIT, order, text};

/// Runs a command; returns its exit code and what it printed to both.
async fn run(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let output = world.deployment.purser(arguments).await.unwrap();
    let [printed, complained] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), printed.trim_end().to_owned(), complained)
}

/// What a command that must succeed prints as JSON.
async fn json_of(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&world.deployment.purser_ok(arguments).await.unwrap()).unwrap()
}

/// Waits for the customer's first invoice; returns its number.
async fn first_invoice(world: &World) -> String {
    let mut list = Value::Null;
    wait_until(LIMIT, "the order is invoiced", async || {
        list = json_of(world, &["invoice", "list", "--customer", "1", "--json"]).await;
        list["invoices"][0].is_object()
    })
    .await;
    text(&list["invoices"][0]["number"])
}

#[tokio::test]
async fn an_order_is_invoiced_shown_and_paid() {
    let world = World::start().await;
    let details = ["--name", "Alice & <b>Sons</b>", "--address", "Main Street 1\\n1234 AB Town", "--vat-id", "NL1B01"];
    world.deployment.purser_ok(&[&["customer", "add"], &CUSTOMERS[0][..], &details[..]].concat()).await.unwrap();
    let (s3uid, _) = order(&world).await;
    let number = first_invoice(&world).await;

    let shown = json_of(&world, &["invoice", "show", &number, "--json"]).await;
    let (_, mut answered) = world.http("get_invoice", json!({"number": number})).await;
    for envelope in ["result", "action"] {
        answered.as_object_mut().unwrap().remove(envelope);
    }
    assert_eq!(shown, answered);
    assert_eq!((&shown["gross"], &shown["open"], &shown["s3uid"]), (&json!("11.86"), &json!("11.86"), &json!(s3uid)));
    assert_eq!(shown["customer"]["address"], "Main Street 1\n1234 AB Town");
    let page = world.deployment.purser_ok(&["invoice", "show", &number, "--html"]).await.unwrap();
    for part in
        [&number, "Alice &amp; &lt;b&gt;Sons&lt;/b&gt;<br>\nMain Street 1<br>\n1234 AB Town<br>", "VAT id NL1B01"]
    {
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains(part), "{part} is not in {page}");
    }
    let shown = world.deployment.purser_ok(&["invoice", "show", &number]).await.unwrap();
    assert!(shown.contains("net 9.80, tax 2.06, gross 11.86 EUR\nTo be paid until "), "{shown}");
    let (code, _, complained) = run(&world, &["invoice", "show", "NL-1999-000001"]).await;
    assert_eq!((code, complained.as_str()), (1, "error: there is no invoice or credit note NL-1999-000001\n"));

    let pay = async |amount: &str, reference: &str| {
        let payment = ["payment", "add", "--customer", "1", "--amount", amount, "--currency", "EUR"];
        run(&world, &[&payment[..], &["--reference", reference, "--invoice", &number]].concat()).await
    };
    let (code, printed, _) = pay("1.86", "bank 1").await;
    let expected = format!("{number}: 1.86 EUR paid, 10.00 EUR open\ncredit: 0.00 EUR");
    assert_eq!((code, printed.split_once('\n').unwrap().1), (0, expected.as_str()));
    let (code, _, complained) = pay("10.00", "bank 1").await;
    assert_eq!(code, 1);
    assert_eq!(complained, "error: the payment \"bank 1\" of this customer is noted already\n");
    let (code, printed, _) = pay("12.00", "bank 2").await;
    let expected = format!("{number}: 10.00 EUR paid, 0.00 EUR open\ncredit: 2.00 EUR");
    assert_eq!((code, printed.split_once('\n').unwrap().1), (0, expected.as_str()));
    let (_, _, complained) = pay("1.00", "bank 3").await;
    assert_eq!(complained, format!("error: the customer has no open invoice {number} in EUR\n"));

    let open = json_of(&world, &["invoice", "list", "--customer", "1", "--open", "--json"]).await;
    assert_eq!(open, json!({"invoices": [], "credit": [{"currency": "EUR", "amount": "2.00"}]}));
    let all = world.deployment.purser_ok(&["invoice", "list", "--customer", "1"]).await.unwrap();
    assert!(all.contains(&number) && all.ends_with("credit: 2.00 EUR"), "{all}");
    let (code, _, complained) = run(&world, &["invoice", "list", "--customer", "77"]).await;
    assert_eq!((code, complained.as_str()), (1, "error: customer not found\n"));
    the_books_agree_until_somebody_changes_them(&world).await;
}

async fn the_books_agree_until_somebody_changes_them(world: &World) {
    let (code, printed, _) = run(world, &["ledger", "verify"]).await;
    assert_eq!((code, printed.as_str()), (0, "3 transactions, 1 documents: everything agrees"));
    let balances = json_of(world, &["ledger", "balances", "--customer", "1", "--json"]).await;
    let balance = |account: &str, amount: &str| json!({"customer_id": 1, "account": account, "currency": "EUR", "balance": amount});
    let expected = [
        balance("cash", "13.86"),
        balance("credit", "-2.00"),
        balance("receivable", "0.00"),
        balance("revenue", "-9.80"),
        balance("tax", "-2.06"),
    ];
    assert_eq!(balances, json!(expected));
    assert_eq!(json_of(world, &["ledger", "balances", "--customer", "2", "--json"]).await, json!([]));
    world.sql("UPDATE billing.ledger_balances SET balance = balance + 1 WHERE account = 'cash'").await;
    let (code, printed, _) = run(world, &["ledger", "verify"]).await;
    assert_eq!((code, printed.as_str()), (1, "customer 1: cash in EUR is 14.86, but the entries sum to 13.86"));
    assert_eq!(run(world, &["--config", "/nowhere/purser.toml", "ledger", "verify"]).await.0, 2, "not checked");
}

#[tokio::test]
async fn a_run_issues_what_is_due_by_its_time() {
    let world = World::start().await;
    let (s3uid, _) = order(&world).await;
    first_invoice(&world).await;
    let nothing = r#"{"issued":0,"empty":0,"waiting":0,"failed":0}"#;
    assert_eq!(run(&world, &["billing", "run", "--json"]).await, (0, nothing.to_owned(), String::new()));

    let preview = json_of(&world, &["invoice", "preview", "--account", &s3uid, "--json"]).await;
    assert_eq!((&preview["so_far"]["gross"], &preview["next_invoice"]["gross"]), (&json!("11.86"), &json!("11.86")));
    assert_eq!(preview["next_invoice"]["due_from"], preview["period_end"]);
    let shown = world.deployment.purser_ok(&["invoice", "preview", "--account", &s3uid]).await.unwrap();
    assert_eq!(shown.matches("net 9.80, tax 2.06, gross 11.86 EUR").count(), 3, "{shown}");

    // The usage before it isn't final; it is waited for until it is late.
    let day = async |after: &str| {
        let sql = format!("SELECT to_char(period_end + interval '{after} days', 'YYYY-MM-DD') FROM billing.services");
        world.sql(&sql).await
    };
    let (on_the_day, later) = (day("0").await, day("4").await);
    let (code, printed, complained) = run(&world, &["billing", "run", "--at", &on_the_day]).await;
    assert_eq!((code, printed.as_str()), (0, "0 issued, 0 empty, 1 waiting, 0 failed"));
    assert!(complained.contains("is in the future; invoices are issued ahead of time"), "{complained}");
    let (code, printed, _) = run(&world, &["billing", "run", "--at", &later]).await;
    assert_eq!((code, printed.as_str()), (0, "1 issued, 0 empty, 0 waiting, 0 failed"));
    assert_eq!(run(&world, &["billing", "run", "--at", &later, "--json"]).await.1, nothing, "once");
    let list = json_of(&world, &["invoice", "list", "--customer", "1", "--json"]).await;
    let issued = list["invoices"].as_array().unwrap();
    assert_eq!((issued.len(), &issued[0]["issued_at"]), (2, &json!(format!("{later} 00:00:00"))));

    world.sql("UPDATE billing.services SET currency = '?', next_invoice_at = created_at").await;
    // What billing's own run has in hand just then is passed over.
    test_support::world::wait_until(LIMIT, "a run that finds the service and fails", async || {
        let (code, printed, complained) = run(&world, &["billing", "run"]).await;
        let expected = (code, printed.as_str()) == (1, "0 issued, 0 empty, 0 waiting, 1 failed");
        expected && complained.contains("a service can't be invoiced")
    })
    .await;
    let no_config = ["--config", "/nowhere/purser.toml", "billing"];
    assert_eq!(run(&world, &[&no_config[..], &["run"]].concat()).await.0, 2);
    let schedule = ["schedule", "--start", "2026-03-20", "--period", "1M", "--until", "2026-03-20", "--json"];
    let period = r#"{"periods":[{"start":"2026-03-20","end":"2026-04-20","fraction":"1.000000000"}]}"#;
    assert_eq!(run(&world, &[&no_config[..], &schedule].concat()).await, (0, period.to_owned(), String::new()));
    let plans = json_of(&world, &["plan", "list", "--json"]).await;
    assert_eq!((&plans[0]["name"], &plans[0]["prices"]["EUR"]), (&json!("Standard S3 Plan"), &json!("9.80")));
}
