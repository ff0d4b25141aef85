//! The connection to WHMCS: credentials, requests, and what is certain when they fail.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::call::Call;
use crate::{Error, answer};

const PATH: &str = "includes/api.php";
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// How many bytes of WHMCS's own words an error keeps.
const MESSAGE_LENGTH_MAX: usize = 500;

/// Where WHMCS is, and as whom to call it.
#[derive(Clone)]
pub struct Settings {
    /// WHMCS's base address: `https://billing.example.com/whmcs`.
    pub url: Url,
    /// The identifier of a pair of API credentials.
    pub identifier: String,
    /// The secret of that pair.
    pub secret: SecretString,
    /// What lets in callers whose address isn't on WHMCS's list.
    pub access_key: Option<SecretString>,
    /// How long one call may take, connecting included.
    pub timeout: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold a password, too.
        f.debug_struct("Settings")
            .field("host", &self.url.host_str())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// The address isn't what [`Settings::url`] shows.
    #[error("WHMCS's address must be http:// or https:// with a host, and without a user, `?` or `#`")]
    Url,
    /// Calls need time.
    #[error("the time-out must be longer than nothing")]
    Timeout,
    /// The HTTP client can't be made, for example because the system has no root certificates.
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// A client of one WHMCS. Cheap to clone.
///
/// Each call makes a connection of its own: one that WHMCS has closed in the meantime would turn a request that can't
/// be sent into one whose outcome is unknown.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Url,
    settings: Arc<Settings>,
}

impl Client {
    /// A client for `settings`; calls nothing yet.
    pub fn new(settings: Settings) -> Result<Self, InvalidSettings> {
        if settings.timeout.is_zero() {
            return Err(InvalidSettings::Timeout);
        }
        let endpoint = endpoint(&settings.url).ok_or(InvalidSettings::Url)?;
        // The process may have chosen its provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(settings.timeout)
            // Shorter than the time-out of all, so that a connection that doesn't come about is told as such.
            .connect_timeout((settings.timeout / 2).min(CONNECT_TIMEOUT_MAX))
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| InvalidSettings::Http(chain(&error)))?;
        Ok(Self { http, endpoint, settings: Arc::new(settings) })
    }

    /// Makes a call once and reads what its answer says.
    pub(crate) async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let action = call.action;
        let fields = self.exchange(call).await.map_err(|error| self.shown(error))?;
        serde_json::from_value(fields)
            .map_err(|error| Error::unknown(action, format!("the answer can't be understood: {error}")))
    }

    /// The same where only success counts.
    pub(crate) async fn call_for_nothing(&self, call: Call) -> Result<(), Error> {
        self.call::<Nothing>(call).await.map(|Nothing {}| ())
    }

    async fn exchange(&self, call: Call) -> Result<serde_json::Value, Error> {
        let action = call.action;
        let settings = &self.settings;
        let form = call
            .with("identifier", &settings.identifier)
            .with("secret", settings.secret.expose_secret())
            .with_some("accesskey", settings.access_key.as_ref().map(ExposeSecret::expose_secret))
            .with("action", action)
            .with("responsetype", "json")
            .form;
        let response = self.http.post(self.endpoint.clone()).form(&form).send().await.map_err(|error| {
            let reason = chain(&error);
            if error.is_connect() { Error::Unreachable(reason) } else { Error::unknown(action, reason) }
        })?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| Error::unknown(action, chain(&error)))?;
        answer::read(action, status, &body)
    }

    /// The error as it may be shown: WHMCS's words are cut, and what they repeat of the credentials is left out.
    fn shown(&self, error: Error) -> Error {
        let shown = |message: String| {
            let secrets = [Some(&self.settings.secret), self.settings.access_key.as_ref()];
            let secrets = secrets.into_iter().flatten().map(ExposeSecret::expose_secret);
            let mut message = secrets
                .filter(|secret| !secret.is_empty())
                .fold(message, |message, secret| message.replace(secret, "…"));
            message.truncate(message.floor_char_boundary(MESSAGE_LENGTH_MAX));
            message
        };
        match error {
            Error::Refused { message } => Error::Refused { message: shown(message) },
            Error::Unauthorized { message } => Error::Unauthorized { message: shown(message) },
            other => other,
        }
    }
}

/// An answer of which only its success counts.
#[derive(Deserialize)]
struct Nothing {}

fn endpoint(base: &Url) -> Option<Url> {
    let is_plain = base.username().is_empty()
        && base.password().is_none()
        && base.query().is_none()
        && base.fragment().is_none()
        && base.has_host()
        && matches!(base.scheme(), "http" | "https");
    if !is_plain {
        return None;
    }
    Url::parse(&format!("{}/{PATH}", base.as_str().trim_end_matches('/'))).ok()
}

/// An error with its causes, without the address: the host is all that could be added.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "time-out".to_owned() } else { "HTTP failed".to_owned() };
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.parse().unwrap(),
            identifier: "an-identifier".into(),
            secret: "a-secret".to_owned().into(),
            access_key: Some("a-key".to_owned().into()),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_endpoint_lies_below_the_base() {
        for (base, expected) in [
            ("https://billing.example", Some("https://billing.example/includes/api.php")),
            ("https://billing.example/", Some("https://billing.example/includes/api.php")),
            ("http://billing.example:8080/whmcs/", Some("http://billing.example:8080/whmcs/includes/api.php")),
            ("https://alice:pw@billing.example", None),
            ("https://billing.example/?a=b", None),
            ("https://billing.example/#there", None),
            ("ftp://billing.example", None),
            ("mailto:alice@billing.example", None),
        ] {
            assert_eq!(endpoint(&base.parse().unwrap()).as_ref().map(Url::as_str), expected, "{base}");
        }
        assert_eq!(Client::new(settings("ftp://x")).unwrap_err(), InvalidSettings::Url);
        let hasty = Settings { timeout: Duration::ZERO, ..settings("https://billing.example") };
        assert_eq!(Client::new(hasty).unwrap_err(), InvalidSettings::Timeout);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let client = Client::new(settings("https://billing.example")).unwrap();
        let long = format!("{}€", "x".repeat(MESSAGE_LENGTH_MAX - 1));
        let repeated = client.shown(Error::Refused { message: "a-secret and a-key are wrong".into() });
        assert_eq!(repeated, Error::Refused { message: "… and … are wrong".into() });
        let Error::Unauthorized { message } = client.shown(Error::Unauthorized { message: long }) else { panic!() };
        assert_eq!(message.len(), MESSAGE_LENGTH_MAX - 1);
        let with_password = Settings { url: "https://alice:pw@host".parse().unwrap(), ..settings("https://host") };
        let shown = format!("{client:?} {with_password:?}");
        for secret in ["a-secret", "a-key", "pw"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
