//! Leases, and the intents whose attempt has gone silent.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use history::{Failure, Lease, OutsideCommand, Step};
use messages::{Reply, Request, Subject};

use crate::fixture::{Fixture, LEASE, MakeThing, is_busy, request, subject, until};
use crate::outside::{Fault, Place, World};

#[tokio::test]
async fn silent_intents_are_listed_oldest_first() {
    let fixture = Fixture::new().await;
    let world = World::new(&[(Place::BeforeEffect, Fault::Unavailable), (Place::BeforeEffect, Fault::Unavailable)]);
    let (first, second) = (request("a", 1), request("b", 2));
    let silence = TimeDelta::seconds(1);
    let expired = async |limit| {
        let intents = fixture.journal.expired_intents(silence, limit).await.expect("intents");
        intents.into_iter().map(|intent| (intent.subject, intent.request.message_id)).collect::<Vec<_>>()
    };
    let listed = |plan: i64, request: &Request| (subject(plan).to_string(), request.message_id);

    fixture.journal.run_outside(&world, &first).await.expect_err("it fails once");
    assert_eq!(expired(9).await, [], "a failed attempt is given up at once, but hasn't been silent yet");
    fixture.clock.advance(silence);
    assert_eq!(expired(9).await, [listed(1, &first)]);
    fixture.journal.run_outside(&world, &second).await.expect_err("it fails once");
    fixture.clock.advance(silence);
    assert_eq!(expired(9).await, [listed(1, &first), listed(2, &second)]);
    assert_eq!(expired(1).await, [listed(1, &first)]);

    fixture.journal.run_outside(&world, &first).await.expect("resumed");
    assert_eq!(expired(9).await, [listed(2, &second)]);
}

#[tokio::test]
async fn an_intent_that_is_worked_on_is_listed_only_after_its_lease() {
    let fixture = Fixture::new().await;
    let world = World::new(&[(Place::BeforeEffect, Fault::Frozen)]);
    let (journal, task_world) = (fixture.journal.clone(), world.clone());
    let worker = tokio::spawn(async move { journal.run_outside(&task_world, &request("a", 1)).await });
    until("the worker stands still", async || world.frozen() == 1).await;

    let expired = async || fixture.journal.expired_intents(TimeDelta::zero(), 9).await.expect("intents").len();
    fixture.clock.advance(LEASE - TimeDelta::microseconds(1));
    assert_eq!(expired().await, 0);
    fixture.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(expired().await, 1);

    // What the runner does: the listed request itself is run again.
    let intent = fixture.journal.expired_intents(TimeDelta::zero(), 1).await.expect("intents").remove(0);
    let reply = fixture.other_process(2).run_outside(&world, &intent.request).await.expect("resumed");
    assert!(!reply.is_refusal());
    world.wake();
    assert!(is_busy(&worker.await.expect("no panic")));
    assert_eq!((expired().await, fixture.recorded().await), (0, (1, 1)));
}

/// Performs until its lease says stop.
struct Endless;

#[async_trait]
impl OutsideCommand<MakeThing> for Endless {
    type Plan = ();
    type Performed = ();

    async fn plan(&self, _: &mut Step, _: &Request, parameters: &MakeThing) -> Result<(Subject, ()), Failure> {
        Ok((subject(parameters.plan), ()))
    }

    async fn perform(&self, (): &(), lease: &Lease) -> Result<(), Failure> {
        lease.check().expect("a lease that has just been taken");
        for _ in 0..2_000 {
            lease.check()?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the lease doesn't end")
    }

    async fn conclude(&self, _: &mut Step, _: &Request, (): &(), (): &()) -> Result<Reply, Failure> {
        unreachable!("its lease has ended")
    }
}

#[tokio::test]
async fn a_lease_ends_by_the_machines_time_too() {
    let fixture = Fixture::new().await;
    // The fixture's clock stands still: only the process's own time runs out.
    let journal = fixture.with_lease(TimeDelta::seconds(1));
    let stopped = journal.run_outside(&Endless, &request("a", 1)).await;
    assert!(is_busy(&stopped), "{stopped:?}");
    assert_eq!((fixture.recorded().await, fixture.intents().await), ((0, 0), 1));
}
