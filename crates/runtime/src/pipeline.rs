//! The one way of a message through a role: trusted? readable? known? then its handler, then what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use history::{Failure, Journal};
use messages::{
    ActionKind, ActionSpec, Api, CallerAddress, Delivery, Event, Outcome, ParkReason, Refusal, RefusalKind, Reply,
    Request, RequestError, RetryKind,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::Routes;
use crate::observe::{Label, observe};
use crate::shares::Shares;

/// Nobody waits longer for the answer to a query.
const QUERY_TIME_MAX: Duration = Duration::from_secs(30);

/// Whose word counts when a message says who is asking.
#[derive(Debug, Clone, Default)]
pub struct TrustedPublishers {
    /// Broker users that resolve tokens themselves: the gateway's, the PHP frontend's.
    pub frontends: BTreeSet<String>,
    /// The workers' broker users; only they may send internal commands and events.
    pub roles: BTreeSet<String>,
}

/// A role's state, journal and routes, as the consumers share them.
#[derive(Debug)]
pub(crate) struct Pipeline<S> {
    pub(crate) state: Arc<S>,
    pub(crate) journal: Journal,
    pub(crate) routes: Routes<S>,
    pub(crate) trusted: TrustedPublishers,
    pub(crate) commands: Shares,
    pub(crate) queries: Shares,
    /// What waits for its turn is given back then.
    pub(crate) ending: CancellationToken,
}

impl<S: Send + Sync + 'static> Pipeline<S> {
    /// Handles a command or a query; `is_crowded` where it has waited among those that are too many of one caller's.
    pub(crate) async fn request(&self, delivery: Delivery, is_crowded: bool) -> Outcome {
        let started = Instant::now();
        let action = delivery.message_type.clone().unwrap_or_default();
        let outcome = self.try_request(&delivery, is_crowded).await;
        let label = messages::find_action(&action).map_or("unknown", |spec| spec.name);
        observe(Label::Action(label), &delivery, &outcome, started, self.journal.clock().now());
        outcome
    }

    async fn try_request(&self, delivery: &Delivery, is_crowded: bool) -> Outcome {
        let publisher = delivery.publisher.as_deref().unwrap_or_default();
        let from_role = self.trusted.roles.contains(publisher);
        if !from_role && !self.trusted.frontends.contains(publisher) {
            return park(ParkReason::Untrusted, format!("publisher {publisher:?} is not trusted"), None);
        }
        let (request, spec) = match Request::decode(delivery) {
            Ok(decoded) => decoded,
            Err(RequestError::Refused(refusal)) => return refused(delivery, from_role, reply_to(delivery, &refusal)),
            Err(RequestError::UnknownAction(name)) => return unknown(&name),
            Err(error @ RequestError::Undecodable(_)) => {
                let detail = error.to_string();
                let action = delivery.message_type.as_deref().unwrap_or_default();
                let reply = Reply::refused(action, &Refusal::new(detail.clone()));
                return park(ParkReason::Undecodable, detail, Some(reply));
            }
        };
        if spec.api == Api::Internal && !from_role {
            return park(ParkReason::Untrusted, format!("{} is sent by roles only", spec.name), None);
        }
        let is_query = spec.kind == ActionKind::Query;
        if is_query && request.caller.is_none() {
            return Outcome::Done(None);
        }
        let Some(handler) = self.routes.request_handler(spec.name) else { return unknown(spec.name) };
        let shares = if is_query { &self.queries } else { &self.commands };
        let place = if is_crowded { shares.any_place(request.principal) } else { shares.place(request.principal) };
        let Some(place) = place else { return crowded(spec) };
        let outcome = if is_query {
            let work = async {
                let _turn = place.turn().await;
                handler(Arc::clone(&self.state), self.journal.clone(), request).await
            };
            let late = |_| Err(Failure::Unavailable("it took too long".to_owned()));
            timeout(QUERY_TIME_MAX, work).await.unwrap_or_else(late)
        } else {
            let turn = tokio::select! {
                biased;
                turn = place.turn() => turn,
                () = self.ending.cancelled() => return Outcome::Postpone,
            };
            let outcome = handler(Arc::clone(&self.state), self.journal.clone(), request).await;
            drop(turn);
            outcome
        };
        match outcome {
            Ok(Some(reply)) if reply.is_refusal() => refused(delivery, from_role, reply),
            Ok(reply) => Outcome::Done(reply),
            Err(Failure::Refused(refusal)) => refused(delivery, from_role, reply_to(delivery, &refusal)),
            Err(failure) if is_query => unavailable(spec.name, &failure),
            Err(failure) => again(failure),
        }
    }

    /// Handles an event of another role.
    pub(crate) async fn event(&self, delivery: Delivery) -> Outcome {
        let started = Instant::now();
        let outcome = self.try_event(&delivery).await;
        let event = delivery.message_type.as_deref().unwrap_or_default();
        let label = if self.routes.event_handler(event).is_some() { event } else { "unknown" };
        observe(Label::Event(label), &delivery, &outcome, started, self.journal.clock().now());
        outcome
    }

    async fn try_event(&self, delivery: &Delivery) -> Outcome {
        let publisher = delivery.publisher.as_deref().unwrap_or_default();
        if !self.trusted.roles.contains(publisher) {
            return park(ParkReason::Untrusted, format!("publisher {publisher:?} is no role"), None);
        }
        let event: Event = match messages::Encoding::from_content_type(delivery.content_type.as_deref())
            .and_then(|encoding| encoding.decode(&delivery.body))
        {
            Ok(event) => event,
            Err(error) => return park(ParkReason::Undecodable, error.to_string(), None),
        };
        let Some(handler) = self.routes.event_handler(&event.event) else {
            return park(ParkReason::UnknownType, format!("event {:?} has no handler here", event.event), None);
        };
        let traceparent = delivery.traceparent.clone().filter(|given| messages::trace_id(given).is_some());
        match handler(Arc::clone(&self.state), self.journal.clone(), event, traceparent).await {
            Ok(()) => Outcome::Done(None),
            Err(failure) => again(failure),
        }
    }

    /// Resumes an interrupted command; its reply goes to whoever waits for it.
    pub(crate) async fn resume(&self, request: Request) -> Option<(CallerAddress, Reply)> {
        let handler = self.routes.request_handler(&request.action)?;
        let caller = request.caller.clone();
        let action = request.action.clone();
        match handler(Arc::clone(&self.state), self.journal.clone(), request).await {
            Ok(Some(reply)) => caller.map(|caller| (caller, reply)),
            Ok(None) | Err(Failure::Busy(_)) => None,
            Err(failure) => {
                tracing::warn!(action, error = %failure, "an interrupted command can't be finished yet");
                None
            }
        }
    }
}

/// Later again. An event can't be refused: what its handler can't take is tried again and parked in the end.
fn again(failure: Failure) -> Outcome {
    match failure {
        Failure::Busy(error) => Outcome::Retry { kind: RetryKind::Busy, error },
        Failure::Unavailable(error) => Outcome::Retry { kind: RetryKind::Failed, error },
        Failure::Refused(refusal) => Outcome::Retry { kind: RetryKind::Failed, error: refusal.message },
    }
}

/// A query isn't tried again: its caller asks again if they still want to know.
fn unavailable(action: &str, failure: &Failure) -> Outcome {
    tracing::error!(action, error = %failure, "a query could not be answered");
    let refusal = Refusal::new("not available at the moment; please try again").of_kind(RefusalKind::Unavailable);
    Outcome::Done(Some(Reply::refused(action, &refusal)))
}

/// The caller's share is used up: a command waits, a query is refused at once.
fn crowded(spec: &ActionSpec) -> Outcome {
    match spec.kind {
        ActionKind::Command => Outcome::Postpone,
        ActionKind::Query => {
            let message = "too many of your requests are being worked on; please try again";
            let refusal = Refusal::new(message).of_kind(RefusalKind::Unavailable);
            Outcome::Done(Some(Reply::refused(spec.name, &refusal)))
        }
    }
}

fn park(reason: ParkReason, detail: String, reply: Option<Reply>) -> Outcome {
    Outcome::Park { reason, detail, reply }
}

fn unknown(name: &str) -> Outcome {
    let refusal = Refusal::new(format!("unknown action \"{name}\""));
    park(ParkReason::UnknownType, refusal.message.clone(), Some(Reply::refused(name, &refusal)))
}

fn reply_to(delivery: &Delivery, refusal: &Refusal) -> Reply {
    Reply::refused(delivery.message_type.as_deref().unwrap_or_default(), refusal)
}

/// Tells the caller; where nobody can be told, the message is kept aside, so that it isn't lost. A role that sent it
/// learns what it must know by events.
fn refused(delivery: &Delivery, from_role: bool, reply: Reply) -> Outcome {
    if from_role || CallerAddress::of(delivery).is_some() {
        return Outcome::Done(Some(reply));
    }
    park(ParkReason::RefusedUnheard, reply.refusal_message().unwrap_or_default(), None)
}
