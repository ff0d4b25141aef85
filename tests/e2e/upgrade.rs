//! From one version to the next: what the former one left in queues and tables is taken up, migrations run once and
//! beside working roles, and roles are replaced one after the other under load.

mod rolling;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bus::{Message, Topology};
use messages::{Api, Encoding, find_action};
use serde_json::json;
use test_support::amqp::AmqpCaller;
use test_support::deployment::Settings;
use test_support::world::{World, wait_until};
use uuid::Uuid;

use crate::LIMIT;

/// A message as a former version published it; its order, account and bucket are this test's own.
struct Sample {
    /// `command`, `query`, `event` or `reply`.
    kind: String,
    name: String,
    encoding: Encoding,
    body: Vec<u8>,
    shown: String,
}

/// The messages of all former versions, as the contract's test keeps them.
fn samples() -> Vec<Sample> {
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("../messages/tests/frozen");
    let files = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let (mut samples, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files(&frozen).iter().filter(|path| path.is_dir()).flat_map(|folder| files(folder)) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some((kind, rest)) = name.split_once('.') else { continue };
        let Some((name, extension)) = rest.rsplit_once('.') else { continue };
        let encoding = match extension {
            "json" => Encoding::Json,
            "msgpack" => Encoding::MessagePack,
            _ => continue,
        };
        let body = fs::read(&file).unwrap();
        // Most messages are the same from one version to the next.
        if !seen.insert((kind.to_owned(), name.to_owned(), extension.to_owned(), body.clone())) {
            continue;
        }
        // Of the same length, which MessagePack counts.
        let (account, bucket) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4().simple().to_string());
        let body = replaced(body, "5f8e9d2a1b0c4e3f7a6b5c4d3e2f1a0b", &account);
        let body = replaced(body, "my-new-bucket", &bucket[..13]);
        let body = replaced(body, "0193500a-5c1e-7d3f-9a42-6b1f0c2d4e5f", &Uuid::now_v7().to_string());
        samples.push(Sample {
            kind: kind.to_owned(),
            name: name.to_owned(),
            encoding,
            body,
            shown: file.display().to_string(),
        });
    }
    assert!(samples.len() > 130, "only {} samples", samples.len());
    samples
}

fn replaced(mut bytes: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    for at in 0..bytes.len().saturating_sub(old.len() - 1) {
        if bytes[at..].starts_with(old.as_bytes()) {
            bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
        }
    }
    bytes
}

impl Sample {
    /// As its publisher sent it: only the envelope is made here.
    fn message(&self, caller: &AmqpCaller) -> Message {
        let message = caller.message(&self.name, json!({}), self.encoding, Some(Uuid::new_v4())).unwrap();
        Message { body: self.body.clone(), ..message }
    }
}

/// How often messages were handled, by type and outcome.
async fn handled(world: &World) -> BTreeMap<(String, String), u64> {
    let answer = reqwest::get(format!("{}/metrics", world.deployment.gateway_url())).await;
    let text = answer.unwrap().text().await.unwrap();
    let value = |line: &str, label: &str| {
        let (_, rest) = line.split_once(&format!("{label}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let lines = text.lines().filter(|line| line.starts_with("purser_messages_total{"));
    lines
        .filter_map(|line| {
            let count = line.rsplit_once(' ')?.1.parse().ok()?;
            Some(((value(line, "type")?, value(line, "outcome")?), count))
        })
        .collect()
}

#[tokio::test]
async fn messages_of_former_versions_that_wait_in_queues_are_answered() {
    // Few at a time: each opens connections, which a busy machine is slow to do.
    let variables =
        ["PROVISIONER", "METERING", "BILLING"].map(|role| (format!("PURSER__{role}__PREFETCH"), "4".to_owned()));
    let mut world = World::start_with(Settings { variables: variables.into(), ..Settings::default() }, &[]).await;
    // Events about orders that nobody has placed are tried again for a while.
    world.messages_may_stay();
    let (php, role) = (world.frontend().await, world.amqp("purser-billing").await);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    let mut calls = Vec::new();
    for sample in samples() {
        match sample.kind.as_str() {
            "command" | "query" => {
                let internal = find_action(&sample.name).is_some_and(|spec| spec.api == Api::Internal);
                let caller = if internal { role.clone() } else { php.clone() };
                calls.push(async move { (caller.call_raw(sample.message(&caller)).await, sample.shown) });
            }
            "event" => {
                let bindings = Topology::purser().bindings;
                let takers = bindings.iter().filter(|binding| {
                    binding.exchange == "s3.events"
                        && binding.routing_key == sample.name
                        && binding.queue != "s3.history"
                });
                *expected.entry(sample.name.clone()).or_default() += takers.count() as u64;
                let message = sample.message(&role);
                let message = Message { exchange: "s3.events".into(), routing_key: sample.name.clone(), ..message };
                role.publish_raw(message).await.unwrap();
            }
            _ => {}
        }
    }
    let start = async {
        wait_until(LIMIT, "commands and queries wait in their queues", async || {
            world.queue_messages("s3.billing").await > Some(0)
                && world.queue_messages("s3.metering.queries").await > Some(0)
        })
        .await;
        world.deployment.spawn("all", &[]).await.unwrap()
    };
    let (answers, process) = tokio::join!(futures_util::future::join_all(calls), start);
    world.processes.push(process);
    assert!(answers.len() > 60, "{}", answers.len());
    for (answer, shown) in answers {
        let answer = answer.unwrap().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let is_clear = answer["result"] == "OK" || answer["message"].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_clear, "{shown}: {answer}");
    }
    expected.retain(|_, count| *count > 0);
    assert!(expected.len() > 7, "{expected:?}");
    wait_until(LIMIT, "every event was looked at", async || {
        let handled = handled(&world).await;
        let of =
            |event: &str| handled.iter().filter(|((name, _), _)| name == event).map(|(_, count)| count).sum::<u64>();
        expected.iter().all(|(event, count)| of(event) >= *count)
    })
    .await;
    let parked: Vec<_> = handled(&world).await.into_iter().filter(|((_, outcome), _)| outcome == "parked").collect();
    assert_eq!(parked, [], "nothing is unreadable, unknown or untrusted");
}
