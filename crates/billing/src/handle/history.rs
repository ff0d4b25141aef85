//! `history`: what happened to a plan or to an account, newest first.

use async_trait::async_trait;
use chrono::SubsecRound;
use history::{Failure, read_log};
use messages::{History, HistoryEntryReply, HistoryReply, Refusal, Request, Scope, Subject};
use model::S3Uid;
use runtime::Query;

use crate::{Billing, store};

const LIMIT_DEFAULT: i64 = 100;
const LIMIT_MAX: i64 = 500;

#[async_trait]
impl Query<History> for Billing {
    type Reply = HistoryReply;

    async fn answer(&self, request: &Request, parameters: History) -> Result<HistoryReply, Failure> {
        let limit = parameters.limit.unwrap_or(LIMIT_DEFAULT);
        let offset = parameters.offset.unwrap_or(0);
        if !(1..=LIMIT_MAX).contains(&limit) || offset < 0 {
            return Err(Refusal::new(format!("limit must be 1 to {LIMIT_MAX} and offset 0 or more")).into());
        }
        let subject = match (&parameters.s3uid, parameters.id) {
            (Some(s3uid), None) => self.account(request, s3uid).await?,
            (None, Some(id)) => self.plan(request, id).await?,
            _ => return Err(Refusal::new("either id (of a plan) or s3uid (of an account) required").into()),
        };
        let entries = read_log(&self.pool, &subject, limit, offset).await?;
        let reply = |entry: history::LogEntry| HistoryEntryReply {
            id: entry.id,
            event: entry.event.replace('.', "_"),
            description: entry.description,
            created_at: entry.recorded_at.trunc_subsecs(0),
        };
        Ok(HistoryReply { data: entries.into_iter().map(reply).collect() })
    }
}

impl Billing {
    /// An account that the caller owns, or ordered.
    async fn account(&self, request: &Request, s3uid: &str) -> Result<Subject, Failure> {
        let s3uid: S3Uid = s3uid.parse().map_err(|_| Refusal::account_not_found())?;
        let customer_id = Scope::of(request.principal, None)?.customer_id();
        let mut connection = self.pool.acquire().await?;
        if !store::services::owns_account(&mut connection, customer_id.map(|id| id.0), &s3uid).await? {
            return Err(Refusal::account_not_found().into());
        }
        Ok(Subject::Account(s3uid))
    }

    /// A plan that the caller could order.
    async fn plan(&self, request: &Request, id: model::PlanId) -> Result<Subject, Failure> {
        let wanted = messages::ListPlans { id: Some(id), location: None };
        self.answer(request, wanted).await?;
        Ok(Subject::Plan(id))
    }
}
