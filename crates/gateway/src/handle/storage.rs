//! `/storage/…`: an action by method and path; the HTTP status is the reply's `code`.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use messages::Encoding;
use serde::Deserialize;
use serde_json::json;
use tracing::error;

use super::finish;
use crate::Gateway;
use crate::ask::{Answer, ask, idempotency_key};
use crate::domain::call::Call;
use crate::domain::fault::{Fault, Shape};
use crate::domain::storage_path;
use crate::incoming::Incoming;
use crate::observe::Observed;

/// Any method.
pub(crate) async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let mut observed = Observed::default();
    let answer = answer(&gateway, request, &mut observed).await;
    finish(answer, Shape::Storage, observed)
}

async fn answer(gateway: &Gateway, request: Request, observed: &mut Observed) -> Result<Response, Fault> {
    let (spec, name) = storage_path::resolve(request.method(), request.uri().path())?;
    observed.action = Some(spec.name);
    let mut incoming = Incoming::read(gateway, request).await?;
    let parameters = std::mem::take(&mut incoming.parameters);
    let call = Call::of_storage(spec, name, incoming.header(header::AUTHORIZATION), parameters);
    match ask(gateway, call, &incoming, observed).await? {
        Answer::Reply(body) => {
            let status = status(&body).ok_or_else(|| {
                error!(action = spec.name, "a role's reply has no status");
                Fault::Unreadable
            })?;
            Ok((status, [(header::CONTENT_TYPE, Encoding::Json.content_type())], body).into_response())
        }
        Answer::Callback { key, id } => {
            let body = json!({ "code": 202, "message": "accepted", "result": { "callback": key } });
            Ok((StatusCode::ACCEPTED, idempotency_key(id), axum::Json(body)).into_response())
        }
    }
}

fn status(reply: &[u8]) -> Option<StatusCode> {
    #[derive(Deserialize)]
    struct Envelope {
        code: u16,
    }
    let Envelope { code } = serde_json::from_slice(reply).ok()?;
    StatusCode::from_u16(code).ok().filter(|status| status.as_u16() >= 200)
}
