//! The two ways of a command: inside the database only, or with something outside that must happen too.

use async_trait::async_trait;
use messages::{Action, CommandKey, Refusal, Reply, Request, Subject};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::intent::{Slot, Taken};
use crate::{Failure, Journal, Keep, Lease, Seen, Step};

/// Its first attempt failed between two looks at it.
const ANEW: &str = "the same command has just failed; it begins anew";

/// What a command came to inside its step.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is done; this is the reply.
    Answer(Reply, Keep),
    /// An event of another role will bring the answer; the caller waits.
    Later,
}

/// A command that changes the database only.
#[async_trait]
pub trait DatabaseCommand<A: Action>: Send + Sync {
    /// Does it, in one step. A refusal rolls the step back and is saved.
    async fn decide(&self, step: &mut Step, request: &Request, parameters: &A) -> Result<Decision, Failure>;
}

/// A command that touches something outside the database.
///
/// `plan` is committed as an intent before `perform` begins, so that whoever takes over after a crash does the same.
#[async_trait]
pub trait OutsideCommand<A: Action>: Send + Sync {
    /// What is about to be done; everything that a repeat must find the same again.
    type Plan: Serialize + DeserializeOwned + Send + Sync;
    /// What came of it.
    type Performed: Send + Sync;

    /// What the command is about, where its parameters say so; else [`Self::plan`] looks it up.
    fn subject(&self, _parameters: &A) -> Option<Subject> {
        None
    }

    /// Loads and decides. Runs in the transaction that takes the subject's intent slot, after it is taken; before it
    /// only to look up what the command is about.
    async fn plan(&self, step: &mut Step, request: &Request, parameters: &A) -> Result<(Subject, Self::Plan), Failure>;

    /// Does it outside; idempotent. Asks the lease before each call.
    async fn perform(&self, plan: &Self::Plan, lease: &Lease) -> Result<Self::Performed, Failure>;

    /// Writes down what came of it, in the transaction that frees the slot and saves the reply.
    ///
    /// A refusal rolls back what it wrote; the slot is freed all the same, and the refusal is the reply.
    async fn conclude(
        &self,
        step: &mut Step,
        request: &Request,
        plan: &Self::Plan,
        performed: &Self::Performed,
    ) -> Result<Reply, Failure>;
}

impl Journal {
    /// Walks a database command. None: the caller waits for a later event.
    pub async fn run_database<A, H>(&self, handler: &H, request: &Request) -> Result<Option<Reply>, Failure>
    where
        A: Action,
        H: DatabaseCommand<A>,
    {
        let parameters: A = match request.parameters() {
            Ok(parameters) => parameters,
            Err(refusal) => return self.refuse_unreadable(request, &refusal).await.map(Some),
        };
        let (key, fingerprint) = (request.key()?, request.fingerprint(&parameters));
        if let Err(refusal) = self.check_deadline(request) {
            return match self.seen(&key, &fingerprint).await? {
                Seen::New => self.save_refusal(&key, request, &fingerprint, &refusal).await.map(Some),
                Seen::Answered(_) | Seen::Pending => self.join(&key, &fingerprint, request).await,
            };
        }
        let mut step = self.step().await?;
        if !step.accept(&key, request, &fingerprint).await? {
            drop(step);
            return self.join(&key, &fingerprint, request).await;
        }
        match handler.decide(&mut step, request, &parameters).await {
            Ok(Decision::Answer(reply, keep)) => {
                step.answer(&key, &reply, keep).await?;
                step.commit().await?;
                Ok(Some(reply))
            }
            Ok(Decision::Later) => {
                if let Some(caller) = &request.caller {
                    step.wait(&key, caller).await?;
                }
                step.commit().await?;
                Ok(None)
            }
            Err(Failure::Refused(refusal)) => {
                drop(step);
                self.save_refusal(&key, request, &fingerprint, &refusal).await.map(Some)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The same command again while the first is being worked on: its caller gets the same answer.
    async fn join(&self, key: &CommandKey, fingerprint: &[u8], request: &Request) -> Result<Option<Reply>, Failure> {
        let mut seen = self.seen(key, fingerprint).await?;
        if let (Seen::Pending, Some(caller)) = (&seen, &request.caller) {
            let mut step = self.step().await?;
            if step.wait(key, caller).await? {
                step.commit().await?;
                return Ok(None);
            }
            drop(step);
            // The caller waits already, or the answer has come meanwhile.
            seen = self.seen(key, fingerprint).await?;
        }
        match seen {
            Seen::Answered(reply) => Ok(Some(reply)),
            Seen::Pending => Ok(None),
            Seen::New => Err(Failure::Busy(ANEW.to_owned())),
        }
    }

    /// Walks a command that touches the outside: intent, perform, conclude. Also resumes one that was interrupted.
    pub async fn run_outside<A, H>(&self, handler: &H, request: &Request) -> Result<Reply, Failure>
    where
        A: Action,
        H: OutsideCommand<A>,
    {
        let parameters: A = match request.parameters() {
            Ok(parameters) => parameters,
            Err(refusal) => return self.refuse_unreadable(request, &refusal).await,
        };
        let (key, fingerprint) = (request.key()?, request.fingerprint(&parameters));
        let begun = match self.check_deadline(request) {
            Ok(()) => self.begin_outside(handler, request, &parameters, &key, &fingerprint).await,
            Err(refusal) if self.seen(&key, &fingerprint).await? == Seen::New => Err(refusal.into()),
            Err(_) => Ok(None),
        };
        let (lease, plan) = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => match self.seen(&key, &fingerprint).await? {
                Seen::Answered(reply) => return Ok(reply),
                Seen::Pending => match self.resume(&key).await? {
                    Taken::Leased(lease, plan) => (lease, serde_json::from_value(plan)?),
                    Taken::Busy => return Err(Failure::Busy("the same command is being worked on".to_owned())),
                    Taken::None => return self.concluded_meanwhile(&key, &fingerprint).await,
                },
                Seen::New => return Err(Failure::Busy(ANEW.to_owned())),
            },
            Err(Failure::Refused(refusal)) => return self.save_refusal(&key, request, &fingerprint, &refusal).await,
            Err(failure) => return Err(failure),
        };
        self.finish_outside(handler, request, &lease, &plan).await
    }

    /// The answer of a command that had no intent any more; that it has neither is for a person.
    async fn concluded_meanwhile(&self, key: &CommandKey, fingerprint: &[u8]) -> Result<Reply, Failure> {
        match self.seen(key, fingerprint).await? {
            Seen::Answered(reply) => Ok(reply),
            Seen::New | Seen::Pending => {
                Err(Failure::Unavailable(format!("command {} has neither answer nor intent", key.message_id)))
            }
        }
    }

    /// Commits what is about to be done. None: the command was taken before.
    async fn begin_outside<A, H>(
        &self,
        handler: &H,
        request: &Request,
        parameters: &A,
        key: &CommandKey,
        fingerprint: &[u8],
    ) -> Result<Option<(Lease, H::Plan)>, Failure>
    where
        A: Action,
        H: OutsideCommand<A>,
    {
        let busy = |what: &str| Failure::Busy(format!("{what} is being worked on"));
        let mut step = self.step().await?;
        let slot = if let Some(subject) = handler.subject(parameters) {
            step.accept_with_slot(self.lease, &subject.to_string(), key, request, fingerprint).await?
        } else if step.accept(key, request, fingerprint).await? {
            let (subject, _) = handler.plan(&mut step, request, parameters).await?;
            step.take_slot(self.lease, &subject.to_string(), key, request).await?
        } else {
            Slot::KnownCommand
        };
        let lease = match slot {
            Slot::Leased(lease) => lease,
            Slot::KnownCommand => return Ok(None),
            Slot::Held => {
                // Who may not touch the account doesn't learn that somebody else does.
                handler.plan(&mut step, request, parameters).await?;
                return Err(busy("another command of the same account"));
            }
        };
        // With the slot in hand: what was read before may have been changed by the command that held it.
        let (subject, plan) = handler.plan(&mut step, request, parameters).await?;
        if subject.to_string() != lease.subject {
            return Err(busy("the account that is meant"));
        }
        step.put_plan(&lease, &serde_json::to_value(&plan)?).await?;
        step.commit().await?;
        Ok(Some((lease, plan)))
    }

    async fn finish_outside<A, H>(
        &self,
        handler: &H,
        request: &Request,
        lease: &Lease,
        plan: &H::Plan,
    ) -> Result<Reply, Failure>
    where
        A: Action,
        H: OutsideCommand<A>,
    {
        let mut outcome = match handler.perform(plan, lease).await {
            Ok(performed) => self.conclude_outside(handler, request, lease, plan, Ok(&performed)).await,
            Err(failure) => Err(failure),
        };
        if let Err(Failure::Refused(refusal)) = &outcome {
            outcome = self.conclude_outside(handler, request, lease, plan, Err(refusal)).await;
        }
        if outcome.is_err()
            && let Err(error) = self.release(lease).await
        {
            tracing::warn!(subject = lease.subject, %error, "a failed attempt keeps its intent until the lease ends");
        }
        outcome
    }

    /// Frees the slot and saves the reply, with what `conclude` writes or, after a refusal, without.
    async fn conclude_outside<A, H>(
        &self,
        handler: &H,
        request: &Request,
        lease: &Lease,
        plan: &H::Plan,
        performed: Result<&H::Performed, &Refusal>,
    ) -> Result<Reply, Failure>
    where
        A: Action,
        H: OutsideCommand<A>,
    {
        let mut step = self.step().await?;
        if !step.free_slot(lease).await? {
            return Err(lease.overtaken());
        }
        let reply = match performed {
            Ok(performed) => handler.conclude(&mut step, request, plan, performed).await?,
            Err(refusal) => Reply::refused(&request.action, refusal),
        };
        step.answer(&lease.key, &reply, Keep::ForDays).await?;
        step.commit().await?;
        Ok(reply)
    }

    /// Saves the refusal of a command whose parameters can't be read, so that a caller who comes back later finds it.
    async fn refuse_unreadable(&self, request: &Request, refusal: &Refusal) -> Result<Reply, Failure> {
        let (key, fingerprint) = (request.key()?, request.raw_fingerprint());
        match self.seen(&key, &fingerprint).await? {
            Seen::Answered(reply) => Ok(reply),
            Seen::New | Seen::Pending => self.save_refusal(&key, request, &fingerprint, refusal).await,
        }
    }

    fn check_deadline(&self, request: &Request) -> Result<(), Refusal> {
        match request.deadline {
            Some(deadline) if self.clock.now() > deadline => Err(Refusal::cancelled(format!(
                "the command's deadline {} has passed; nothing was done",
                deadline.to_rfc3339()
            ))),
            _ => Ok(()),
        }
    }
}
