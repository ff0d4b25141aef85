//! What a client may send, how much of it, for how long, and how often it may guess.

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{DEADLINE, Fixture, Settings, refusal, send, send_whole, with_gateway};

/// As many failures as one address may have within five minutes.
const FAILURES_MAX: usize = 300;

/// Sends bytes over a connection of their own and returns all that comes back until the gateway closes it.
async fn raw(gateway: &Fixture, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    // The gateway may refuse before it has read everything, and close.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("it closes in time");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(read.is_ok() || !answer.is_empty(), "cut off without an answer: {read:?}");
    answer
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n")
}

fn post(content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /s3.php HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn requests_that_are_too_large_or_malformed_are_refused() {
    with_gateway(Settings::default(), async |gateway| {
        let form = |body: &str| post("application/x-www-form-urlencoded", body);
        let json = |body: &str| post("application/json", body);
        let chunked = |headers: &str| {
            format!(
                "POST /s3.php HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Connection: close\r\n\r\n\
                 1388\r\n{}\r\n0\r\n\r\n",
                " ".repeat(5000)
            )
        };
        let large = "x".repeat(200_000);
        let mut wrong = Vec::new();
        for (what, request, status) in [
            ("100 headers", get("/s3.php", &"a: b\r\n".repeat(98)), 200),
            ("101 headers", get("/s3.php", &"a: b\r\n".repeat(99)), 431),
            ("a large header", get("/s3.php", &format!("a: {large}\r\n")), 431),
            ("headers that are large together", get("/s3.php", &format!("a: {}\r\n", &large[..2000]).repeat(97)), 431),
            ("a long path", get(&format!("/{}", &large[..50_000]), ""), 404),
            ("a path that is too long", get(&format!("/{}", &large[..70_000]), ""), 414),
            ("a long name in the path", get(&format!("/storage/info/{}", &large[..5000]), ""), 401),
            ("an encoded NUL in the path", get("/storage/info/a%00b", ""), 401),
            ("a way out of the documents", get("/docs/..%2f..%2fetc/passwd", ""), 404),
            ("a large body", form(&large), 413),
            ("a large body in chunks", chunked("Transfer-Encoding: chunked\r\n"), 413),
            ("many parameters", form(&"a=&".repeat(1001)), 400),
            ("many parameters in the path", get(&format!("/s3.php?{}", "a&".repeat(1001)), ""), 400),
            ("a deep form", form(&format!("a{}=1", "[b]".repeat(9))), 400),
            ("a long name", form(&format!("{}=1", "n".repeat(257))), 400),
            ("deep JSON", json(&format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000))), 400),
            ("unfinished JSON", json("{\"a\":"), 400),
            ("the same JSON name twice", json("{\"action\":\"x\",\"action\":\"y\"}"), 200),
            ("another kind of body", post("multipart/form-data; boundary=x", "--x--"), 415),
            ("two lengths", get("/s3.php", "Content-Length: 0\r\nContent-Length: 1\r\n"), 400),
            ("a length that is none", get("/s3.php", "Content-Length: -1\r\n"), 400),
            ("a name with a blank", get("/s3.php", "a b: c\r\n"), 400),
            ("a folded header", get("/s3.php", "a: b\r\n c\r\n"), 400),
            ("a NUL in a header", get("/s3.php", "a: \0\r\n"), 400),
            ("another protocol", "SSH-2.0-x\r\n\r\n".to_owned(), 400),
            ("a method that is none", get("/s3.php", "").replacen("GET", "DROP", 1), 405),
        ] {
            let answer = raw(gateway, request.as_bytes()).await;
            if !answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.matches("HTTP/1.1 ").count() != 1 {
                wrong.push(format!("{what}: {}", answer.chars().take(300).collect::<String>()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(raw(gateway, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "", "HTTP/2 isn't spoken");
        let token = gateway.customer_token().await;
        let worker = gateway.echo("s3.billing.queries").await;
        let twice = [("action", "history"), ("action", "list_plans"), ("token", "x"), ("token", token.as_str())];
        let (status, _) = send(gateway.post(&twice)).await;
        assert_eq!(status, StatusCode::OK, "the last one counts, and the gateway still works");
        worker.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing_in() {
    with_gateway(Settings::default(), async |gateway| {
        let hidden = get("/docs", "");
        let request = format!(
            "POST /s3.php HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
            hidden.len() + 5
        );
        let answer = raw(gateway, request.as_bytes()).await;
        // Whatever it makes of the first one: it never takes the end of a body for the next request.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    })
    .await;
}

#[tokio::test]
async fn whoever_sends_too_slowly_is_cut_off() {
    with_gateway(Settings::default(), async |gateway| {
        let head = "POST /s3.php HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";
        let slow_head = raw(gateway, head.as_bytes());
        let slow_body = format!("{head}Connection: close\r\n\r\n{{");
        let slow_body = raw(gateway, slow_body.as_bytes());
        let idle = raw(gateway, b"");
        let all = async { tokio::join!(slow_head, slow_body, idle) };
        let (slow_head, slow_body, idle) = tokio::time::timeout(Duration::from_secs(50), all).await.expect("in time");
        assert!(slow_head.is_empty() || slow_head.starts_with("HTTP/1.1 408 "), "{slow_head}");
        assert!(slow_body.starts_with("HTTP/1.1 408 ") && slow_body.contains("did not arrive in time"), "{slow_body}");
        assert!(idle.is_empty() || idle.starts_with("HTTP/1.1 408 "), "{idle}");
    })
    .await;
}

#[tokio::test]
async fn whoever_guesses_tokens_has_to_wait_and_hurts_nobody() {
    with_gateway(Settings::default(), async |gateway| {
        let token = gateway.customer_token().await;
        let ask = async |token: &str| send(gateway.post_to("/auth.php", &[("action", "info"), ("token", token)])).await;
        assert_eq!(ask(&token).await.0, StatusCode::OK);
        for number in 0..FAILURES_MAX {
            assert_eq!(ask(&format!("ps_{number}")).await, refusal(401, "invalid token"));
        }
        let message = "too many invalid tokens from your address; try again in 301 seconds";
        let guess = gateway.post(&[("action", "list_plans"), ("token", "ps_guess")]);
        let ((status, headers), body) = send_whole(guess).await;
        assert_eq!((status, body), refusal(429, message));
        assert_eq!(headers["retry-after"], "301");
        assert_eq!(ask(&token).await.0, StatusCode::OK, "its owner shares the guesser's address");
        sqlx::query("ALTER TABLE auth.tokens RENAME TO hidden").execute(&gateway.pool).await.unwrap();
        assert_eq!(ask("ps_guess").await, refusal(429, message), "the database isn't asked");
        sqlx::query("ALTER TABLE auth.hidden RENAME TO tokens").execute(&gateway.pool).await.unwrap();
        gateway.clock.advance(TimeDelta::minutes(5));
        assert_eq!(ask("ps_guess").await, refusal(401, "invalid token"));
    })
    .await;
}

#[tokio::test]
async fn tokens_that_have_ended_are_no_guesses() {
    with_gateway(Settings::default(), async |gateway| {
        let (expired, revoked) = (gateway.customer_token().await, gateway.customer_token().await);
        gateway.clock.advance(TimeDelta::hours(2));
        gateway::tokens::revoke(&gateway.pool, &revoked, &gateway.clock).await.unwrap();
        let ask = async |token: &str| send(gateway.post_to("/auth.php", &[("action", "info"), ("token", token)])).await;
        for _ in 0..=FAILURES_MAX / 2 {
            assert_eq!(ask(&expired).await, refusal(401, "token expired"));
            assert_eq!(ask(&revoked).await, refusal(401, "invalid token"));
        }
        assert_eq!(ask("ps_guess").await, refusal(401, "invalid token"), "and isn't blocked");
    })
    .await;
}

#[tokio::test]
async fn whoever_guesses_callback_keys_has_to_wait() {
    with_gateway(Settings::default(), async |gateway| {
        let check =
            async |key: &str| send(gateway.post_to("/eq_callback.php", &[("action", "check"), ("key", key)])).await;
        for number in 0..FAILURES_MAX {
            assert_eq!(check(&number.to_string()).await, refusal(200, "AsyncKey not found"));
        }
        let message = "too many invalid callback keys from your address; try again in 301 seconds";
        assert_eq!(check("guess").await, refusal(429, message));
    })
    .await;
}
