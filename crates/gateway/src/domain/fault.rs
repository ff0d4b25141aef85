//! Everything that the gateway itself refuses: in the shape of its API, with a status where HTTP means just that.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::parameters::ParametersError;

/// The header under which a command's id is named.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RETRY_AFTER_SECONDS: u64 = 5;
const ACTION_CHARS_SHOWN: usize = 64;

/// How an API's answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"code":-1,"message":…}`; 200 for what only the parameters are to blame for.
    S3Php,
    /// `{"code":<status>,"message":…,"result":{}}`.
    Storage,
}

impl Shape {
    /// The shape of what is said about a path, whether it exists or not.
    pub(crate) fn of_path(path: &str) -> Self {
        match path.strip_prefix("/storage") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Storage,
            _ => Self::S3Php,
        }
    }
}

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
    /// The token is good, but from another address.
    TokenBound,
    /// No such API key, or not any more.
    ApiKeyInvalid,
    /// Too many wrong API keys came from this address.
    TooManyLogins { retry_after_seconds: u64 },
    /// Too many tokens or callback keys that don't exist came from this address.
    TooManyGuesses { what: &'static str, retry_after_seconds: u64 },
    /// A parameter that the gateway itself reads is wrong; the text says what would be right.
    Invalid(String),
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
    /// No answer in time; a command has no callback key either.
    TimedOut { command_id: Option<Uuid>, wait_seconds: u64 },
    /// A role answered with something that its API can't show.
    Unreadable,
}

impl Fault {
    fn status(&self, shape: Shape) -> StatusCode {
        match self {
            Self::ActionRequired | Self::UnknownAction(_) | Self::Invalid(_) => match shape {
                Shape::S3Php => StatusCode::OK,
                Shape::Storage => StatusCode::UNPROCESSABLE_ENTITY,
            },
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TokenRequired | Self::TokenInvalid | Self::TokenExpired | Self::TokenBound | Self::ApiKeyInvalid => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } | Self::TooManyLogins { .. } | Self::TooManyGuesses { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unreadable => StatusCode::BAD_GATEWAY,
            Self::Unavailable(_) | Self::Lost { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn message(&self, shape: Shape) -> String {
        match self {
            Self::NotFound => match shape {
                Shape::S3Php => "no such path; the API is at /s3.php".to_owned(),
                Shape::Storage => "no such path; there are /storage/prices, info, create, delete, undelete and \
                                   newpassword"
                    .to_owned(),
            },
            Self::ActionRequired => "action required".to_owned(),
            Self::UnknownAction(name) => {
                format!("unknown action \"{}\"", name.chars().take(ACTION_CHARS_SHOWN).collect::<String>())
            }
            Self::MethodNotAllowed { action: Some(action), allow } => format!("{action} must be called by {allow}"),
            Self::MethodNotAllowed { action: None, allow } => format!("this path must be called by {allow}"),
            Self::TokenRequired => "token required".to_owned(),
            Self::TokenInvalid => "invalid token".to_owned(),
            Self::TokenExpired => "token expired".to_owned(),
            Self::TokenBound => "invalid token: bound to another address".to_owned(),
            Self::ApiKeyInvalid => "invalid API key".to_owned(),
            Self::TooManyLogins { retry_after_seconds } => {
                format!("too many failed logins from your address; try again in {retry_after_seconds} seconds")
            }
            Self::TooManyGuesses { what, retry_after_seconds } => {
                format!("too many invalid {what} from your address; try again in {retry_after_seconds} seconds")
            }
            Self::Invalid(message) | Self::BadRequest(message) | Self::UnsupportedMediaType(message) => message.clone(),
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

    fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooManyLogins { retry_after_seconds } | Self::TooManyGuesses { retry_after_seconds, .. } => {
                Some(*retry_after_seconds)
            }
            Self::TooManyRequests { .. } | Self::Unavailable(_) | Self::Lost { .. } | Self::TimedOut { .. } => {
                Some(RETRY_AFTER_SECONDS)
            }
            _ => None,
        }
    }

    /// The answer, in the shape of the API that was called.
    pub(crate) fn into_response(self, shape: Shape) -> Response {
        let (status, message) = (self.status(shape), self.message(shape));
        let body = match shape {
            Shape::S3Php => json!({ "code": -1, "message": message }),
            Shape::Storage => json!({ "code": status.as_u16(), "message": message, "result": {} }),
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if let Self::MethodNotAllowed { allow, .. } = &self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(Ok(id)) = self.command_id().map(|id| HeaderValue::try_from(id.to_string())) {
            headers.insert(IDEMPOTENCY_KEY, id);
        }
        response
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(fault: Fault, shape: Shape) -> String {
        let response = fault.into_response(shape);
        let status = response.status().as_u16();
        let headers: Vec<_> = [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE, IDEMPOTENCY_KEY]
            .into_iter()
            .filter_map(|name| Some(format!("{name}: {} ", response.headers().get(&name)?.to_str().ok()?)))
            .collect();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        format!("{status} {}{}", headers.concat(), String::from_utf8_lossy(&body))
    }

    #[tokio::test]
    async fn faults_of_s3_php_have_one_shape() {
        let id = Uuid::nil();
        for (fault, expected) in [
            (Fault::ActionRequired, "200 {\"code\":-1,\"message\":\"action required\"}"),
            (Fault::UnknownAction("x".to_owned()), r#"200 {"code":-1,"message":"unknown action \"x\""}"#),
            (Fault::Invalid("key required".to_owned()), r#"200 {"code":-1,"message":"key required"}"#),
            (Fault::TokenExpired, "401 www-authenticate: Bearer {\"code\":-1,\"message\":\"token expired\"}"),
            (
                Fault::TooManyLogins { retry_after_seconds: 17 },
                "429 retry-after: 17 {\"code\":-1,\"message\":\"too many failed logins from your address; try again in \
                 17 seconds\"}",
            ),
            (
                Fault::TooManyGuesses { what: "tokens", retry_after_seconds: 17 },
                "429 retry-after: 17 {\"code\":-1,\"message\":\"too many invalid tokens from your address; try again in 17 \
                 seconds\"}",
            ),
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
            assert_eq!(shown(fault, Shape::S3Php).await, expected);
        }
    }

    #[tokio::test]
    async fn faults_of_storage_name_their_status_twice() {
        for (fault, expected) in [
            (
                Fault::TokenInvalid,
                "401 www-authenticate: Bearer {\"code\":401,\"message\":\"invalid token\",\"result\":{}}",
            ),
            (Fault::Invalid("no".to_owned()), r#"422 {"code":422,"message":"no","result":{}}"#),
            (Fault::BadRequest("no".to_owned()), r#"400 {"code":400,"message":"no","result":{}}"#),
            (Fault::BodyTimeout, r#"408 {"code":408,"message":"the body did not arrive in time","result":{}}"#),
            (
                Fault::Unreadable,
                r#"502 {"code":502,"message":"the answer can't be read; the operators have been told","result":{}}"#,
            ),
            (
                Fault::Lost { command_id: None },
                "503 retry-after: 5 {\"code\":503,\"message\":\"the connection inside was lost; please try again\",\
                 \"result\":{}}",
            ),
        ] {
            assert_eq!(shown(fault, Shape::Storage).await, expected);
        }
    }

    #[test]
    fn a_path_tells_the_shape() {
        for (path, shape) in [
            ("/storage", Shape::Storage),
            ("/storage/", Shape::Storage),
            ("/storage/nonsense/x", Shape::Storage),
            ("/storages", Shape::S3Php),
            ("/s3.php", Shape::S3Php),
            ("/", Shape::S3Php),
        ] {
            assert_eq!(Shape::of_path(path), shape, "{path}");
        }
    }
}
