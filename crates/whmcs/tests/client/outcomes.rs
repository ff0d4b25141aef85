//! What is certain when a call fails.

use std::time::Duration;

use test_support::whmcs::Whmcs;
use tokio::net::TcpListener;
use whmcs::{AddOrder, CancelType, Error, ServiceFilter, ServiceId, Settings};

use crate::{CLIENT, COMMAND_FIELD, client, order, settings, start};

/// The kind of an error, and what it says.
fn kind(error: &Error) -> (&'static str, String) {
    match error {
        Error::Unreachable(reason) => ("unreachable", reason.clone()),
        Error::Unknown { reason, .. } => ("unknown", reason.clone()),
        Error::Refused { message } => ("refused", message.clone()),
        Error::Unauthorized { message } => ("unauthorized", message.clone()),
    }
}

fn hasty(whmcs: &Whmcs) -> whmcs::Client {
    client(Settings { timeout: Duration::from_millis(300), ..settings(whmcs) })
}

#[tokio::test]
async fn an_order_that_nobody_answers_may_exist() {
    let (whmcs, client) = start().await;
    let named = AddOrder { custom_fields: [(COMMAND_FIELD, "c-1".to_owned())].into(), ..order() };
    whmcs.hang_after_effect("AddOrder");
    let error = hasty(&whmcs).add_order(&named).await.expect_err("no answer");
    assert!(matches!(error, Error::Unknown { action: "AddOrder", .. }) && !error.had_no_effect(), "{error}");

    let filter = ServiceFilter { client: Some(CLIENT), ..ServiceFilter::default() };
    let services = client.get_client_products(&filter).await.expect("services");
    let found = services.iter().find(|service| service.custom_field(COMMAND_FIELD) == Some("c-1")).expect("it exists");
    assert_eq!(found.order.map(|order| order.0), Some(whmcs.orders()[0].id));
    assert_eq!((whmcs.orders().len(), whmcs.calls("AddOrder")), (1, 1));
}

#[tokio::test]
async fn a_connection_that_is_cut_leaves_the_outcome_open_and_nothing_is_repeated() {
    let (whmcs, client) = start().await;
    whmcs.cut_after_effect("AddOrder");
    let error = client.add_order(&order()).await.expect_err("no answer");
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    assert_eq!((whmcs.orders().len(), whmcs.calls("AddOrder")), (1, 1));
}

#[tokio::test]
async fn a_server_that_is_down_has_done_nothing() {
    let (whmcs, client) = start().await;
    client.get_client_details(CLIENT).await.expect("a client");
    whmcs.down().await.expect("down");
    for _ in 0..3 {
        let error = client.add_order(&order()).await.expect_err("nobody there");
        assert!(matches!(error, Error::Unreachable(_)) && error.had_no_effect(), "{error}");
    }
    whmcs.up().await.expect("up");
    client.add_order(&order()).await.expect("an order");
    assert_eq!((whmcs.orders().len(), whmcs.calls("AddOrder")), (1, 1));
}

#[tokio::test]
async fn who_isn_t_there_or_speaks_no_tls_is_unreachable() {
    let (whmcs, _) = start().await;
    let plain_text = whmcs.url().replace("http://", "https://");
    // It takes connections, but never says a word of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("https://{}", listener.local_addr().expect("an address"));
    for url in ["http://whmcs.invalid", &plain_text, &silent] {
        let timeout = Duration::from_secs(1);
        let client = client(Settings { url: url.parse().expect("a URL"), timeout, ..settings(&whmcs) });
        let error = client.add_order(&order()).await.expect_err("nobody there");
        assert!(matches!(error, Error::Unreachable(_)), "{url}: {error}");
    }
    assert_eq!(whmcs.calls("AddOrder"), 0);
}

#[tokio::test]
async fn answers_that_can_t_be_read_leave_the_outcome_open() {
    let (whmcs, client) = start().await;
    for (status, body) in [
        (200, "<html>Down for maintenance</html>"),
        (200, ""),
        (200, r#"{"result":"success"}"#),
        (200, r#"{"result":"success","orderid":"many"}"#),
        (302, ""),
        (500, r#"{"result":"error","message":"Oops"}"#),
        (502, "<html>Bad Gateway</html>"),
        (503, ""),
    ] {
        whmcs.answer_next("AddOrder", status, body);
        let error = client.add_order(&order()).await.expect_err("no order");
        assert!(matches!(error, Error::Unknown { action: "AddOrder", .. }), "{status} {body}: {error}");
    }
    assert_eq!(whmcs.calls("AddOrder"), 8);
}

#[tokio::test]
async fn refusals_and_bare_words_are_told() {
    let (whmcs, client) = start().await;
    whmcs.fail_next("AddCancelRequest", "The moon is full");
    whmcs.answer_next("AddCancelRequest", 200, r#""Service ID Not Found""#);
    whmcs.answer_next("AddCancelRequest", 400, r#"{"result":"error","message":"Bad reason"}"#);
    for expected in ["The moon is full", "Service ID Not Found", "Bad reason"] {
        let error = client.add_cancel_request(ServiceId(1), CancelType::Immediate, "").await.expect_err("a refusal");
        assert_eq!(kind(&error), ("refused", expected.to_owned()));
        assert!(error.had_no_effect());
    }
}

#[tokio::test]
async fn who_isn_t_let_in_is_told_why() {
    let (whmcs, client) = start().await;
    whmcs.forbid("AddOrder");
    let forbidden = client.add_order(&order()).await.expect_err("forbidden");
    let message = "Invalid Permissions: API action \"addorder\" is not allowed".to_owned();
    assert_eq!(kind(&forbidden), ("unauthorized", message));
    whmcs.allow("AddOrder");
    client.add_order(&order()).await.expect("an order");

    let with = |change: fn(&mut Settings)| {
        let mut settings = settings(&whmcs);
        change(&mut settings);
        crate::client(settings)
    };
    let wrong_secret = with(|settings| settings.secret = "wrong".to_owned().into());
    let no_secret = with(|settings| settings.secret = String::new().into());
    for (client, message) in [(wrong_secret, "Authentication Failed"), (no_secret, "Invalid or missing credentials")] {
        let error = client.add_order(&order()).await.expect_err("a stranger");
        assert_eq!(kind(&error), ("unauthorized", message.to_owned()));
    }
    whmcs.require_access_key("sesame");
    let error = client.add_order(&order()).await.expect_err("a stranger");
    assert_eq!(kind(&error), ("unauthorized", "Invalid IP 127.0.0.1".to_owned()));
    let with_key = with(|settings| settings.access_key = Some("sesame".to_owned().into()));
    with_key.add_order(&order()).await.expect("an order");
    assert_eq!(whmcs.orders().len(), 2);
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let (whmcs, client) = start().await;
    let secret = test_support::whmcs::SECRET;
    whmcs.fail_next("AddOrder", &format!("what is {secret}?"));
    whmcs.answer_next("AddOrder", 200, &format!("<html>Notice: secret={secret}</html>"));
    whmcs.answer_next("AddOrder", 502, secret);
    for _ in 0..3 {
        let error = client.add_order(&order()).await.expect_err("no order");
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}

/// An order with a parameter that there isn't.
async fn order_wrongly(whmcs: &Whmcs) -> u16 {
    let form = [
        ("identifier", test_support::whmcs::IDENTIFIER),
        ("secret", test_support::whmcs::SECRET),
        ("responsetype", "json"),
        ("action", "AddOrder"),
        ("clientid", "12"),
        ("paymentmethod", "mailin"),
        ("pid[0]", "5"),
        ("idempotencykey", "c-1"),
    ];
    let http = test_support::http::client().expect("a client");
    let sent = http.post(format!("{}/includes/api.php", whmcs.url())).form(&form).send().await;
    sent.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn requests_that_whmcs_doesn_t_know_are_noticed() {
    let (whmcs, _) = start().await;
    assert_eq!(order_wrongly(&whmcs).await, 500);
    assert_eq!(whmcs.take_violations(), ["AddOrder: idempotencykey isn't documented"]);
    assert_eq!(whmcs.orders(), []);
}

#[tokio::test]
#[should_panic(expected = "AddOrder: idempotencykey isn't documented")]
async fn requests_that_whmcs_doesn_t_know_fail_their_test() {
    let (whmcs, _) = start().await;
    assert_eq!(order_wrongly(&whmcs).await, 500);
}
