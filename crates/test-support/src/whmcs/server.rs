//! HTTP: one request per connection, and what becomes of it.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::actions::{self, Call};
use super::controls::Planned;
use super::fields::{Action, COMMON};
use super::parameters::Parameters;
use super::{IDENTIFIER, SECRET, State, lock};

const PATH: &str = "/includes/api.php";
const REQUEST_SIZE_MAX: usize = 1 << 20;

/// Takes requests until it is aborted, and cuts its connections then.
pub(super) async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // A connection that breaks is the business of its client.
            let _ = converse(client, &state).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// What a client gets.
enum Reaction {
    Answer { status: u16, body: String },
    Silence,
    Cut,
}

async fn converse(mut client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let Some(request) = Request::read(&mut client).await? else { return Ok(()) };
    match react(&request, state) {
        Reaction::Answer { status, body } => {
            let kind = if serde_json::from_str::<Value>(&body).is_ok() { "application/json" } else { "text/html" };
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n");
            let answer = format!("{head}Connection: close\r\n\r\n{body}");
            client.write_all(answer.as_bytes()).await?;
            client.shutdown().await
        }
        Reaction::Silence => {
            // Until the client goes.
            let mut rest = [0; 64];
            while client.read(&mut rest).await? > 0 {}
            Ok(())
        }
        Reaction::Cut => Ok(()),
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    body: Vec<u8>,
}

impl Request {
    /// The request, unless the client goes before it is whole.
    async fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut received = Vec::new();
        loop {
            if let Some(request) = Self::parse(&received) {
                return Ok(Some(request));
            }
            if received.len() > REQUEST_SIZE_MAX || client.read_buf(&mut received).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn parse(received: &[u8]) -> Option<Self> {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&received[..end]);
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
        let mut headers = lines.filter_map(|line| line.split_once(':'));
        let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
        let body = received[end + 4..].get(..length)?.to_vec();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), body })
    }
}

fn react(request: &Request, state: &Mutex<State>) -> Reaction {
    if request.method != "POST" || request.path != PATH {
        return Reaction::Answer { status: 404, body: "<html><h1>404 Not Found</h1></html>".to_owned() };
    }
    let parameters = Parameters::parse(&request.query, &request.body);
    let mut state = lock(state);
    let asked = parameters.text("action").unwrap_or_default();
    state.controls.count(asked);
    if let Err(refused) = let_in(&parameters, &state) {
        return refused;
    }
    let Some(action) = Action::find(asked) else { return error(200, "Command Not Found") };
    if state.controls.forbidden.contains(&action.name.to_ascii_lowercase()) {
        let name = action.name.to_ascii_lowercase();
        return error(403, &format!("Invalid Permissions: API action \"{name}\" is not allowed"));
    }
    match state.controls.next_planned(action.name) {
        Some(Planned::Refuse(message)) => error(200, &message),
        Some(Planned::Answer { status, body }) => Reaction::Answer { status, body },
        Some(Planned::HangAfterEffect) => {
            perform(action, &parameters, &mut state);
            Reaction::Silence
        }
        Some(Planned::CutAfterEffect) => {
            perform(action, &parameters, &mut state);
            Reaction::Cut
        }
        None => perform(action, &parameters, &mut state),
    }
}

fn let_in(parameters: &Parameters, state: &State) -> Result<(), Reaction> {
    let key = state.controls.access_key.as_deref();
    if key.is_some() && parameters.text("accesskey") != key {
        return Err(error(400, "Invalid IP 127.0.0.1"));
    }
    // Clients from before version 7.2 say it with these.
    let credentials = |identifier, secret| Some((parameters.filled(identifier)?, parameters.filled(secret)?));
    match credentials("identifier", "secret").or_else(|| credentials("username", "password")) {
        Some((IDENTIFIER, SECRET)) => Ok(()),
        Some(_) => Err(error(403, "Authentication Failed")),
        None => Err(error(403, "Invalid or missing credentials")),
    }
}

fn error(status: u16, message: &str) -> Reaction {
    Reaction::Answer { status, body: json!({"result": "error", "message": message}).to_string() }
}

fn perform(action: Action, parameters: &Parameters, state: &mut State) -> Reaction {
    let mut wrong = action.check_request(parameters);
    if !wrong.is_empty() {
        return violation(action, wrong, state);
    }
    let call = Call { action, parameters, now: state.controls.now() };
    match actions::perform(call, &mut state.books) {
        Ok(answer) => {
            wrong.extend(action.check_answer(&answer));
            let unread = parameters.unread(&COMMON);
            wrong.extend(unread.iter().map(|name| format!("this stand-in does nothing with {name}")));
            if wrong.is_empty() {
                Reaction::Answer { status: 200, body: action.sent(answer).to_string() }
            } else {
                violation(action, wrong, state)
            }
        }
        Err(message) => error(200, &message),
    }
}

fn violation(action: Action, wrong: Vec<String>, state: &mut State) -> Reaction {
    let wrong: Vec<String> = wrong.into_iter().map(|what| format!("{}: {what}", action.name)).collect();
    let reaction = error(500, &wrong.join("; "));
    state.controls.violations.extend(wrong);
    reaction
}
