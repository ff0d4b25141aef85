//! Which message goes to which handler: a role's `routes.rs` fills this table.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use history::{DatabaseCommand, Failure, Journal, OutsideCommand, Step};
use messages::{Action, Event, EventData, Reply, Request};
use serde::Serialize;

/// Answers a query; changes nothing.
#[async_trait]
pub trait Query<A: Action>: Send + Sync {
    /// The reply's own fields, beside `result` and `action`.
    type Reply: Serialize;

    /// Reads and answers.
    async fn answer(&self, request: &Request, parameters: A) -> Result<Self::Reply, Failure>;
}

/// Acts on an event of another role. Events may come twice: what is done must be done once all the same.
#[async_trait]
pub trait Consume<D: EventData>: Send + Sync {
    /// Acts, in one step that is committed afterwards.
    async fn consume(&self, step: &mut Step, event: &Event, data: D) -> Result<(), Failure>;
}

type RequestHandler<S> =
    Box<dyn Fn(Arc<S>, Journal, Request) -> BoxFuture<'static, Result<Option<Reply>, Failure>> + Send + Sync>;
type EventHandler<S> =
    Box<dyn Fn(Arc<S>, Journal, Event, Option<String>) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// A role's table: message to handler. `S` is the role's state, on which the handlers are implemented.
pub struct Routes<S> {
    requests: HashMap<&'static str, RequestHandler<S>>,
    events: HashMap<&'static str, EventHandler<S>>,
}

impl<S: Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { requests: HashMap::new(), events: HashMap::new() }
    }
}

impl<S: Send + Sync + 'static> Routes<S> {
    /// A query under its own name.
    #[must_use]
    pub fn query<A: Action>(self) -> Self
    where
        S: Query<A>,
    {
        self.query_as::<A>(A::NAME)
    }

    /// A query under another name; its reply names the query itself.
    #[must_use]
    pub fn query_as<A: Action>(mut self, name: &'static str) -> Self
    where
        S: Query<A>,
    {
        let handler: RequestHandler<S> = Box::new(|state, _journal, request| {
            async move {
                let parameters: A = request.parameters()?;
                let reply = state.answer(&request, parameters).await?;
                Ok(Some(Reply::success(A::NAME, &reply)))
            }
            .boxed()
        });
        self.requests.insert(name, handler);
        self
    }

    /// A command that changes the database only.
    #[must_use]
    pub fn database_command<A: Action>(mut self) -> Self
    where
        S: DatabaseCommand<A>,
    {
        let handler: RequestHandler<S> = Box::new(|state, journal, request| {
            async move { journal.run_database::<A, S>(&state, &request).await }.boxed()
        });
        self.requests.insert(A::NAME, handler);
        self
    }

    /// A command that touches something outside the database.
    #[must_use]
    pub fn outside_command<A: Action>(mut self) -> Self
    where
        S: OutsideCommand<A>,
    {
        let handler: RequestHandler<S> = Box::new(|state, journal, request| {
            async move { journal.run_outside::<A, S>(&state, &request).await.map(Some) }.boxed()
        });
        self.requests.insert(A::NAME, handler);
        self
    }

    /// An event of another role.
    #[must_use]
    pub fn event<D: EventData + 'static>(mut self) -> Self
    where
        S: Consume<D>,
    {
        let handler: EventHandler<S> = Box::new(|state, journal, event, traceparent| {
            async move {
                let data: D = serde_json::from_value(event.data.clone())?;
                let mut step = journal.step().await?;
                step.continue_trace(traceparent);
                state.consume(&mut step, &event, data).await?;
                step.commit().await
            }
            .boxed()
        });
        self.events.insert(D::EVENT, handler);
        self
    }

    pub(crate) fn request_handler(&self, action: &str) -> Option<&RequestHandler<S>> {
        self.requests.get(action)
    }

    pub(crate) fn event_handler(&self, event: &str) -> Option<&EventHandler<S>> {
        self.events.get(event)
    }
}

impl<S> std::fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("requests", &self.requests.keys()).field("events", &self.events.keys()).finish()
    }
}
