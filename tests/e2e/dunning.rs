//! Accounts whose invoices aren't paid, and what is given back when an account ends early.

use messages::Encoding;
use object_store::ObjectStore;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::amqp::{self, AmqpCaller};
use test_support::deployment::{DunningDays, Settings};
use test_support::world::{CUSTOMER_ID, World, wait_until};

use crate::s3::{S3Client, S3Request};
use crate::{LIMIT, admin_store, events, order, storage_state, store_of, text};

const ROLES: [&str; 4] = ["billing", "metering", "gateway", "provisioner"];

fn settings(dunning: DunningDays) -> Settings {
    Settings { dunning, payment_term_days: 14, ..Settings::default() }
}

/// The account's invoices and credit notes, oldest first, once there are this many.
async fn documents(world: &World, s3uid: &str, count: usize) -> Vec<Value> {
    let mut documents = Vec::new();
    wait_until(LIMIT, "the account's documents", async || {
        let (_, reply) = world.http("list_invoices", json!({"s3uid": s3uid})).await;
        documents.clone_from(reply["invoices"].as_array().unwrap_or_else(|| panic!("{reply}")));
        documents.len() >= count
    })
    .await;
    assert_eq!(documents.len(), count, "{documents:?}");
    documents.reverse();
    documents
}

/// Pays what is open of an invoice, as a program of the office does.
async fn pay(office: &AmqpCaller, invoice: &Value, reference: &str) -> Value {
    let parameters = json!({
        "id": CUSTOMER_ID, "amount": invoice["open"], "currency": invoice["currency"], "reference": reference,
        "invoice": invoice["number"],
    });
    office.call("add_payment", parameters, Encoding::MessagePack, None).await.unwrap()
}

/// Makes the account's invoices due so many days ago, and its last step of dunning one that was taken on that day.
async fn due_since(world: &World, s3uid: &str, days: u32) {
    let sql = format!(
        "UPDATE billing.services SET dunning_step_on = (now() AT TIME ZONE 'UTC')::date - {days}
         WHERE s3uid = '{s3uid}' AND dunning_step IS NOT NULL;
         UPDATE billing.receivables SET due_on = (now() AT TIME ZONE 'UTC')::date - {days}
         WHERE service_id = (SELECT id FROM billing.services WHERE s3uid = '{s3uid}')"
    );
    world.sql(&sql).await;
}

/// What the account's history tells of its dunning, oldest first.
async fn dunned(world: &World, s3uid: &str) -> Vec<String> {
    let told =
        ["service_reminded", "service_locked", "service_suspended", "service_restored", "account_access_changed"];
    events(world, s3uid).await.into_iter().filter(|event| told.contains(&event.as_str())).collect()
}

/// An account's bucket, as its customer has it.
struct Files {
    s3: S3Client,
    bucket: String,
}

impl Files {
    /// With one file in it.
    async fn of(world: &World, (s3uid, bucket): (&str, &str)) -> Self {
        let (_, keys) = store_of(world, s3uid).await;
        let s3 = S3Client::new(world.deployment.services().rgw_url.trim_end_matches('/').to_owned(), keys);
        let files = Self { s3, bucket: bucket.to_owned() };
        assert_eq!(files.ask(Method::PUT, "kept", "content").await, 200);
        files
    }

    async fn ask(&self, method: Method, key: &str, body: &'static str) -> u16 {
        self.s3.send(&S3Request::new(method, format!("/{}/{key}", self.bucket), body)).await.status
    }

    /// The statuses of reading and of writing.
    async fn statuses(&self) -> (u16, u16) {
        (self.ask(Method::GET, "kept", "").await, self.ask(Method::PUT, "new", "x").await)
    }
}

#[tokio::test]
async fn an_unpaid_account_is_reminded_locked_and_suspended_and_runs_again_once_it_is_paid() {
    let days = DunningDays { reminder: Some(1), lock: Some(2), suspension: Some(3), termination: None };
    let world = World::start_with(settings(days), &["all", "billing"]).await;
    let office = world.frontend().await.asking_for(amqp::admin());
    let (neighbour, bucket) = order(&world).await;
    let neighbours_files = Files::of(&world, (&neighbour, &bucket)).await;
    let paid = pay(&office, &documents(&world, &neighbour, 1).await[0], "bank-1").await;
    assert_eq!((&paid["result"], &paid["settled"][0]["open"]), (&json!("OK"), &json!("0.00")), "{paid}");
    due_since(&world, &neighbour, 30).await;

    let (s3uid, bucket) = order(&world).await;
    let files = Files::of(&world, (&s3uid, &bucket)).await;
    let invoice = documents(&world, &s3uid, 1).await.remove(0);
    assert_eq!(invoice["due_date"], json!(world.sql("SELECT (now() AT TIME ZONE 'UTC')::date + 14").await));
    let told = [
        "service_reminded",
        "service_locked",
        "account_access_changed",
        "service_suspended",
        "account_access_changed",
        "service_restored",
        "account_access_changed",
    ];
    for (days, events, state, statuses) in [
        (0, 0, "running", (200, 200)),
        (1, 1, "running", (200, 200)),
        (2, 3, "locked", (200, 403)),
        (3, 5, "off", (403, 403)),
    ] {
        due_since(&world, &s3uid, days).await;
        let what = format!("what happens {days} days after the due date");
        wait_until(LIMIT, &what, async || dunned(&world, &s3uid).await == told[..events]).await;
        assert_eq!(storage_state(&world, &s3uid).await, state, "{days} days");
        assert_eq!(files.statuses().await, statuses, "{days} days");
    }
    let another = json!({"plan_id": 1, "bucket_name": world.bucket_name("another")});
    let (_, refused) = world.http("create_order", another).await;
    assert!(text(&refused["message"]).contains("earlier invoices are overdue"), "{refused}");

    let paid = pay(&office, &invoice, "bank-2").await;
    assert_eq!((&paid["settled"][0]["number"], &paid["credited"]), (&invoice["number"], &json!("0.00")), "{paid}");
    assert_eq!(storage_state(&world, &s3uid).await, "running", "at once");
    wait_until(LIMIT, "the account is open again", async || dunned(&world, &s3uid).await == told).await;
    assert_eq!(files.statuses().await, (200, 200));
    let said = world.sql(
        "SELECT description FROM history.entries WHERE event IN ('service.reminded', 'service.locked', 'service.suspended')
         ORDER BY recorded_at",
    );
    let gross = format!("{} EUR", text(&invoice["gross"]));
    let said = said.await;
    assert!(said.lines().count() == 3 && said.lines().all(|line| line.contains(&gross)), "{said}");

    assert_eq!(dunned(&world, &neighbour).await, [""; 0]);
    assert_eq!(storage_state(&world, &neighbour).await, "running");
    assert_eq!(neighbours_files.statuses().await, (200, 200));
}

/// That the account was credited all but one day of its first period, which is invoiced and was used for that long.
async fn assert_all_but_today_is_credited(world: &World, invoice: &Value, credit_note: &Value) {
    assert_eq!((&invoice["kind"], &credit_note["kind"]), (&json!("invoice"), &json!("credit_note")));
    let (invoiced, credited) = (text(&invoice["net"]), text(&credit_note["net"]));
    let expected = format!(
        "SELECT {invoiced} + {credited} = round({invoiced} * round(1.0 / (to_day - from_day), 9), 2)
         FROM billing.document_lines l JOIN billing.documents d ON d.id = l.document_id WHERE d.number = '{}'",
        text(&invoice["number"])
    );
    assert_eq!(world.sql(&expected).await, "t", "{invoiced} and {credited}");
}

#[tokio::test]
async fn an_account_that_stays_unpaid_is_deleted_and_what_it_didn_t_use_is_credited() {
    let days = DunningDays { suspension: Some(3), termination: Some(5), ..DunningDays::default() };
    let world = World::start_with(settings(days), &["all", "billing"]).await;
    let (s3uid, bucket) = order(&world).await;
    let files = Files::of(&world, (&s3uid, &bucket)).await;
    documents(&world, &s3uid, 1).await;
    due_since(&world, &s3uid, 4).await;
    wait_until(LIMIT, "the account is suspended", async || files.statuses().await == (403, 403)).await;
    due_since(&world, &s3uid, 5).await;
    wait_until(LIMIT, "the account is gone", async || {
        world.sql("SELECT state FROM billing.services").await == "deleted"
    })
    .await;
    assert_eq!(admin_store(&world).user(&s3uid.parse().unwrap()).await.unwrap(), None);
    assert_eq!(admin_store(&world).bucket(&bucket).await.unwrap(), None);
    let told = events(&world, &s3uid).await;
    assert_eq!(told[told.len() - 3..], ["service_terminated", "account_deleted", "service_ended"], "{told:?}");

    let documents = documents(&world, &s3uid, 2).await;
    assert_all_but_today_is_credited(&world, &documents[0], &documents[1]).await;
    let open =
        world.sql("SELECT r.open_amount = (SELECT sum(gross) FROM billing.documents) FROM billing.receivables r");
    assert_eq!(open.await, "t", "the used day is still owed");
    let reason = world.sql("SELECT data ->> 'reason' FROM history.entries WHERE event = 'service.terminated'").await;
    assert_eq!(reason, format!("{} EUR are overdue", text(&documents[0]["gross"])));
}

#[tokio::test]
async fn an_administrator_who_deletes_an_account_gives_back_what_was_paid_for_and_not_used() {
    let mut world = World::start_with(settings(DunningDays::default()), &ROLES).await;
    let office = world.frontend().await.asking_for(amqp::admin());
    let (s3uid, _) = order(&world).await;
    pay(&office, &documents(&world, &s3uid, 1).await[0], "bank-1").await;
    world.processes.pop().unwrap().stop().await.unwrap();
    let (_, begun) = world.http_admin("delete_account", json!({"s3uid": s3uid, "wait": 0})).await;
    assert!(begun["callback"].is_string(), "{begun}");
    let documents = documents(&world, &s3uid, 2).await;
    let (_, again) = world.http_admin("delete_account", json!({"s3uid": s3uid})).await;
    assert!(text(&again["message"]).starts_with("the S3 account is being deleted since"), "{again}");
    wait_until(LIMIT, "everything is sent", async || world.sql("SELECT count(*) FROM billing.outbox").await == "0")
        .await;
    world.wait_for_messages("s3.provisioner", 1, LIMIT).await;
    world.processes.push(world.deployment.spawn("provisioner", &[]).await.unwrap());
    wait_until(LIMIT, "the account is gone", async || {
        world.sql("SELECT state FROM billing.services").await == "deleted"
    })
    .await;

    assert_all_but_today_is_credited(&world, &documents[0], &documents[1]).await;
    let (_, all) = world.http("list_invoices", json!({})).await;
    assert_eq!((&all["invoices"][0]["open"], &all["invoices"][1]["open"]), (&json!("0.00"), &json!("0.00")), "{all}");
    let credit = json!([{"currency": "EUR", "amount": text(&documents[1]["gross"]).replace('-', "")}]);
    assert_eq!(all["credit"], credit);
    let told = "SELECT count(*) FROM history.entries
                WHERE event IN ('service.terminated', 'credit_note.issued', 'account.deleted', 'service.ended')";
    assert_eq!(world.sql(told).await, "4", "once each");
}
