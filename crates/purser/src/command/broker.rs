//! The broker's management API, as the administrator.

use std::time::Duration;

use anyhow::{Context, bail};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::{Client, StatusCode};
use runtime::config::Config;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);

/// One virtual host, looked at.
pub(super) struct Broker {
    http: Client,
    api: Url,
    user: String,
    password: String,
    pub(super) vhost: String,
}

/// What a broker user may do in the virtual host: three regular expressions.
#[derive(Debug, Deserialize)]
pub(super) struct UserPermissions {
    pub(super) user: String,
    pub(super) configure: String,
    pub(super) write: String,
    pub(super) read: String,
}

impl Broker {
    /// Of the virtual host and with the credentials of `amqp.url`.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let amqp = config.amqp.url.as_ref().context("this command needs [amqp] url: the administrator's")?;
        let amqp = Url::parse(amqp.expose_secret()).context("amqp.url can't be read")?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let vhost = match amqp.path().strip_prefix('/') {
            None | Some("") => "/".to_owned(),
            Some(name) => decoded(name),
        };
        // The process may have chosen its provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder().timeout(TIMEOUT).no_proxy();
        if let Some(file) = &config.amqp.ca_file {
            let pem = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).context("amqp.ca_file")?;
            for certificate in certificates {
                http = http.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            http: http.build()?,
            api: match &config.amqp.management_url {
                Some(url) => url.clone(),
                None => usual_address(&amqp)?,
            },
            user: decoded(amqp.username()),
            password: decoded(amqp.password().unwrap_or_default()),
            vhost,
        })
    }

    /// Everything that is defined in the virtual host.
    pub(super) async fn definitions(&self) -> anyhow::Result<Value> {
        self.get(&format!("definitions/{}", self.encoded_vhost())).await
    }

    /// Who may do what in the virtual host.
    pub(super) async fn permissions(&self) -> anyhow::Result<Vec<UserPermissions>> {
        let found = self.get(&format!("vhosts/{}/permissions", self.encoded_vhost())).await?;
        serde_json::from_value(found).context("the management API's answer isn't understood")
    }

    fn encoded_vhost(&self) -> String {
        utf8_percent_encode(&self.vhost, NON_ALPHANUMERIC).to_string()
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/api/{path}", self.api.as_str().trim_end_matches('/'));
        let request = self.http.get(&url).basic_auth(&self.user, Some(&self.password));
        let unreachable = || format!("no answer from the management API at {} (amqp.management_url)", self.api);
        let response = request.send().await.with_context(unreachable)?;
        match response.status() {
            StatusCode::OK => response.json().await.context("the management API's answer isn't understood"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!(
                "the management API doesn't let {user} in: rabbitmqctl set_user_tags {user} administrator",
                user = self.user
            ),
            StatusCode::NOT_FOUND => bail!("there is no virtual host {:?}", self.vhost),
            other => bail!("the management API at {} answers {other}", self.api),
        }
    }
}

fn usual_address(amqp: &Url) -> anyhow::Result<Url> {
    let host = amqp.host_str().context("amqp.url names no host")?;
    let address =
        if amqp.scheme() == "amqps" { format!("https://{host}:15671") } else { format!("http://{host}:15672") };
    Url::parse(&address).context("amqp.url")
}
