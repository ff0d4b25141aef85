//! The two ways to call Purser, with requests and replies shown to the reader.

use anyhow::{Context, Result, bail};
use messages::{ActionKind, Encoding, find_action};
use serde_json::Value;
use test_support::amqp::AmqpCaller;
use test_support::http::HttpCaller;

/// One of the two.
pub(super) enum Caller {
    /// As a trusted publisher.
    Amqp(AmqpCaller, Encoding),
    /// As a customer.
    Http(HttpCaller),
}

impl Caller {
    /// Calls and shows request and reply; fails where the reply is no success.
    pub(super) async fn call(&self, action: &str, parameters: Value) -> Result<Value> {
        match self {
            Self::Amqp(_, encoding) => {
                let query = find_action(action).is_some_and(|spec| spec.kind == ActionKind::Query);
                let exchange = if query { "s3.queries" } else { "s3.commands" };
                println!(
                    "\n-> {exchange} / {action}  ({})  {}",
                    encoding.content_type(),
                    shortened(parameters.clone())
                );
            }
            Self::Http(_) => println!("\n-> POST /s3.php  action={action}  {}", shortened(parameters.clone())),
        }
        let reply = self.call_silently(action, parameters).await?;
        let shown = serde_json::to_string_pretty(&shortened(reply.clone()))?;
        println!("<- {}", shown.replace('\n', "\n   "));
        Ok(reply)
    }

    /// [`Caller::call`] for those who ask again and again.
    pub(super) async fn call_silently(&self, action: &str, parameters: Value) -> Result<Value> {
        let reply = match self {
            Self::Amqp(caller, encoding) => caller.call(action, parameters, *encoding, None).await?,
            Self::Http(caller) => {
                let reply = caller.call(action, &parameters).await?;
                if reply.status != 200 {
                    bail!("{action} was answered with {}: {}", reply.status, shortened(reply.body));
                }
                reply.body
            }
        };
        if reply["result"] != "OK" {
            bail!("{action} was refused: {}", reply["message"].as_str().context("a refusal has a message")?);
        }
        Ok(reply)
    }
}

/// The same without whole secrets.
fn shortened(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                let secret = matches!(name.as_str(), "secret_key" | "access_key" | "token" | "password");
                *inner = match inner.take() {
                    Value::String(text) if secret => {
                        Value::String(format!("{}…", text.chars().take(4).collect::<String>()))
                    }
                    other => shortened(other),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = shortened(item.take())),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shortened;

    #[test]
    fn secrets_are_shortened_wherever_they_are() {
        let reply = json!({"message": [{"secret_key": "abcdefgh", "name": "bucket"}], "secret_key": "12345678"});
        let shown = json!({"message": [{"secret_key": "abcd…", "name": "bucket"}], "secret_key": "1234…"});
        assert_eq!(shortened(reply), shown);
    }
}
