//! What a role remembers about the commands it was sent.

use std::sync::Arc;

use chrono::TimeDelta;
use messages::{CommandKey, Refusal, Reply, Request, RoleName};
use model::Clock;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::{Failure, Step};

/// How long answers are kept, where nothing else is said: so long the same command again is answered and not done again.
pub const ANSWERS_KEPT: TimeDelta = TimeDelta::days(7);

/// What is known of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Nothing.
    New,
    /// It was taken and isn't answered yet.
    Pending,
    /// It was answered.
    Answered(Reply),
}

/// Seals replies that hold a secret, for a role that has such replies.
pub trait ReplySealer: std::fmt::Debug + Send + Sync {
    /// Seals the text of a command's reply.
    fn seal(&self, key: &CommandKey, text: &str) -> Vec<u8>;

    /// Opens what was sealed for the same command.
    fn open(&self, key: &CommandKey, sealed: &[u8]) -> Result<String, Failure>;
}

/// A role's memory: its pool, its name, its clock. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(crate) pool: PgPool,
    pub(crate) role: RoleName,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: TimeDelta,
    pub(crate) answers_kept: TimeDelta,
    pub(crate) committed: Arc<Notify>,
    pub(crate) sealer: Option<Arc<dyn ReplySealer>>,
}

impl Journal {
    /// The journal of `role`, whose schema is the `search_path` of `pool`. An attempt holds an intent for `lease`.
    pub fn new(pool: PgPool, role: RoleName, clock: Arc<dyn Clock>, lease: TimeDelta) -> Self {
        let committed = Arc::new(Notify::new());
        Self { pool, role, clock, lease, answers_kept: ANSWERS_KEPT, committed, sealer: None }
    }

    /// The same journal, which can save replies that hold a secret.
    #[must_use]
    pub fn with_sealer(self, sealer: Arc<dyn ReplySealer>) -> Self {
        Self { sealer: Some(sealer), ..self }
    }

    pub(crate) fn sealer(&self) -> Result<&dyn ReplySealer, Failure> {
        self.sealer.as_deref().ok_or_else(|| Failure::Unavailable("this role seals no replies".to_owned()))
    }

    /// The role's pool, for reads outside a step.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The clock that everything in this role is timed by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Opens a step.
    pub async fn step(&self) -> Result<Step, Failure> {
        Ok(Step::new(self.clone(), self.pool.begin().await?))
    }

    /// What is known of this command. The same id with another action or other parameters is refused.
    pub async fn seen(&self, key: &CommandKey, fingerprint: &[u8]) -> Result<Seen, Failure> {
        let row = sqlx::query!(
            "SELECT fingerprint, reply, sealed_reply FROM answered_commands WHERE principal = $1 AND message_id = $2",
            key.principal,
            key.message_id
        )
        .fetch_optional(&self.pool)
        .await?;
        match row {
            None => Ok(Seen::New),
            Some(row) if row.fingerprint != fingerprint => Err(Refusal::new(format!(
                "message_id {} was used before for another command; a new command needs a new id",
                key.message_id
            ))
            .into()),
            Some(row) => match (row.reply, row.sealed_reply) {
                (Some(reply), _) => Ok(Seen::Answered(Reply::from_json_text(reply))),
                (None, Some(sealed)) => {
                    let text = self.sealer()?.open(key, &sealed)?;
                    Ok(Seen::Answered(Reply::from_json_text(text).secret()))
                }
                (None, None) => Ok(Seen::Pending),
            },
        }
    }

    /// Saves the refusal of a command of which nothing is known yet, in a step of its own.
    pub(crate) async fn save_refusal(
        &self,
        key: &CommandKey,
        request: &Request,
        fingerprint: &[u8],
        refusal: &Refusal,
    ) -> Result<Reply, Failure> {
        let mut step = self.step().await?;
        let reply = Reply::refused(&request.action, refusal);
        if !step.accept(key, request, fingerprint).await? {
            // A twin was quicker; what it saved is the answer.
            drop(step);
            return match self.seen(key, fingerprint).await? {
                Seen::Answered(saved) => Ok(saved),
                Seen::New | Seen::Pending => Err(Failure::Busy("the same command is being worked on".to_owned())),
            };
        }
        step.answer(key, &reply, crate::Keep::ForDays).await?;
        step.commit().await?;
        Ok(reply)
    }

    /// Forgets answers whose time is over; returns how many.
    pub async fn forget_expired(&self) -> Result<u64, Failure> {
        let now = self.clock.now();
        // None expires sooner after it was received, and that time has an index.
        let done = sqlx::query!(
            "DELETE FROM answered_commands WHERE received_at < $1 AND expires_at < $2 AND answered_at IS NOT NULL",
            now - self.answers_kept,
            now
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
