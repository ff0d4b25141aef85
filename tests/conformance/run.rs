//! Running a case over its transports.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use test_support::world::World;
use tokio::time::Instant;

use crate::case::{Caller, Case, Transport};
use crate::expect::{Variables, difference, short, substitute, substitute_text};
use crate::fixture::{Fixtures, add_new_names};
use crate::transport::{Doors, Exchange, asks_to_try_again, send};

/// How long an answer may need to become the right one.
const EVENTUALLY: Duration = Duration::from_mins(1);
/// The same, where so much has been waited for in vain that something is broken.
const EVENTUALLY_BROKEN: Duration = Duration::from_secs(2);
const WAITED_IN_VAIN_MAX: usize = 8;
const TRIES_MAX: usize = 5;
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A case over some of its transports, which share one fixture.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) file: &'a str,
    pub(crate) case: &'a Case,
    pub(crate) transports: Vec<Transport>,
}

/// A case that failed over one transport.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) file: String,
    pub(crate) case: String,
    transport: &'static str,
    sent: String,
    came: String,
    difference: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} · {}", self.file, self.case, self.transport)?;
        if !self.sent.is_empty() {
            writeln!(f, "    sent  {}\n    came  {}", self.sent, self.came)?;
        }
        writeln!(f, "    {}", self.difference)
    }
}

/// Everything that jobs need.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    pub(crate) world: &'a World,
    pub(crate) doors: Doors,
    /// How often the right answer was waited for in vain.
    pub(crate) waited_in_vain: AtomicUsize,
    /// How many answers asked to try again.
    pub(crate) tried_again: AtomicUsize,
}

impl Runner<'_> {
    /// Makes the fixture and runs the case; returns what failed.
    pub(crate) async fn run(&self, job: &Job<'_>) -> Vec<Failure> {
        let failure = |transport: Transport, broken: Broken| Failure {
            file: job.file.to_owned(),
            case: job.case.name.clone(),
            transport: transport.name(),
            sent: broken.sent,
            came: broken.came,
            difference: broken.difference,
        };
        // A case over AMQP alone can do without tokens, which take a while to issue.
        let needs_token = job.transports.iter().any(|transport| !transport.is_amqp());
        let fixtures = Fixtures { world: self.world, php: &self.doors.amqp };
        let variables = match fixtures.prepare(job.case.given, needs_token).await {
            Ok(variables) => variables,
            Err(error) => {
                return job.transports.iter().map(|transport| failure(*transport, Broken::of(&error))).collect();
            }
        };
        let mut failures = Vec::new();
        for transport in &job.transports {
            let mut variables = variables.clone();
            add_new_names(self.world, &mut variables);
            if let Err(broken) = self.run_over(*transport, job.case, &mut variables).await {
                failures.push(failure(*transport, broken));
            }
        }
        failures
    }

    async fn run_over(&self, transport: Transport, case: &Case, variables: &mut Variables) -> Result<(), Broken> {
        let caller = case.caller.unwrap_or(Caller::Customer);
        self.step(transport, case, caller, variables).await?;
        for next in &case.then {
            self.step(transport, next, next.caller.unwrap_or(caller), variables).await?;
        }
        Ok(())
    }

    /// One call; again and again where its answer may need a while.
    async fn step(
        &self,
        transport: Transport,
        case: &Case,
        caller: Caller,
        variables: &mut Variables,
    ) -> Result<(), Broken> {
        let is_broken = self.waited_in_vain.load(Ordering::Relaxed) >= WAITED_IN_VAIN_MAX;
        let mut tries_left = TRIES_MAX;
        let deadline = Instant::now() + if is_broken { EVENTUALLY_BROKEN } else { EVENTUALLY };
        loop {
            let exchange = match send(&self.doors, transport, case, caller, variables).await {
                Ok(exchange) => exchange,
                Err(error) => return Err(Broken::of(&error)),
            };
            if asks_to_try_again(&exchange.body) && tries_left > 0 {
                tries_left -= 1;
                self.tried_again.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            match check(case, &exchange, variables) {
                Ok(None) => return remember(case, &exchange, variables),
                Ok(Some(_)) if case.eventually && Instant::now() < deadline => {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Ok(Some(difference)) => {
                    self.waited_in_vain.fetch_add(usize::from(case.eventually), Ordering::Relaxed);
                    return Err(Broken::from(exchange, difference));
                }
                Err(error) => return Err(Broken::from(exchange, format!("{error:#}"))),
            }
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
struct Broken {
    sent: String,
    came: String,
    difference: String,
}

impl Broken {
    fn of(error: &anyhow::Error) -> Self {
        Self { sent: String::new(), came: String::new(), difference: format!("{error:#}") }
    }

    fn from(exchange: Exchange, difference: String) -> Self {
        let status = exchange.status.map_or_else(String::new, |status| format!("{status} "));
        Self { sent: exchange.sent, came: format!("{status}{}", short(&exchange.body)), difference }
    }
}

/// The first difference between what came and what is expected.
fn check(case: &Case, exchange: &Exchange, variables: &Variables) -> Result<Option<String>> {
    let expected = substitute(&case.expected(), variables)?;
    if let Some(difference) = difference(&expected, &exchange.body, &case.also.iter().cloned().collect()) {
        return Ok(Some(difference));
    }
    let Some(status) = exchange.status else { return Ok(None) };
    let code = exchange.body["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 100);
    let expected = case.status.or(code).unwrap_or(200);
    if status != expected {
        return Ok(Some(format!("the HTTP status should be {expected}, but is {status}")));
    }
    for (name, value) in &case.answer_headers {
        let wanted = json!(substitute_text(value, variables)?);
        let header = json!(exchange.headers.get(&name.to_ascii_lowercase()));
        if let Some(difference) = difference(&wanted, &header, &BTreeSet::new()) {
            return Ok(Some(format!("the header {name}: {difference}")));
        }
    }
    Ok(None)
}

fn remember(case: &Case, exchange: &Exchange, variables: &mut Variables) -> Result<(), Broken> {
    for (name, path) in &case.remember {
        let pointer = format!("/{}", path.replace('.', "/"));
        let Some(value) = exchange.body.pointer(&pointer) else {
            let difference = format!("there is no {path} to remember in {}", short(&exchange.body));
            return Err(Broken { sent: exchange.sent.clone(), came: String::new(), difference });
        };
        variables.insert(name.clone(), value.clone());
    }
    Ok(())
}
