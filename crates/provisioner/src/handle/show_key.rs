//! `show_key`: one half of an account's key pair. Every look is written down before it is shown.

use async_trait::async_trait;
use history::{Failure, Record};
use messages::{EventData, KeyKind, KeyShown, Refusal, RefusalKind, Request, ShowKey, ShowKeyReply, Subject};
use runtime::Query;
use secrecy::ExposeSecret;
use serde_json::json;

use super::requested_account;
use crate::Provisioner;

#[async_trait]
impl Query<ShowKey> for Provisioner {
    type Reply = ShowKeyReply;

    async fn answer(&self, request: &Request, parameters: ShowKey) -> Result<ShowKeyReply, Failure> {
        let account = requested_account(&self.pool, request, parameters.s3uid.as_deref(), parameters.id)
            .await
            .map_err(not_found)?;
        let keys = self.keys(&account)?;
        let mut step = self.journal.step().await?;
        step.record(Record {
            event: KeyShown::EVENT,
            subject: Subject::Account(account.s3uid.clone()),
            customer_id: Some(account.customer_id),
            actor: &request.principal.actor(),
            description: match parameters.s3_key {
                KeyKind::SecretKey => "Secret key shown".to_owned(),
                KeyKind::AccessKey => "Access key shown".to_owned(),
            },
            data: &KeyShown { s3uid: account.s3uid.clone(), s3_key: parameters.s3_key },
            traceparent: request.traceparent.as_deref(),
        })
        .await?;
        step.commit().await?;
        Ok(ShowKeyReply {
            key: match parameters.s3_key {
                KeyKind::SecretKey => keys.secret_key.expose_secret().to_owned(),
                KeyKind::AccessKey => keys.access_key,
            },
        })
    }
}

/// This action has words of its own for an account that isn't the caller's.
fn not_found(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(refusal) if refusal.kind == RefusalKind::NotFound => {
            let details = json!({"error": refusal.message});
            Refusal::not_found("s3/show_key: customer not found").with_details(details).into()
        }
        other => other,
    }
}
