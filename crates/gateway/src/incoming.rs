//! A request as it arrived: parameters from wherever they stand, and from which address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use futures_util::TryStreamExt;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::error;

use crate::Gateway;
use crate::credentials::digest;
use crate::domain::client_address::client_address;
use crate::domain::fault::Fault;
use crate::domain::parameters;
use crate::tokens::{self, Session, TokenError};

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Who is still sending reads no answer, and a closed connection would take the answer with it: so much of a body that
/// is too large is read to no purpose before it is refused.
const REFUSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request that was read to its end.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) address: IpAddr,
    /// When its headers were there.
    pub(crate) started: Instant,
}

impl Incoming {
    /// Reads a request.
    pub(crate) async fn read(gateway: &Gateway, request: Request) -> Result<Self, Fault> {
        let started = Instant::now();
        let address = address(gateway, &request);
        let method = request.method().clone();
        let headers = request.headers().clone();
        let query = request.uri().query().map(str::to_owned);
        let body = body(gateway, request).await?;
        let parameters = parameters::read(query.as_deref(), text(&headers, header::CONTENT_TYPE), &body)?;
        Ok(Self { method, headers, parameters, address, started })
    }

    /// A header that is a text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        text(&self.headers, name)
    }
}

/// Whom the token stands for, used from this address.
pub(crate) async fn session(gateway: &Gateway, token: Option<&str>, address: IpAddr) -> Result<Session, Fault> {
    let token = token.ok_or(Fault::TokenRequired)?;
    let (digest, now) = (digest(token), gateway.clock.now());
    if let Some(retry_after_seconds) = gateway.token_limit.blocked_seconds(address, &digest, now) {
        return Err(Fault::TooManyGuesses { what: "tokens", retry_after_seconds });
    }
    match tokens::resolve_digest(&gateway.pool, &digest, address, now).await {
        Ok(session) => {
            gateway.token_limit.succeeded(&digest);
            Ok(session)
        }
        Err(TokenError::Invalid) => {
            gateway.token_limit.failed(address, now);
            Err(Fault::TokenInvalid)
        }
        Err(TokenError::Revoked) => Err(Fault::TokenInvalid),
        Err(TokenError::Expired) => Err(Fault::TokenExpired),
        Err(TokenError::Bound) => Err(Fault::TokenBound),
        Err(TokenError::Database(error)) => {
            error!(%error, "tokens can't be checked");
            Err(Fault::Unavailable("tokens can't be checked at the moment"))
        }
    }
}

fn address(gateway: &Gateway, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let forwarded: Vec<_> = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .map(HeaderValue::to_str)
        .map(Result::unwrap_or_default)
        .collect();
    client_address(peer, forwarded.into_iter(), &gateway.config.trusted_proxies)
}

async fn body(gateway: &Gateway, request: Request) -> Result<Vec<u8>, Fault> {
    let bytes_max = gateway.config.body_bytes_max;
    let announced = text(request.headers(), header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0);
    let waits_to_be_asked = request.headers().contains_key(header::EXPECT);
    if announced > REFUSED_BYTES_MAX || (announced > bytes_max && waits_to_be_asked) {
        return Err(Fault::BodyTooLarge { bytes_max });
    }
    match tokio::time::timeout(BODY_TIMEOUT, read_to_end(request.into_body(), bytes_max)).await {
        Ok(read) => read,
        Err(_) => Err(Fault::BodyTimeout),
    }
}

async fn read_to_end(body: Body, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let (mut kept, mut length) = (Vec::new(), 0);
    let mut parts = body.into_data_stream();
    loop {
        let part: Option<Bytes> =
            parts.try_next().await.map_err(|error| Fault::BadRequest(format!("the body can't be read: {error}")))?;
        let Some(part) = part else { break };
        length += part.len();
        if length <= bytes_max {
            kept.extend_from_slice(&part);
        } else if length > REFUSED_BYTES_MAX {
            break;
        }
    }
    if length > bytes_max { Err(Fault::BodyTooLarge { bytes_max }) } else { Ok(kept) }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
