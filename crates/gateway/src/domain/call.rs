//! From parameters to a call: which action is meant, by which token, under which id.

use axum::http::Method;
use messages::{ActionKind, ActionSpec, Api, find_action};
use model::Principal;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fault::Fault;
use super::parameters::take_text;

/// Ours alone: the same text always makes the same id.
const IDEMPOTENCY_NAMESPACE: Uuid = Uuid::from_u128(0x4f2c_6d1e_8a0b_4b5e_9f37_c1d2_e3a4_b596);
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A request of which it is known what it wants, but not yet who wants it.
#[derive(Debug)]
pub(crate) struct Call {
    /// The action.
    pub(crate) spec: &'static ActionSpec,
    /// The token, from the parameters or the header `Authorization`.
    pub(crate) token: Option<String>,
    /// The other parameters.
    pub(crate) parameters: Map<String, Value>,
}

impl Call {
    /// What `/s3.php` is asked for: finds the action, and checks that it may be called by this method.
    pub(crate) fn of_s3_php(
        method: &Method,
        authorization: Option<&str>,
        mut parameters: Map<String, Value>,
    ) -> Result<Self, Fault> {
        let name = take_text(&mut parameters, "action").ok_or(Fault::ActionRequired)?;
        let spec = find_action(&name)
            .filter(|spec| spec.api == Api::S3Php)
            .ok_or_else(|| Fault::UnknownAction(name.clone()))?;
        if spec.post_only && method != Method::POST {
            return Err(Fault::MethodNotAllowed { action: Some(spec.name), allow: "POST" });
        }
        let token = take_token(&mut parameters, authorization);
        Ok(Self { spec, token, parameters })
    }

    /// What `/storage/…` is asked for: the path's name wins over a parameter.
    pub(crate) fn of_storage(
        spec: &'static ActionSpec,
        name: Option<String>,
        authorization: Option<&str>,
        mut parameters: Map<String, Value>,
    ) -> Self {
        parameters.remove("action");
        if let Some(name) = name {
            parameters.insert("name".to_owned(), Value::String(name));
        }
        let token = take_token(&mut parameters, authorization);
        Self { spec, token, parameters }
    }

    /// The exchange that carries this kind of action.
    pub(crate) fn exchange(&self) -> &'static str {
        match self.spec.kind {
            ActionKind::Command => "s3.commands",
            ActionKind::Query => "s3.queries",
        }
    }

    /// Takes `wait`: for how many seconds, at most, the reply is waited for. Queries are always waited for.
    pub(crate) fn take_wait(&mut self, seconds_max: u64) -> Result<u64, Fault> {
        let wait = take_text(&mut self.parameters, "wait").filter(|_| self.spec.kind == ActionKind::Command);
        let Some(text) = wait else { return Ok(seconds_max) };
        let seconds = text.parse().ok().filter(|seconds| *seconds <= seconds_max);
        seconds.ok_or_else(|| Fault::Invalid(format!("wait must be an integer from 0 to {seconds_max} (seconds)")))
    }

    /// The message's body: the parameters, and who is asking. Callers can't say that themselves.
    pub(crate) fn body(&self, principal: Principal) -> Vec<u8> {
        let mut body = self.parameters.clone();
        body.insert("principal".to_owned(), serde_json::json!(principal));
        Value::Object(body).to_string().into_bytes()
    }
}

/// The token: the parameter, or what the header `Authorization` bears.
pub(crate) fn take_token(parameters: &mut Map<String, Value>, authorization: Option<&str>) -> Option<String> {
    take_text(parameters, "token").or_else(|| bearer(authorization?))
}

fn bearer(authorization: &str) -> Option<String> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().to_owned())
}

/// The id under which a command is done once: a UUID as it is, any other key as the UUID that it always makes.
pub(crate) fn message_id(idempotency_key: Option<&[u8]>) -> Result<Uuid, Fault> {
    let Some(key) = idempotency_key else { return Ok(Uuid::now_v7()) };
    let key = std::str::from_utf8(key).map(str::trim).unwrap_or_default();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let rule = format!("Idempotency-Key must be a UUID or another text of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Fault::BadRequest(rule));
    }
    Ok(key.parse().unwrap_or_else(|_| Uuid::new_v5(&IDEMPOTENCY_NAMESPACE, key.as_bytes())))
}

#[cfg(test)]
mod tests {
    use model::CustomerId;
    use serde_json::json;

    use super::*;

    fn call(method: &Method, authorization: Option<&str>, parameters: Value) -> Result<Call, Fault> {
        let Value::Object(parameters) = parameters else { unreachable!() };
        Call::of_s3_php(method, authorization, parameters)
    }

    #[test]
    fn the_action_is_checked_before_the_method() {
        for (method, parameters, fault) in [
            (Method::GET, json!({}), Fault::ActionRequired),
            (Method::POST, json!({"action": ""}), Fault::ActionRequired),
            (Method::POST, json!({"action": ["list_plans"]}), Fault::UnknownAction("[\"list_plans\"]".to_owned())),
            (Method::GET, json!({"action": "nonsense"}), Fault::UnknownAction("nonsense".to_owned())),
            (Method::POST, json!({"action": "release_account"}), Fault::UnknownAction("release_account".to_owned())),
            (Method::GET, json!({"action": "storage_info"}), Fault::UnknownAction("storage_info".to_owned())),
            (
                Method::GET,
                json!({"action": "create_order"}),
                Fault::MethodNotAllowed { action: Some("create_order"), allow: "POST" },
            ),
        ] {
            assert_eq!(call(&method, None, parameters).unwrap_err(), fault);
        }
        assert!(call(&Method::GET, None, json!({"action": "list_plans"})).is_ok());
    }

    #[test]
    fn the_token_is_a_parameter_or_a_bearer() {
        for (parameter, authorization, token) in [
            (json!("t1"), None, Some("t1")),
            (json!(null), Some("Bearer t2"), Some("t2")),
            (json!(""), Some("bearer  t2 "), Some("t2")),
            (json!("t1"), Some("Bearer t2"), Some("t1")),
            (json!(null), Some("Basic dDI6"), None),
            (json!(null), Some("Bearer"), None),
            (json!(null), None, None),
        ] {
            let parameters = json!({"action": "list_plans", "token": parameter});
            assert_eq!(call(&Method::POST, authorization, parameters).unwrap().token.as_deref(), token);
        }
    }

    #[test]
    fn the_body_says_who_is_asking_and_holds_neither_token_nor_action() {
        let parameters = json!({
            "action": "create_bucket", "token": "t", "bucket_name": "b",
            "principal": {"role": "admin", "customer_id": 1},
        });
        let call = call(&Method::POST, None, parameters).unwrap();
        let body: Value = serde_json::from_slice(&call.body(Principal::Customer(CustomerId(7)))).unwrap();
        assert_eq!(body, json!({"bucket_name": "b", "principal": {"role": "customer", "customer_id": 7}}));
        assert_eq!(call.exchange(), "s3.commands");
    }

    #[test]
    fn the_path_s_name_wins() {
        let spec = find_action("storage_info").unwrap();
        let Value::Object(parameters) = json!({"name": "a", "action": "x", "token": "t"}) else { unreachable!() };
        let named = Call::of_storage(spec, Some("b".to_owned()), None, parameters.clone());
        assert_eq!((named.token.as_deref(), Value::Object(named.parameters)), (Some("t"), json!({"name": "b"})));
        let unnamed = Call::of_storage(spec, None, None, parameters);
        assert_eq!(Value::Object(unnamed.parameters), json!({"name": "a"}));
    }

    #[test]
    fn only_commands_are_waited_for_as_long_as_the_caller_says() {
        let rule = || Err(Fault::Invalid("wait must be an integer from 0 to 25 (seconds)".to_owned()));
        for (action, wait, expected) in [
            ("create_bucket", json!(null), Ok(25)),
            ("create_bucket", json!(""), Ok(25)),
            ("create_bucket", json!("0"), Ok(0)),
            ("create_bucket", json!(25), Ok(25)),
            ("create_bucket", json!(26), rule()),
            ("create_bucket", json!("-1"), rule()),
            ("create_bucket", json!(1.5), rule()),
            ("create_bucket", json!("soon"), rule()),
            ("list_plans", json!("0"), Ok(25)),
            ("list_plans", json!("soon"), Ok(25)),
        ] {
            let mut call = call(&Method::POST, None, json!({"action": action, "wait": wait})).unwrap();
            assert_eq!(call.take_wait(25), expected, "{action} {wait}");
            assert!(call.parameters.is_empty());
        }
    }

    #[test]
    fn a_key_always_makes_the_same_id() {
        let uuid = "0198c0de-0000-7000-8000-000000000001";
        assert_eq!(message_id(Some(uuid.as_bytes())).unwrap().to_string(), uuid);
        let id = message_id(Some(b"order 17")).unwrap();
        assert_eq!(id, message_id(Some(b" order 17 ")).unwrap());
        assert_ne!(id, message_id(Some(b"order 18")).unwrap());
        assert_ne!(message_id(None).unwrap(), message_id(None).unwrap());
        for bad in [b"".as_slice(), b"\xff", &[b'x'; 256]] {
            assert!(matches!(message_id(Some(bad)), Err(Fault::BadRequest(_))), "{bad:?}");
        }
    }
}
