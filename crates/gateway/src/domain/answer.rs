//! Everything the gateway itself answers: one shape, and a status where HTTP means just that.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::parameters::ParametersError;

/// The header under which a command's id is named.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RETRY_AFTER_SECONDS: u64 = 5;
const ACTION_CHARS_SHOWN: usize = 64;

/// Why a request gets no reply from a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No such path.
    NotFound,
    /// No `action` among the parameters.
    ActionRequired,
    /// An action that doesn't exist, or is none for callers.
    UnknownAction(String),
    /// The path or the action takes other methods.
    MethodNotAllowed { action: Option<&'static str>, allow: &'static str },
    /// Neither parameter nor header holds a token.
    TokenRequired,
    /// The token is unknown or was revoked.
    TokenInvalid,
    /// The token was valid once.
    TokenExpired,
    /// The request can't be read.
    BadRequest(String),
    /// The body didn't arrive in time.
    BodyTimeout,
    /// The body is larger than is read.
    BodyTooLarge { bytes_max: usize },
    /// The body is of a type that isn't read.
    UnsupportedMediaType(String),
    /// The caller has as many requests under way as they may have.
    TooManyRequests { requests_max: usize },
    /// Nobody answers this kind of request at the moment; nothing was done.
    Unavailable(&'static str),
    /// The broker was lost on the way: a command may be done, and is done once under its id.
    Lost { command_id: Option<Uuid> },
    /// No answer in time.
    TimedOut { command_id: Option<Uuid>, wait_seconds: u64 },
    /// A role answered with something that isn't JSON.
    Unreadable,
}

impl Fault {
    fn status(&self) -> StatusCode {
        match self {
            Self::ActionRequired | Self::UnknownAction(_) => StatusCode::OK,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TokenRequired | Self::TokenInvalid | Self::TokenExpired => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unreadable => StatusCode::BAD_GATEWAY,
            Self::Unavailable(_) | Self::Lost { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NotFound => "no such path; the API is at /s3.php".to_owned(),
            Self::ActionRequired => "action required".to_owned(),
            Self::UnknownAction(name) => {
                format!("unknown action \"{}\"", name.chars().take(ACTION_CHARS_SHOWN).collect::<String>())
            }
            Self::MethodNotAllowed { action: Some(action), allow } => format!("{action} must be called by {allow}"),
            Self::MethodNotAllowed { action: None, allow } => format!("this path must be called by {allow}"),
            Self::TokenRequired => "token required".to_owned(),
            Self::TokenInvalid => "invalid token".to_owned(),
            Self::TokenExpired => "token expired".to_owned(),
            Self::BadRequest(message) | Self::UnsupportedMediaType(message) => message.clone(),
            Self::BodyTimeout => "the body did not arrive in time".to_owned(),
            Self::BodyTooLarge { bytes_max } => format!("the body may have at most {bytes_max} bytes"),
            Self::TooManyRequests { requests_max } => {
                format!("{requests_max} of your requests are being worked on; wait for one of them to be answered")
            }
            Self::Unavailable(what) => format!("{what}; nothing was done, please try again"),
            Self::Lost { command_id: None } => "the connection inside was lost; please try again".to_owned(),
            Self::Lost { command_id: Some(id) } => format!(
                "the connection inside was lost and the request may have been carried out; send it again with the \
                 header Idempotency-Key: {id} to get its answer, it is carried out only once"
            ),
            Self::TimedOut { command_id: None, wait_seconds } => {
                format!("no answer within {wait_seconds} seconds; please try again")
            }
            Self::TimedOut { command_id: Some(id), wait_seconds } => format!(
                "not finished within {wait_seconds} seconds and still being worked on; send it again with the header \
                 Idempotency-Key: {id} to get its answer, it is carried out only once"
            ),
            Self::Unreadable => "the answer can't be read; the operators have been told".to_owned(),
        }
    }

    fn command_id(&self) -> Option<Uuid> {
        match self {
            Self::Lost { command_id } | Self::TimedOut { command_id, .. } => *command_id,
            _ => None,
        }
    }
}

impl From<ParametersError> for Fault {
    fn from(error: ParametersError) -> Self {
        match error {
            ParametersError::ContentType(_) => Self::UnsupportedMediaType(error.to_string()),
            _ => Self::BadRequest(error.to_string()),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response =
            (self.status(), axum::Json(json!({ "code": -1, "message": self.message() }))).into_response();
        let headers = response.headers_mut();
        match &self {
            Self::MethodNotAllowed { allow, .. } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::TokenRequired | Self::TokenInvalid | Self::TokenExpired => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooManyRequests { .. } | Self::Unavailable(_) | Self::Lost { .. } | Self::TimedOut { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        if let Some(Ok(id)) = self.command_id().map(|id| HeaderValue::try_from(id.to_string())) {
            headers.insert(IDEMPOTENCY_KEY, id);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(fault: Fault) -> String {
        let response = fault.into_response();
        let status = response.status().as_u16();
        let headers: Vec<_> = [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE, IDEMPOTENCY_KEY]
            .into_iter()
            .filter_map(|name| Some(format!("{name}: {} ", response.headers().get(&name)?.to_str().ok()?)))
            .collect();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        format!("{status} {}{}", headers.concat(), String::from_utf8_lossy(&body))
    }

    #[tokio::test]
    async fn faults_have_one_shape() {
        let id = Uuid::nil();
        for (fault, expected) in [
            (Fault::ActionRequired, "200 {\"code\":-1,\"message\":\"action required\"}"),
            (Fault::UnknownAction("x".to_owned()), r#"200 {"code":-1,"message":"unknown action \"x\""}"#),
            (Fault::TokenExpired, "401 www-authenticate: Bearer {\"code\":-1,\"message\":\"token expired\"}"),
            (
                Fault::MethodNotAllowed { action: Some("create_order"), allow: "POST" },
                "405 allow: POST {\"code\":-1,\"message\":\"create_order must be called by POST\"}",
            ),
            (
                Fault::BodyTooLarge { bytes_max: 10 },
                "413 {\"code\":-1,\"message\":\"the body may have at most 10 bytes\"}",
            ),
            (
                Fault::Unavailable("nobody works on this"),
                "503 retry-after: 5 {\"code\":-1,\"message\":\"nobody works on this; nothing was done, please try again\"}",
            ),
            (
                Fault::TimedOut { command_id: Some(id), wait_seconds: 25 },
                "504 retry-after: 5 idempotency-key: 00000000-0000-0000-0000-000000000000 \
                 {\"code\":-1,\"message\":\"not finished within 25 seconds and still being worked on; send it again with \
                 the header Idempotency-Key: 00000000-0000-0000-0000-000000000000 to get its answer, it is carried out \
                 only once\"}",
            ),
            (
                Fault::TimedOut { command_id: None, wait_seconds: 25 },
                "504 retry-after: 5 {\"code\":-1,\"message\":\"no answer within 25 seconds; please try again\"}",
            ),
        ] {
            assert_eq!(shown(fault).await, expected);
        }
    }
}
