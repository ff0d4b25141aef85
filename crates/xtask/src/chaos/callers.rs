//! Publishers who don't give up: each command is sent, again and again under its id, until it is answered for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use messages::{ActionKind, Encoding, find_action};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use test_support::amqp::{self, AmqpCaller};
use test_support::deployment::FRONTEND_USER;
use test_support::http::HttpCaller;
use test_support::php::PhpServer;
use test_support::world;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::arena::Arena;

/// A command that nobody answers for so long, while everything is healed in between, is lost.
const LOST_AFTER: Duration = Duration::from_mins(20);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Customer(i64),
    Admin,
}

/// Something that is asked for; commands are known by their id.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) id: Uuid,
    pub(super) who: Who,
    pub(super) action: &'static str,
    pub(super) parameters: Value,
}

/// A command and what its publisher was told in the end.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) ask: Ask,
    pub(super) answer: Value,
    /// How often it was sent.
    pub(super) sent: u32,
}

/// All publishers, and what they were told.
pub(super) struct Callers {
    amqp: [AmqpCaller; 2],
    http: BTreeMap<i64, HttpCaller>,
    php: BTreeMap<i64, HttpCaller>,
    admin: HttpCaller,
    told: Mutex<Vec<Told>>,
    broken: Mutex<Vec<String>>,
    asked: Mutex<BTreeMap<&'static str, u64>>,
    /// Commands that were also published with nobody waiting for the reply.
    unheard: Mutex<BTreeSet<Uuid>>,
    _php_server: PhpServer,
}

/// What one attempt brings.
enum Attempt {
    /// An answer that stays.
    Answered(Value),
    /// Nothing, or something that asks for patience.
    AskAgain,
}

/// The ways in.
#[derive(Debug, Clone, Copy)]
enum Way {
    Amqp(usize, Encoding),
    Gateway,
    Php,
}

impl Callers {
    pub(super) async fn connect(arena: &Arena, customers: i64) -> Result<Arc<Self>> {
        let deployment = &arena.deployment;
        let connect = async || AmqpCaller::connect(&deployment.amqp_url(FRONTEND_USER), amqp::admin()).await;
        let amqp = [connect().await?, connect().await?];
        let php_server = PhpServer::start(deployment, &[]).await?;
        let (mut http, mut php) = (BTreeMap::new(), BTreeMap::new());
        for id in 1..=customers {
            let token = world::issue_token(deployment, Some(id)).await?;
            http.insert(id, HttpCaller::new(&deployment.gateway_url(), Some(&token))?);
            php.insert(id, HttpCaller::new(&php_server.url(), Some(&token))?);
        }
        let token = world::issue_token(deployment, None).await?;
        let admin = HttpCaller::new(&deployment.gateway_url(), Some(&token))?;
        Ok(Arc::new(Self {
            amqp,
            http,
            php,
            admin,
            told: Mutex::default(),
            broken: Mutex::default(),
            asked: Mutex::default(),
            unheard: Mutex::default(),
            _php_server: php_server,
        }))
    }

    /// Sends it until there is an answer that stays. What contradicts an earlier answer is noted.
    ///
    /// Some commands are sent by two publishers at once, some are only confirmed and asked for later.
    pub(super) async fn ask(&self, ask: Ask, random: &mut StdRng) -> Result<Value> {
        *lock(&self.asked).entry(ask.action).or_default() += 1;
        let is_command = find_action(ask.action).is_some_and(|spec| spec.kind == ActionKind::Command);
        let (mut sent, mut twin_random) = (0, rand::make_rng::<StdRng>());
        if is_command && random.random_ratio(1, 7) {
            sent += self.publish_only(&ask, random).await?;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
        }
        let answer = if is_command && random.random_ratio(1, 10) {
            let (one, other) =
                tokio::join!(self.until_answered(&ask, random), self.until_answered(&ask, &mut twin_random));
            let ((one, times), (other, more)) = (one?, other?);
            sent += times + more;
            self.compare(&ask, &one, &other);
            one
        } else {
            let (answer, times) = self.until_answered(&ask, random).await?;
            sent += times;
            answer
        };
        if is_command {
            lock(&self.told).push(Told { ask, answer: answer.clone(), sent });
        }
        Ok(answer)
    }

    /// Asks once more for something that was answered; the answer must be the same.
    pub(super) async fn ask_again(&self, told: &Told, random: &mut StdRng) -> Result<()> {
        let (answer, _) = self.until_answered(&told.ask, random).await?;
        self.compare(&told.ask, &told.answer, &answer);
        Ok(())
    }

    fn compare(&self, ask: &Ask, one: &Value, other: &Value) {
        if one != other {
            self.complain(format!("{} {} was answered twice: {one} and {other}", ask.action, ask.id));
        }
    }

    /// Notes something that must not be.
    pub(super) fn complain(&self, what: String) {
        lock(&self.broken).push(what);
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        lock(&self.broken).clone()
    }

    pub(super) fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    /// Commands that were refused, and that were also published with nobody waiting for the reply.
    pub(super) fn refused_unheard(&self) -> BTreeSet<Uuid> {
        let unheard = lock(&self.unheard);
        let told = lock(&self.told);
        let refused = told.iter().filter(|told| told.answer["result"] != "OK" && told.answer["code"] != 200);
        refused.map(|told| told.ask.id).filter(|id| unheard.contains(id)).collect()
    }

    /// How often each action was asked for.
    pub(super) fn asked(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.asked).clone()
    }

    /// Publishes a command until the broker confirms it; nobody waits for the reply. Returns how often it was sent.
    async fn publish_only(&self, ask: &Ask, random: &mut StdRng) -> Result<u32> {
        let caller = self.amqp[0].asking_for(principal(ask.who));
        let message = caller.message(ask.action, ask.parameters.clone(), Encoding::MessagePack, Some(ask.id))?;
        for sent in 1.. {
            let published = timeout(Duration::from_secs(10), caller.publish_raw(message.clone())).await;
            if matches!(published, Ok(Ok(()))) {
                lock(&self.unheard).insert(ask.id);
                return Ok(sent);
            }
            pause(random).await;
        }
        Ok(0)
    }

    async fn until_answered(&self, ask: &Ask, random: &mut StdRng) -> Result<(Value, u32)> {
        let started = Instant::now();
        for sent in 1.. {
            if let Attempt::Answered(answer) = self.attempt(ask, random).await? {
                return Ok((answer, sent));
            }
            if started.elapsed() > LOST_AFTER {
                self.complain(format!("{} {} is lost: {} attempts, no answer", ask.action, ask.id, sent));
                break;
            }
            pause(random).await;
        }
        Ok((Value::Null, 0))
    }

    async fn attempt(&self, ask: &Ask, random: &mut StdRng) -> Result<Attempt> {
        let patience = Duration::from_secs(random.random_range(3..20));
        let key = ask.id.to_string();
        match way(ask, random) {
            Way::Amqp(publisher, encoding) => {
                let caller = self.amqp[publisher].asking_for(principal(ask.who));
                let call = caller.call(ask.action, ask.parameters.clone(), encoding, Some(ask.id));
                Ok(match timeout(patience, call).await {
                    Ok(Ok(answer)) => judge(answer),
                    Ok(Err(_)) | Err(_) => Attempt::AskAgain,
                })
            }
            way @ (Way::Gateway | Way::Php) => {
                let caller = match (way, ask.who) {
                    (_, Who::Admin) => Some(&self.admin),
                    (Way::Php, Who::Customer(id)) => self.php.get(&id),
                    (_, Who::Customer(id)) => self.http.get(&id),
                };
                let caller = caller.context("every customer has a token")?;
                let call = caller.call_with_key(ask.action, &ask.parameters, Some(&key));
                Ok(match timeout(patience, call).await {
                    Ok(Ok(reply)) if reply.status != 429 && reply.status < 500 => judge(reply.body),
                    _ => Attempt::AskAgain,
                })
            }
        }
    }
}

/// A customer without patience would hide what this is about: only a callback and a broken transport ask for more.
fn judge(answer: Value) -> Attempt {
    let unavailable = answer["message"].as_str().is_some_and(|message| message.contains("at the moment"));
    let is_object = answer.is_object();
    if !is_object || unavailable || answer.get("callback").is_some() {
        Attempt::AskAgain
    } else {
        Attempt::Answered(answer)
    }
}

/// `/storage/…` has paths of its own over HTTP; over AMQP these are actions like the others.
fn way(ask: &Ask, random: &mut StdRng) -> Way {
    let encoding = if random.random() { Encoding::MessagePack } else { Encoding::Json };
    if ask.action.starts_with("storage_") {
        return Way::Amqp(random.random_range(0..2), encoding);
    }
    match random.random_range(0..10) {
        0..5 => Way::Amqp(random.random_range(0..2), encoding),
        5..8 => Way::Gateway,
        _ => Way::Php,
    }
}

fn principal(who: Who) -> Value {
    match who {
        Who::Customer(id) => amqp::customer(id),
        Who::Admin => amqp::admin(),
    }
}

async fn pause(random: &mut StdRng) {
    tokio::time::sleep(Duration::from_millis(random.random_range(50..800))).await;
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
