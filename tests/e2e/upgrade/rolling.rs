//! All roles are replaced one after the other, under load.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use futures_util::future::join_all;
use messages::{Encoding, RoleName};
use serde_json::{Value, json};
use test_support::amqp::AmqpCaller;
use test_support::deployment::{PortLease, ROLES, Settings};
use test_support::http::HttpCaller;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::{LIMIT, order, text};

/// How often each kind of work must have been done beside each replacement.
const BESIDE_EACH: usize = 3;
/// Callers of each kind.
const CALLERS: usize = 2;

/// What callers have seen so far.
#[derive(Default)]
struct Seen {
    is_over: Cell<bool>,
    commands: Cell<usize>,
    queries: Cell<usize>,
    retries: Cell<usize>,
    accounts: RefCell<BTreeSet<String>>,
}

fn add_one(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

/// A caller that tries again, once, under the same id.
async fn tried_twice(seen: &Seen, what: &str, mut attempt: impl AsyncFnMut(usize) -> Result<Value, String>) -> Value {
    let first = match attempt(0).await {
        Ok(reply) => return reply,
        Err(first) => first,
    };
    add_one(&seen.retries);
    attempt(1).await.unwrap_or_else(|second| panic!("{what}: {first}, and again: {second}"))
}

/// A success, or why its caller should try again.
fn checked(reply: Value) -> Result<Value, String> {
    let is_passing = reply["message"].as_str().is_some_and(|text| text.contains("try again"));
    assert!(reply["result"] == "OK" || is_passing, "{reply}");
    if is_passing { Err(reply.to_string()) } else { Ok(reply) }
}

async fn order_over_amqp(world: &World, php: &AmqpCaller, seen: &Seen) {
    while !seen.is_over.get() {
        let (id, parameters) = (Uuid::new_v4(), json!({"plan_id": 1, "bucket_name": world.bucket_name("rolling")}));
        let reply = tried_twice(seen, "an order over AMQP", async |_| {
            let reply = php.call("create_order", parameters.clone(), Encoding::MessagePack, Some(id)).await;
            checked(reply.map_err(|error| format!("{error:#}"))?)
        })
        .await;
        let is_new = seen.accounts.borrow_mut().insert(text(&reply["s3uid"]));
        assert!(is_new, "each order is an account of its own");
        add_one(&seen.commands);
    }
}

async fn query_over_amqp(php: &AmqpCaller, seen: &Seen, s3uid: &str) {
    while !seen.is_over.get() {
        tried_twice(seen, "a query over AMQP", async |_| {
            let reply = php.call("get_buckets_rmq", json!({"s3uid": s3uid}), Encoding::Json, None).await;
            checked(reply.map_err(|error| format!("{error:#}"))?)
        })
        .await;
        add_one(&seen.queries);
    }
}

/// Callers over HTTP know both gateways and take the other one where the first doesn't answer.
async fn call_over_http(world: &World, gateways: &[HttpCaller; 2], seen: &Seen, s3uid: &str) {
    let mut at = 0;
    while !seen.is_over.get() {
        let key = Uuid::new_v4().to_string();
        let command = json!({"s3uid": s3uid, "bucket_name": world.bucket_name("rolling")});
        for (action, parameters) in [("create_bucket", command), ("list_plans", json!({}))] {
            tried_twice(seen, action, async |attempt| {
                at = (at + attempt) % 2;
                let reply = gateways[at].call_with_key(action, &parameters, Some(&key)).await;
                let reply = reply.map_err(|error| format!("{error:#}"))?;
                if reply.status >= 500 { Err(reply.body.to_string()) } else { checked(reply.body) }
            })
            .await;
        }
        add_one(&seen.commands);
        add_one(&seen.queries);
    }
}

/// Waits until callers have had all sorts of replies since now.
async fn work_goes_on(seen: &Seen, what: &str) {
    let (commands, queries) = (seen.commands.get(), seen.queries.get());
    wait_until(LIMIT, what, async || {
        seen.commands.get() >= commands + BESIDE_EACH && seen.queries.get() >= queries + BESIDE_EACH
    })
    .await;
}

#[tokio::test]
async fn replacing_each_role_under_load_costs_a_caller_one_more_try_at_most() {
    let roles = ROLES.map(RoleName::as_str);
    let mut world = World::start_with(Settings { reply_wait_seconds: 30, ..Settings::default() }, &roles).await;
    let (s3uid, _) = order(&world).await;
    let (port, php, seen) = (PortLease::take().unwrap(), world.frontend().await, Seen::default());
    let listen = format!("127.0.0.1:{}", port.port());
    let token = Some(world.customer_token.as_str());
    let gateways = [
        HttpCaller::new(&world.deployment.gateway_url(), token).unwrap(),
        HttpCaller::new(&format!("http://{listen}"), token).unwrap(),
    ];
    let mut old = std::mem::take(&mut world.processes);
    let load = join_all((0..CALLERS).map(|_| async {
        tokio::join!(
            order_over_amqp(&world, &php, &seen),
            query_over_amqp(&php, &seen, &s3uid),
            call_over_http(&world, &gateways, &seen, &s3uid)
        )
    }));
    let replace = async {
        work_goes_on(&seen, "the load has begun").await;
        world.deployment.purser_ok(&["migrate"]).await.unwrap();
        let mut new = Vec::new();
        for (old, role) in old.iter_mut().zip(roles) {
            let variables = [("PURSER__GATEWAY__LISTEN", listen.as_str())];
            new.push(world.deployment.spawn(role, if role == "gateway" { &variables } else { &[] }).await.unwrap());
            let ended = old.stop().await.unwrap();
            assert!(ended.success(), "the old {role} ended with {ended}");
            work_goes_on(&seen, &format!("the load goes on without the old {role}")).await;
        }
        seen.is_over.set(true);
        new
    };
    let (_, new) = tokio::join!(load, replace);
    println!("{} commands, {} queries, {} tried again", seen.commands.get(), seen.queries.get(), seen.retries.get());

    let accounts = seen.accounts.borrow().len() + 1;
    for (what, count) in [
        ("billing.orders WHERE state = 'completed'", accounts),
        ("billing.orders", accounts),
        ("provisioner.accounts", accounts),
        ("provisioner.intents", 0),
    ] {
        assert_eq!(world.sql(&format!("SELECT count(*) FROM {what}")).await, count.to_string(), "{what}");
    }
    for role in bus::WORKER_ROLES {
        let parked = world.queue_messages(&format!("s3.{role}.parked")).await;
        assert!(matches!(parked, None | Some(0)), "{parked:?} of {role} are parked");
    }
    world.processes = new;
}
