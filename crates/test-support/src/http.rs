//! Calls over HTTP, as the clients of the gateway make them.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Map, Value};

const TIMEOUT: Duration = Duration::from_mins(1);

/// A client for plain HTTP on this machine.
pub fn client() -> Result<Client> {
    // reqwest wants a TLS provider even for plain HTTP; an error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().no_proxy().timeout(TIMEOUT).build()?)
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body; its text where it isn't JSON.
    pub body: Value,
}

/// A client of one gateway with one token.
#[derive(Clone)]
pub struct HttpCaller {
    gateway_url: String,
    token: Option<String>,
    http: Client,
}

impl HttpCaller {
    /// A client of the gateway at `gateway_url`.
    pub fn new(gateway_url: &str, token: Option<&str>) -> Result<Self> {
        Ok(Self { gateway_url: gateway_url.to_owned(), token: token.map(str::to_owned), http: client()? })
    }

    /// POSTs an action as an HTML form; lists and maps are written as PHP reads them (`a[]=1`, `a[k]=1`).
    pub async fn call(&self, action: &str, parameters: &Value) -> Result<HttpReply> {
        self.call_with_key(action, parameters, None).await
    }

    /// [`HttpCaller::call`] with an `Idempotency-Key`.
    pub async fn call_with_key(&self, action: &str, parameters: &Value, key: Option<&str>) -> Result<HttpReply> {
        let mut pairs = vec![("action".to_owned(), action.to_owned())];
        pairs.extend(form_pairs(parameters.as_object().unwrap_or(&Map::new())));
        let mut request = self.request(Method::POST, "").form(&pairs);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        Self::send(request).await
    }

    /// A request of one's own to `s3.php`, with the token as `Authorization: Bearer`.
    ///
    /// `query` is empty or begins with `?`.
    pub fn request(&self, method: Method, query: &str) -> RequestBuilder {
        self.request_to(method, &format!("/s3.php{query}"))
    }

    /// The same to any path, such as `/storage/prices`.
    pub fn request_to(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path_and_query}", self.gateway_url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads its answer.
    pub async fn send(request: RequestBuilder) -> Result<HttpReply> {
        let answer = request.send().await.context("calling the gateway")?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = answer.text().await.context("reading the gateway's answer")?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(HttpReply { status, retry_after, body })
    }
}

fn form_pairs(parameters: &Map<String, Value>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, value) in parameters {
        add_pairs(name.clone(), value, &mut pairs);
    }
    pairs
}

fn add_pairs(name: String, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| add_pairs(format!("{name}[]"), item, pairs)),
        Value::Object(map) => map.iter().for_each(|(key, item)| add_pairs(format!("{name}[{key}]"), item, pairs)),
        Value::String(text) => pairs.push((name, text.clone())),
        Value::Null => pairs.push((name, String::new())),
        other => pairs.push((name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_written_as_php_reads_them() {
        let parameters = json!({"n": 1, "text": "a b", "list": ["x", 2], "map": {"k": {"deep": true}}, "none": null});
        let pairs = form_pairs(parameters.as_object().expect("a map"));
        let shown: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["list[]=x", "list[]=2", "map[k][deep]=true", "n=1", "none=", "text=a b"]);
    }
}
