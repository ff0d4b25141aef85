//! A world outside the database and a handler whose steps fail, stop or wait as told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use history::{Failure, Lease, OutsideCommand, Step};
use messages::{Refusal, Reply, Request, Subject};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::fixture::{MakeThing, break_commit, cut_connection, record, subject};

/// Where something happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Plan,
    BeforeEffect,
    AfterEffect,
    Conclude,
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The handler says so.
    Unavailable,
    /// The handler says so.
    Refused,
    /// The database goes away; only where a step is open.
    ConnectionLost,
    /// The step's commit fails; only where a step is open.
    CommitFails,
    /// It stops until [`World::wake`].
    Frozen,
}

/// What exists outside, and who was there; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    inner: Arc<Inner>,
    names_subject: bool,
}

#[derive(Debug)]
struct Inner {
    faults: Mutex<VecDeque<(Place, Fault)>>,
    things: Mutex<BTreeSet<String>>,
    creations: Mutex<Vec<String>>,
    plans: Mutex<Vec<Plan>>,
    frozen: Mutex<Vec<Place>>,
    wake: Semaphore,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) about: i64,
    /// How many things there were when it was planned.
    pub(crate) things: i64,
    /// Differs each time it is planned.
    pub(crate) generated: String,
}

impl World {
    /// A world in which each of `faults` happens once, in this order.
    pub(crate) fn new(faults: &[(Place, Fault)]) -> Self {
        let inner = Inner {
            faults: Mutex::new(faults.iter().copied().collect()),
            things: Mutex::default(),
            creations: Mutex::default(),
            plans: Mutex::default(),
            frozen: Mutex::default(),
            wake: Semaphore::new(0),
        };
        Self { inner: Arc::new(inner), names_subject: false }
    }

    /// The same, but its commands say what they are about; the others' plans must look it up.
    pub(crate) fn naming_its_subject(self) -> Self {
        Self { names_subject: true, ..self }
    }

    /// One of each kind.
    pub(crate) fn both(faults: &[(Place, Fault)]) -> [Self; 2] {
        [Self::new(faults), Self::new(faults).naming_its_subject()]
    }

    /// What was made, once for each time it was made anew.
    pub(crate) fn creations(&self) -> Vec<String> {
        self.inner.creations.lock().expect("creations").clone()
    }

    /// The plans that were performed, once per attempt.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        self.inner.plans.lock().expect("plans").clone()
    }

    /// How many have stopped so far.
    pub(crate) fn frozen(&self) -> usize {
        self.inner.frozen.lock().expect("frozen").len()
    }

    /// Lets one that has stopped go on.
    pub(crate) fn wake(&self) {
        self.inner.wake.add_permits(1);
    }

    fn next_fault(&self, here: Place) -> Option<Fault> {
        let mut faults = self.inner.faults.lock().expect("faults");
        match faults.front() {
            Some((place, _)) if *place == here => faults.pop_front().map(|(_, fault)| fault),
            _ => None,
        }
    }

    async fn pass(&self, here: Place, step: Option<&mut Step>) -> Result<(), Failure> {
        match (self.next_fault(here), step) {
            (None, _) => {}
            (Some(Fault::Unavailable), _) => return Err(Failure::Unavailable(format!("{here:?} fails"))),
            (Some(Fault::Refused), _) => return Err(Refusal::new(format!("{here:?} refuses")).into()),
            (Some(Fault::Frozen), _) => {
                self.inner.frozen.lock().expect("frozen").push(here);
                self.inner.wake.acquire().await.expect("open").forget();
            }
            (Some(Fault::ConnectionLost), Some(step)) => cut_connection(step).await,
            (Some(Fault::CommitFails), Some(step)) => break_commit(step).await,
            (Some(fault), None) => unreachable!("{fault:?} needs a step"),
        }
        Ok(())
    }
}

#[async_trait]
impl OutsideCommand<MakeThing> for World {
    type Plan = Plan;
    type Performed = ();

    fn subject(&self, parameters: &MakeThing) -> Option<Subject> {
        self.names_subject.then(|| subject(parameters.plan))
    }

    async fn plan(
        &self,
        step: &mut Step,
        _request: &Request,
        parameters: &MakeThing,
    ) -> Result<(Subject, Plan), Failure> {
        self.pass(Place::Plan, Some(step)).await?;
        let things = sqlx::query_scalar("SELECT count(*) FROM things").fetch_one(step.connection()).await;
        // After a cut connection the failure is the step's to notice.
        let things = things.unwrap_or_default();
        let generated = uuid::Uuid::new_v4().to_string();
        let plan = Plan { name: parameters.name.clone(), about: parameters.plan, things, generated };
        Ok((subject(parameters.plan), plan))
    }

    async fn perform(&self, plan: &Plan, lease: &Lease) -> Result<(), Failure> {
        lease.check()?;
        self.inner.plans.lock().expect("plans").push(plan.clone());
        self.pass(Place::BeforeEffect, None).await?;
        if self.inner.things.lock().expect("things").insert(plan.name.clone()) {
            self.inner.creations.lock().expect("creations").push(plan.name.clone());
        }
        self.pass(Place::AfterEffect, None).await
    }

    async fn conclude(&self, step: &mut Step, _: &Request, plan: &Plan, (): &()) -> Result<Reply, Failure> {
        sqlx::query("INSERT INTO things VALUES ($1, 'outside')").bind(&plan.name).execute(step.connection()).await?;
        record(step, plan.about, &plan.name).await?;
        self.pass(Place::Conclude, Some(step)).await?;
        Ok(Reply::success("make_thing", &json!({"name": plan.name, "generated": plan.generated})))
    }
}
