//! What is done to the deployment while its customers work: one fault after the other, and trouble at the store beside.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use test_support::services::Service;
use test_support::store_link::StoreFault;
use tokio::time::{Instant, sleep};

use super::arena::{Arena, Slot};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillRole,
    RestartRole,
    FreezeRole,
    KillBroker,
    KillDatabase,
    CutBroker,
    CutDatabase,
    CloseBroker,
    CloseDatabase,
    DiskAlarm,
    MemoryAlarm,
}

use Fault::{
    CloseBroker, CloseDatabase, CutBroker, CutDatabase, DiskAlarm, FreezeRole, KillBroker, KillDatabase, KillRole,
    MemoryAlarm, RestartRole,
};

/// Each fault with its weight. What takes long to heal comes seldom, or nothing else would happen.
const FAULTS: [(Fault, u32); 11] = [
    (KillRole, 60),
    (RestartRole, 4),
    (FreezeRole, 10),
    (KillBroker, 4),
    (KillDatabase, 8),
    (CutBroker, 10),
    (CutDatabase, 10),
    (CloseBroker, 3),
    (CloseDatabase, 3),
    (DiskAlarm, 1),
    (MemoryAlarm, 1),
];

/// How often each fault was done, by what it was done to: `killed provisioner`.
pub(super) type Counts = BTreeMap<String, u64>;

/// Does one fault after the other until `end`, and heals the last one.
pub(super) async fn disturb(arena: &Arena, slots: &mut [Slot], seed: u64, end: Instant) -> Result<Counts> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed);
    let mut counts = Counts::new();
    while Instant::now() < end {
        let fault = FAULTS.choose_weighted(&mut random, |(_, weight)| *weight)?.0;
        let done = once(arena, slots, fault, &mut random).await?;
        println!("   {done}");
        *counts.entry(done).or_default() += 1;
        sleep(between(&mut random, 300, 3_500)).await;
        for slot in slots.iter_mut() {
            if slot.supervise(arena)? {
                *counts.entry(format!("{} found no broker and was started again", slot.role)).or_default() += 1;
            }
        }
    }
    for slot in slots {
        slot.wait_ready(arena).await?;
    }
    Ok(counts)
}

async fn once(arena: &Arena, slots: &mut [Slot], fault: Fault, random: &mut StdRng) -> Result<String> {
    let slot = random.random_range(0..slots.len());
    let slot = &mut slots[slot];
    let pause = between(random, 200, 3_000);
    let what = match fault {
        KillRole => {
            slot.kill()?;
            sleep(pause / 3).await;
            slot.start_again(arena)?;
            format!("killed {}", slot.role)
        }
        RestartRole => {
            slot.restart(arena).await?;
            format!("restarted {}", slot.role)
        }
        FreezeRole => {
            slot.freeze(true)?;
            // Longer than a lease of three seconds, now and then.
            sleep(pause * 2).await;
            slot.freeze(false)?;
            format!("froze {}", slot.role)
        }
        KillBroker => kill(arena, Service::RabbitMq).await?,
        KillDatabase => kill(arena, Service::Postgres).await?,
        CutBroker => {
            arena.broker.cut_after(random.random_range(0..20_000));
            "cut the broker's connections".to_owned()
        }
        CutDatabase => {
            arena.database.cut_after(random.random_range(0..20_000));
            "cut the database's connections".to_owned()
        }
        CloseBroker => {
            arena.broker.close();
            sleep(pause).await;
            arena.broker.open();
            "kept everybody from the broker".to_owned()
        }
        CloseDatabase => {
            arena.database.close();
            sleep(pause).await;
            arena.database.open();
            "kept everybody from the database".to_owned()
        }
        DiskAlarm => alarm(arena, ["set_disk_free_limit", "900GB"], ["set_disk_free_limit", "200MB"], pause).await?,
        MemoryAlarm => {
            let (raise, lower) = (["set_vm_memory_high_watermark", "0.00001"], ["set_vm_memory_high_watermark", "0.4"]);
            alarm(arena, raise, lower, pause).await?
        }
    };
    Ok(what)
}

async fn kill(arena: &Arena, service: Service) -> Result<String> {
    arena.stack.kill(service)?;
    arena.start_service(service).await?;
    Ok(format!("killed {service}"))
}

/// The broker takes nothing from publishers for a while.
async fn alarm(arena: &Arena, raise: [&'static str; 2], lower: [&'static str; 2], pause: Duration) -> Result<String> {
    arena.with_stack(move |stack| stack.rabbitmqctl(&raise)).await?;
    sleep(pause).await;
    arena.with_stack(move |stack| stack.rabbitmqctl(&lower)).await?;
    Ok(format!("alarm by {}", raise[0]))
}

/// Lets the store answer badly now and then until `end`. Returns how often each kind of trouble began.
pub(super) async fn trouble_the_store(arena: &Arena, seed: u64, end: Instant) -> Counts {
    let mut random = StdRng::seed_from_u64(seed ^ 0x0057_07e5);
    let mut counts = Counts::new();
    while Instant::now() < end {
        sleep(between(&mut random, 2_000, 8_000)).await;
        let slow = StoreFault::Slow(between(&mut random, 200, 2_500));
        let kinds = [
            (StoreFault::Unavailable, "store: 503"),
            (StoreFault::AnswerLost, "store: answers lost"),
            (StoreFault::Hang, "store: no answers"),
            (slow, "store: slow answers"),
        ];
        let (fault, name) = kinds[random.random_range(0..kinds.len())];
        arena.store.disturb(Some((fault, random.random_range(5..40))));
        *counts.entry(name.to_owned()).or_default() += 1;
        sleep(between(&mut random, 500, 4_000)).await;
        arena.store.disturb(None);
    }
    counts
}

fn between(random: &mut StdRng, least_ms: u64, most_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(least_ms..most_ms))
}
