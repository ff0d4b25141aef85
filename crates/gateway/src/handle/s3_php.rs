//! `/s3.php`: an action by its parameter `action`; the role's reply is shown as it is.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use messages::Encoding;
use serde_json::json;

use super::finish;
use crate::Gateway;
use crate::ask::{Answer, ask, idempotency_key};
use crate::domain::call::Call;
use crate::domain::fault::{Fault, Shape};
use crate::incoming::Incoming;
use crate::observe::Observed;

/// GET and POST.
pub(crate) async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let mut observed = Observed::default();
    let answer = answer(&gateway, request, &mut observed).await;
    finish(answer, Shape::S3Php, observed)
}

async fn answer(gateway: &Gateway, request: Request, observed: &mut Observed) -> Result<Response, Fault> {
    let mut incoming = Incoming::read(gateway, request).await?;
    let parameters = std::mem::take(&mut incoming.parameters);
    let call = Call::of_s3_php(&incoming.method, incoming.header(header::AUTHORIZATION), parameters)?;
    let action = call.spec.name;
    Ok(match ask(gateway, call, &incoming, observed).await? {
        Answer::Reply(body) => ([(header::CONTENT_TYPE, Encoding::Json.content_type())], body).into_response(),
        Answer::Callback { key, id } => {
            let body = json!({ "result": "OK", "action": action, "callback": key });
            (idempotency_key(id), axum::Json(body)).into_response()
        }
    })
}
