//! `account.deleted`: the account is gone, so its service has ended, and whoever asked for it is answered.

use async_trait::async_trait;
use history::{Failure, Keep, Record, Step};
use messages::{
    AccountDeleted, Action, DeleteAccount, DeleteAccountReply, Event, EventData, Reply, ServiceEnded, Subject,
};
use model::PlainTime;
use runtime::Consume;

use crate::{Billing, store};

#[async_trait]
impl Consume<AccountDeleted> for Billing {
    async fn consume(&self, step: &mut Step, _event: &Event, data: AccountDeleted) -> Result<(), Failure> {
        let now = step.now();
        // None: the event came twice.
        let Some(ended) = store::services::end(step.connection(), &data.s3uid, now).await? else { return Ok(()) };
        step.record(Record {
            event: ServiceEnded::EVENT,
            subject: Subject::Account(data.s3uid.clone()),
            customer_id: Some(ended.customer_id),
            actor: "billing",
            description: format!("Service {} has ended", ended.id),
            data: &ServiceEnded { service_id: ended.id, s3uid: data.s3uid.clone() },
            traceparent: None,
        })
        .await?;
        let Some(key) = ended.requested_by else { return Ok(()) };
        let reply = DeleteAccountReply { cancellation_date: PlainTime(ended.terminated_at) };
        let reply = Reply::success(DeleteAccount::NAME, &reply);
        step.answer_waiting(&key, DeleteAccount::NAME, &reply, Keep::ForDays).await
    }
}
