//! Tokens, from issue to revocation.

use std::net::{IpAddr, Ipv4Addr};

use chrono::TimeDelta;
use gateway::tokens::{TokenError, issue, resolve, revoke};
use model::{Clock, CustomerId, Principal};
use secrecy::ExposeSecret;

use crate::fixture::{Settings, refusal, send_whole, with_gateway};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn a_token_stands_for_whom_it_was_issued_to() {
    with_gateway(Settings::default(), async |gateway| {
        let now = gateway.clock.now();
        for principal in
            [Principal::Customer(CustomerId(7)), Principal::Admin(None), Principal::Admin(Some(CustomerId(1)))]
        {
            let token = gateway.token(principal).await;
            assert!(token.starts_with("ps_") && token.len() == 67, "{} characters", token.len());
            assert_eq!(resolve(&gateway.pool, &token, HERE, now).await.unwrap().principal, principal);
        }
        let stored: Vec<(Vec<u8>,)> =
            sqlx::query_as("SELECT token_sha256 FROM auth.tokens").fetch_all(&gateway.pool).await.unwrap();
        assert!(stored.iter().all(|(digest,)| digest.len() == 32));
    })
    .await;
}

#[tokio::test]
async fn a_token_ends_with_its_time_or_its_revocation() {
    with_gateway(Settings::default(), async |gateway| {
        let (pool, clock) = (&gateway.pool, &gateway.clock);
        let principal = Principal::Customer(CustomerId(7));
        let short = issue(pool, principal, TimeDelta::minutes(5), None, clock).await.unwrap();
        let revoked = issue(pool, principal, TimeDelta::hours(5), None, clock).await.unwrap();
        assert!(revoke(pool, revoked.expose_secret(), clock).await.unwrap());
        assert!(!revoke(pool, revoked.expose_secret(), clock).await.unwrap(), "only once");
        assert!(!revoke(pool, "ps_unknown", clock).await.unwrap());
        clock.advance(TimeDelta::minutes(5));
        let short = short.expose_secret();
        assert!(matches!(resolve(pool, short, HERE, clock.now()).await, Err(TokenError::Expired)));
        assert!(matches!(resolve(pool, revoked.expose_secret(), HERE, clock.now()).await, Err(TokenError::Revoked)));
        assert!(matches!(resolve(pool, "ps_unknown", HERE, clock.now()).await, Err(TokenError::Invalid)));
        for (token, message) in
            [(short, "token expired"), (revoked.expose_secret(), "invalid token"), ("ps_unknown", "invalid token")]
        {
            let request = gateway.post(&[("action", "list_plans"), ("token", token)]);
            let ((status, headers), body) = send_whole(request).await;
            assert_eq!((status, body), refusal(401, message));
            assert_eq!(headers["www-authenticate"], "Bearer");
        }
    })
    .await;
}
