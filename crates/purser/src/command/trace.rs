//! `purser trace`.

use std::fmt;
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Args;
use history::{FullEntry, LogFilter, TakenCommand};
use messages::trace_id;
use model::{Clock, SystemClock, Timestamp};
use runtime::config::Config;
use serde::Serialize;
use uuid::Uuid;

use super::{duration, owner_pool, table};

/// So many entries are one command's way at most; a flood under one trace id shows its end.
const ENTRIES_MAX: i64 = 1_000;

/// One command's way through the roles: when it was taken, what it led to, when it was answered.
///
/// Exit code 1: nothing is known of it.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// A command's id (Idempotency-Key, the property `message_id`), a trace id, or a whole traceparent
    #[arg(value_name = "ID", value_parser = wanted)]
    id: Wanted,
    /// How far back to look
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration::parse)]
    since: TimeDelta,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What was asked for: a trace id, which may be a message's id as well.
#[derive(Debug, Clone)]
struct Wanted {
    trace_id: String,
    message_id: Option<Uuid>,
}

/// One thing that happened on the way.
#[derive(Debug, Serialize)]
struct Way {
    at: Timestamp,
    role: String,
    step: Step,
    /// The action or event.
    name: String,
    /// Whose command, or about what.
    subject: String,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Taken,
    Recorded,
    Answered,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "taken",
            Self::Recorded => "recorded",
            Self::Answered => "answered",
        })
    }
}

fn wanted(text: &str) -> Result<Wanted, String> {
    let text = text.trim();
    let message_id = Uuid::try_parse(text).ok();
    let trace = trace_id(text).map(str::to_owned).or_else(|| message_id.map(|id| id.simple().to_string()));
    let trace_id = trace.ok_or("must be a UUID, a trace id of 32 hex digits, or a traceparent 00-…-…-01")?;
    Ok(Wanted { trace_id, message_id })
}

impl Trace {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let pool = owner_pool(config).await?;
        let since = SystemClock.now() - self.since;
        let Wanted { mut trace_id, message_id } = self.id;
        // A caller's own trace context isn't the message's id: the command knows it.
        if let Some(id) = message_id
            && let Some(known) = history::trace_of_command(&pool, id, since).await?
        {
            trace_id = known;
        }
        let commands = history::find_commands(&pool, &trace_id, message_id, since).await?;
        let filter = LogFilter {
            subject: None,
            customer_id: None,
            event: None,
            trace_id: Some(trace_id.clone()),
            from: since,
            until: Timestamp::MAX_UTC,
        };
        let entries = history::find_entries(&pool, &filter, ENTRIES_MAX).await?;
        let mut way: Vec<Way> =
            commands.into_iter().flat_map(of_command).chain(entries.into_iter().map(of_entry)).collect();
        way.sort_by_key(|step| (step.at, step.step));
        if self.json {
            println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "trace_id": trace_id, "way": way }))?);
        } else {
            print(&trace_id, &way);
        }
        Ok(if way.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn of_command(command: TakenCommand) -> Vec<Way> {
    let TakenCommand { role, action, principal, message_id, received_at, answered_at, refusal } = command;
    let step = |at, step, detail| Way {
        at,
        role: role.clone(),
        step,
        name: action.clone(),
        subject: principal.clone(),
        detail,
    };
    let pending = if answered_at.is_none() { ", not answered yet" } else { "" };
    let taken = step(received_at, Step::Taken, format!("command {message_id}{pending}"));
    let outcome = refusal.map_or_else(|| "done".to_owned(), |why| format!("refused: {why}"));
    std::iter::once(taken).chain(answered_at.map(|at| step(at, Step::Answered, outcome))).collect()
}

fn of_entry(entry: FullEntry) -> Way {
    let FullEntry { recorded_at: at, source, event: name, subject, description: detail, .. } = entry;
    let role = source.rsplit('/').next().unwrap_or_default().to_owned();
    Way { at, role, step: Step::Recorded, name, subject, detail }
}

fn print(trace_id: &str, way: &[Way]) {
    let Some(first) = way.first() else {
        eprintln!("nothing is known of {trace_id}: it was not taken, or before --since, or it was a query");
        return;
    };
    println!("trace {trace_id}, from {}", first.at.format("%Y-%m-%d %H:%M:%S%.3f"));
    let rows = way.iter().map(|step| {
        let Way { at, role, step, name, subject, detail } = step;
        let after = (*at - first.at).num_milliseconds();
        vec![format!("+{after} ms"), role.clone(), step.to_string(), name.clone(), subject.clone(), detail.clone()]
    });
    println!("{}", table::plain(["after", "role", "step", "what", "about", "detail"], rows).trim_fmt());
}
