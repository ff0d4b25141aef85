//! `purser health`: for images that hold nothing else that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Client;
use runtime::config::Config;
use serde_json::json;

use super::table;

/// Ask the process of this configuration on this machine whether it is ready
///
/// At `health.listen`, or `gateway.listen` where that is absent. Exit code 0: it is. 1: it isn't, and why.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// How long to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    timeout: u64,
    /// Print whether it is ready, and what it says, as JSON
    #[arg(long)]
    json: bool,
}

impl Health {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let listen = config.health.listen.or_else(|| config.gateway.as_ref().map(|gateway| gateway.listen));
        let listen = listen.context("health.listen is required, or a section [gateway]")?;
        // reqwest wants a TLS provider even for plain HTTP; an error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(self.timeout)).build()?;
        let url = format!("http://{}/readyz", reachable(listen));
        let answer = ask(&client, &url).await;
        let (is_ready, detail) = match &answer {
            Ok((is_ready, text)) => (*is_ready, text.clone()),
            Err(error) => (false, format!("{error:#}")),
        };
        if self.json {
            table::print_json(&json!({"is_ready": is_ready, "detail": detail}))?;
        }
        answer?;
        if !is_ready {
            bail!("not ready: {detail}");
        }
        if !self.json {
            println!("{detail}");
        }
        Ok(())
    }
}

/// Whether it is ready, and what it says.
async fn ask(client: &Client, url: &str) -> anyhow::Result<(bool, String)> {
    let silent = || format!("{url} doesn't answer");
    let answer = client.get(url).send().await.with_context(silent)?;
    let is_ready = answer.status().is_success();
    Ok((is_ready, answer.text().await.with_context(silent)?))
}

/// Where a listener on all addresses is reached on its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn a_listener_on_all_addresses_is_asked_over_loopback() {
        for (listen, asked) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
