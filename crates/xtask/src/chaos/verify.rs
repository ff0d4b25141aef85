//! What must hold afterwards: what publishers were told, the database, the object store and the published events agree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messages::Encoding;
use object_store::ceph::CephStore;
use object_store::{Access, ObjectStore};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::Value;

use super::arena::{Arena, EVENTS_QUEUE};
use super::callers::{Callers, Told, Who};
use super::customer::{Account, Customer};

const ASKED_AGAIN_MAX: usize = 3_000;
const EVENTS_PER_CALL: u32 = 500;

/// Rows that must not be, each query with what a row of it means.
const CONTRADICTIONS: [(&str, &str); 9] = [
    (
        "a command without an answer",
        "SELECT action, principal, message_id FROM shared.commands c WHERE answered_at IS NULL",
    ),
    (
        "a completed order without its account or service",
        "SELECT o.s3uid FROM billing.orders o LEFT JOIN provisioner.accounts a ON a.order_id = o.id
         LEFT JOIN billing.services s ON s.order_id = o.id
         WHERE o.state = 'completed' AND (a.s3uid IS NULL OR s.id IS NULL OR a.state = 'released')",
    ),
    (
        "an account of an order that failed",
        "SELECT a.s3uid, a.state FROM provisioner.accounts a JOIN billing.orders o ON o.id = a.order_id
         WHERE o.state = 'failed' AND a.state <> 'released'",
    ),
    (
        "an account without an order",
        "SELECT s3uid FROM provisioner.accounts WHERE order_id NOT IN (SELECT id FROM billing.orders)",
    ),
    (
        "a service and its account that don't agree",
        "SELECT s.s3uid, s.state, a.state FROM billing.services s JOIN provisioner.accounts a USING (s3uid)
         WHERE (s.state = 'deleted') <> (a.state = 'deleted') OR (s.state = 'running') <> (a.access = 'full' AND a.state = 'active')",
    ),
    (
        "a version that a subject has twice",
        "SELECT subject, source, count(*) FROM history.entries
         GROUP BY subject, source
         HAVING count(*) <> count(DISTINCT subject_version)",
    ),
    (
        "a gap in a series of documents",
        "SELECT series, count(*), max(series_number) FROM billing.documents GROUP BY series
         HAVING count(*) <> max(series_number)",
    ),
    (
        // One that ended before its first invoice is invoiced when its last day is over.
        "a service that nobody invoices",
        "SELECT s3uid, state FROM billing.services s
         WHERE NOT EXISTS (SELECT FROM billing.documents d WHERE d.service_id = s.id)
             AND (state = 'running' OR next_invoice_at IS NULL)",
    ),
    (
        "a transaction of the ledger that isn't balanced",
        "SELECT transaction_id, sum(amount) FROM billing.ledger_entries GROUP BY transaction_id
         HAVING sum(amount) <> 0",
    ),
];

/// Looks everywhere; each contradiction is a complaint.
pub(super) async fn verify(
    arena: &Arena,
    store: &CephStore,
    callers: &Callers,
    customers: &[Customer],
    seed: u64,
) -> Result<u64> {
    let told = callers.told();
    ask_again(callers, &told, seed).await?;
    each_command_is_noted_once(arena, callers, &told).await?;
    for (what, sql) in CONTRADICTIONS {
        for row in arena.sql(sql).await?.lines() {
            callers.complain(format!("{what}: {row}"));
        }
    }
    for customer in customers {
        check_customer(arena, store, callers, customer).await?;
    }
    no_account_is_orphaned(arena, store, callers, customers).await?;
    let ledger = arena.deployment.purser(&["ledger", "verify"]).await?;
    if !ledger.status.success() {
        callers.complain(format!("the ledger: {}", String::from_utf8_lossy(&ledger.stdout)));
    }
    let drift = arena.deployment.purser(&["reconcile", "--json"]).await?;
    check_drift(callers, customers, &serde_json::from_slice(&drift.stdout).context("reading reconcile's report")?);
    every_event_arrived(arena, callers).await
}

async fn ask_again(callers: &Callers, told: &[Told], seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let some: Vec<&Told> = told.sample(&mut random, ASKED_AGAIN_MAX).collect();
    for told in some {
        callers.ask_again(told, &mut random).await?;
    }
    Ok(())
}

async fn each_command_is_noted_once(arena: &Arena, callers: &Callers, told: &[Told]) -> Result<()> {
    let rows = arena.sql("SELECT principal, message_id, count(*) FROM shared.commands GROUP BY 1, 2").await?;
    let noted: BTreeMap<(&str, &str), &str> = rows
        .lines()
        .filter_map(|row| {
            let mut columns = row.split('|');
            Some(((columns.next()?, columns.next()?), columns.next()?))
        })
        .collect();
    for told in told {
        let (id, principal) = (told.ask.id.to_string(), principal_of(told.ask.who));
        let count = noted.get(&(principal.as_str(), id.as_str())).copied().unwrap_or("0");
        if count != "1" {
            callers.complain(format!("{} {id} was answered and is noted {count} times", told.ask.action));
        }
    }
    Ok(())
}

fn principal_of(who: Who) -> String {
    match who {
        Who::Customer(id) => format!("customer:{id}"),
        Who::Admin => "admin".to_owned(),
    }
}

/// The database and the object store hold what this customer was told.
async fn check_customer(arena: &Arena, store: &CephStore, callers: &Callers, customer: &Customer) -> Result<()> {
    let id = customer.id;
    let sum = format!("SELECT coalesce(sum(amount) * 100, 0)::bigint FROM billing.payments WHERE customer_id = {id}");
    let paid = arena.sql(&sum).await?;
    if paid != customer.paid_cents.to_string() {
        callers.complain(format!("customer {id} paid {} cents, {paid} are noted", customer.paid_cents));
    }
    let sql = format!("SELECT s3uid FROM provisioner.accounts WHERE customer_id = {id} AND state <> 'released'");
    let rows = arena.sql(&sql).await?;
    let noted: BTreeSet<&str> = rows.lines().collect();
    let told: BTreeSet<&str> = customer.accounts.iter().map(|account| account.s3uid.as_str()).collect();
    if noted != told {
        callers.complain(format!("customer {id} was told of the accounts {told:?}; there are {noted:?}"));
    }
    for account in &customer.accounts {
        for complaint in account_is_as_told(arena, store, account).await? {
            let history = history_of(arena, &account.s3uid).await?;
            callers.complain(format!("account {}: {complaint}; its history:\n{history}", account.s3uid));
        }
    }
    Ok(())
}

async fn account_is_as_told(arena: &Arena, store: &CephStore, account: &Account) -> Result<Vec<String>> {
    let Account { s3uid, plan_id, buckets, is_deleted, .. } = account;
    let mut complaints = Vec::new();
    let mut equal = |what: &str, is: String, told: String| {
        if is != told {
            complaints.push(format!("{what}: {is}, told was {told}"));
        }
    };
    let expected: BTreeSet<&str> =
        if *is_deleted { BTreeSet::new() } else { buckets.keys().map(String::as_str).collect() };
    let sql = format!("SELECT name FROM provisioner.buckets WHERE s3uid = '{s3uid}' AND deleted_at IS NULL");
    let noted = arena.sql(&sql).await?;
    equal("buckets in the database", format!("{:?}", noted.lines().collect::<BTreeSet<_>>()), format!("{expected:?}"));
    let state = arena.sql(&format!("SELECT state, plan_id FROM billing.services WHERE s3uid = '{s3uid}'")).await?;
    let told = format!("{}|{plan_id}", if *is_deleted { "deleted" } else { "running" });
    equal("the service", state, told);
    for (event, count) in [("account.provisioned", 1), ("account.deleted", usize::from(*is_deleted))] {
        let sql =
            format!("SELECT count(*) FROM history.entries WHERE subject = 'account/{s3uid}' AND event = '{event}'");
        equal(event, arena.sql(&sql).await?, count.to_string());
    }
    let twice = format!(
        "SELECT event, data->>'bucket_name' FROM history.entries WHERE subject = 'account/{s3uid}'
         AND event IN ('bucket.created', 'bucket.deleted') GROUP BY 1, 2 HAVING count(*) > 1"
    );
    equal("events that came twice", arena.sql(&twice).await?, String::new());

    let uid = s3uid.parse().context("an s3uid")?;
    let user = store.user(&uid).await?;
    equal("on RGW", user.is_some().to_string(), (!is_deleted).to_string());
    if let Some(user) = user {
        equal("keys on RGW", user.access_keys.len().to_string(), "1".to_owned());
        equal("access on RGW", format!("{:?}", user.access), format!("{:?}", Some(Access::Full)));
        let usages = store.bucket_usages(&uid).await?;
        let there: BTreeSet<String> = usages.iter().map(|usage| usage.name.clone()).collect();
        equal("buckets on RGW", format!("{there:?}"), format!("{expected:?}"));
    }
    Ok(complaints)
}

async fn history_of(arena: &Arena, s3uid: &str) -> Result<String> {
    let sql = format!(
        "SELECT recorded_at, source, subject_version, event, description FROM history.entries
         WHERE subject = 'account/{s3uid}' ORDER BY id"
    );
    arena.sql(&sql).await
}

/// What was begun and given up left nobody on RGW.
async fn no_account_is_orphaned(
    arena: &Arena,
    store: &CephStore,
    callers: &Callers,
    customers: &[Customer],
) -> Result<()> {
    let told: BTreeSet<&str> =
        customers.iter().flat_map(|customer| &customer.accounts).map(|account| account.s3uid.as_str()).collect();
    for s3uid in arena.sql("SELECT s3uid FROM billing.orders").await?.lines().filter(|s3uid| !told.contains(s3uid)) {
        if store.user(&s3uid.parse().context("an s3uid")?).await?.is_some() {
            callers.complain(format!("nobody was told of the account {s3uid}, and it is on RGW"));
        }
    }
    Ok(())
}

/// The store is shared: only findings about our own accounts count.
fn check_drift(callers: &Callers, customers: &[Customer], report: &Value) {
    let ours: BTreeSet<&str> =
        customers.iter().flat_map(|customer| &customer.accounts).map(|account| account.s3uid.as_str()).collect();
    for finding in report["findings"].as_array().into_iter().flatten() {
        if finding["s3uid"].as_str().is_some_and(|s3uid| ours.contains(s3uid)) {
            callers.complain(format!("drift: {finding}"));
        }
    }
}

/// Every row of the history was published, and the first copies of a subject's events in order. Returns their number.
async fn every_event_arrived(arena: &Arena, callers: &Callers) -> Result<u64> {
    let management = arena.management()?;
    let (mut arrived, mut versions) = (BTreeSet::new(), BTreeMap::<(String, String), i64>::new());
    let mut copies = 0;
    loop {
        let taken = management.take(arena.deployment.name(), EVENTS_QUEUE, EVENTS_PER_CALL).await?;
        if taken.is_empty() {
            break;
        }
        for message in taken {
            copies += 1;
            let body = STANDARD.decode(message["payload"].as_str().context("a message has a payload")?)?;
            let encoding = Encoding::from_content_type(message["properties"]["content_type"].as_str())?;
            let event: Value = encoding.decode(&body)?;
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            if !arrived.insert(text("id")) {
                continue;
            }
            let version = event["subject_version"].as_i64().unwrap_or_default();
            let last = versions.entry((text("source"), text("subject"))).or_default();
            if version <= *last {
                callers.complain(format!("{}: version {version} came after {last}", text("subject")));
            }
            *last = version;
        }
    }
    for id in arena.sql("SELECT event_id FROM history.entries").await?.lines() {
        if !arrived.contains(id) {
            callers.complain(format!("the event {id} was never published"));
        }
    }
    Ok(copies - arrived.len() as u64)
}
