//! What goes to a server, cut into pieces with the steps among them; what comes back, as far as it matters.

use std::collections::{BTreeSet, HashMap};

use super::Wire;
use super::rabbit::{RabbitAnswers, RabbitRequests};

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Whatever the server says next.
    Any,
    /// The broker's confirm on this channel.
    Confirm(u16),
    /// Nothing comes.
    None,
}

/// A piece that is forwarded whole.
pub(super) struct Unit {
    pub(super) bytes: Vec<u8>,
    /// Pieces of different channels may overtake one another.
    pub(super) channel: u16,
    /// The label, where it is a step.
    pub(super) step: Option<String>,
    pub(super) answer: Answer,
    /// How many deliveries it acknowledges.
    pub(super) acknowledged: u64,
}

impl Unit {
    pub(super) fn plain(bytes: Vec<u8>) -> Self {
        Self { bytes, channel: 0, step: None, answer: Answer::Any, acknowledged: 0 }
    }
}

/// What is in the bytes that came from the server.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) deliveries: u64,
    pub(super) confirms: Vec<u16>,
}

impl Seen {
    pub(super) fn has(&self, answer: Answer) -> bool {
        match answer {
            Answer::Any => true,
            Answer::Confirm(channel) => self.confirms.contains(&channel),
            Answer::None => false,
        }
    }
}

/// The client's side of a connection.
pub(super) struct Requests {
    name: String,
    buffer: Vec<u8>,
    parser: Parser,
}

enum Parser {
    Postgres(PostgresRequests),
    Rabbit(RabbitRequests),
    Http { is_inside: bool },
}

impl Requests {
    pub(super) fn of(wire: Wire, name: &str) -> Self {
        let parser = match wire {
            Wire::Postgres => Parser::Postgres(PostgresRequests::default()),
            Wire::Rabbit => Parser::Rabbit(RabbitRequests::default()),
            Wire::Http => Parser::Http { is_inside: false },
        };
        Self { name: name.to_owned(), buffer: Vec::new(), parser }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole piece.
    pub(super) fn next(&mut self) -> Option<Unit> {
        let unit = match &mut self.parser {
            Parser::Postgres(parser) => parser.next(&mut self.buffer),
            Parser::Rabbit(parser) => parser.next(&mut self.buffer),
            Parser::Http { is_inside } => next_http(&mut self.buffer, is_inside),
        }?;
        let step = unit.step.map(|step| format!("{}: {step}", self.name));
        Some(Unit { step, ..unit })
    }

    /// The server has said something: a client waits for one HTTP answer before its next request.
    pub(super) fn answered(&mut self) {
        if let Parser::Http { is_inside } = &mut self.parser {
            *is_inside = false;
        }
    }
}

/// The server's side of a connection.
pub(super) enum Answers {
    Rabbit(RabbitAnswers),
    Other,
}

impl Answers {
    pub(super) fn of(wire: Wire) -> Self {
        if wire == Wire::Rabbit { Self::Rabbit(RabbitAnswers::default()) } else { Self::Other }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Seen {
        match self {
            Self::Rabbit(answers) => answers.push(bytes),
            Self::Other => Seen::default(),
        }
    }
}

fn next_http(buffer: &mut Vec<u8>, is_inside: &mut bool) -> Option<Unit> {
    if buffer.is_empty() {
        return None;
    }
    let bytes = std::mem::take(buffer);
    let head = String::from_utf8_lossy(&bytes);
    let line = head.lines().next().filter(|line| !*is_inside && line.ends_with(" HTTP/1.1"));
    let step = line.and_then(http_step);
    *is_inside = true;
    Some(Unit { step, ..Unit::plain(bytes) })
}

/// `PUT /admin/user?access-key&uid`, `DELETE /*/*`: which names and values are meant differs from case to case.
fn http_step(line: &str) -> Option<String> {
    let (method, rest) = line.split_once(' ')?;
    if !["PUT", "POST", "DELETE"].contains(&method) {
        return None;
    }
    let target = rest.strip_suffix(" HTTP/1.1")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = if path.starts_with("/admin/") {
        path.to_owned()
    } else {
        path.split('/').map(|segment| if segment.is_empty() { "" } else { "*" }).collect::<Vec<_>>().join("/")
    };
    let names: BTreeSet<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    Some(format!("{method} {path} {}", Vec::from_iter(names).join("&")).trim_end().to_owned())
}

/// One connection to PostgreSQL: which statement writes what, and whether a transaction is open.
#[derive(Default)]
struct PostgresRequests {
    is_started: bool,
    statements: HashMap<String, String>,
    is_in_transaction: bool,
    written: BTreeSet<String>,
}

impl PostgresRequests {
    fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Unit> {
        // The first message has no type.
        let start = usize::from(self.is_started);
        let length = buffer.get(start..start + 4)?;
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()? + start;
        if buffer.len() < length {
            return None;
        }
        let bytes: Vec<u8> = buffer.drain(..length).collect();
        if !self.is_started {
            self.is_started = true;
            return Some(Unit::plain(bytes));
        }
        let texts: Vec<_> = bytes[5..].split(|byte| *byte == 0).take(2).map(String::from_utf8_lossy).collect();
        let text = |n: usize| texts.get(n).map(ToString::to_string).unwrap_or_default();
        let step = match bytes[0] {
            b'P' => {
                self.statements.insert(text(0), text(1));
                None
            }
            b'B' => self.execute(&text(1)),
            b'Q' => self.query(&text(0)),
            _ => None,
        };
        Some(Unit { step, ..Unit::plain(bytes) })
    }

    fn execute(&mut self, statement: &str) -> Option<String> {
        let sql = self.statements.get(statement)?;
        let written = written_tables(sql);
        if !self.is_in_transaction {
            return (!written.is_empty()).then(|| format!("write {}", joined(&written)));
        }
        let is_first = self.written.is_empty() && written.contains("answered_commands") && sql.contains("INSERT");
        self.written.extend(written);
        is_first.then(|| "take the command".to_owned())
    }

    fn query(&mut self, sql: &str) -> Option<String> {
        match sql.trim_end_matches(';') {
            "BEGIN" => (self.is_in_transaction, self.written) = (true, BTreeSet::new()),
            "ROLLBACK" => self.is_in_transaction = false,
            "COMMIT" => {
                self.is_in_transaction = false;
                return (!self.written.is_empty()).then(|| format!("commit {}", joined(&self.written)));
            }
            _ => {}
        }
        None
    }
}

fn joined(tables: &BTreeSet<String>) -> String {
    tables.iter().map(String::as_str).collect::<Vec<_>>().join("+")
}

/// The tables into which a statement writes.
fn written_tables(sql: &str) -> BTreeSet<String> {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let is_written = |words: &&[&str]| match words {
        ["INSERT", "INTO", _] | ["DELETE", "FROM", _] => true,
        [before, "UPDATE", _] => !["FOR", "KEY", "DO"].contains(before),
        _ => false,
    };
    let table = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').to_owned();
    let mut tables: BTreeSet<String> =
        words.windows(3).filter(is_written).filter_map(|words| Some(table(words.last()?))).collect();
    if let ["UPDATE", first, ..] = words.as_slice() {
        tables.insert(table(first));
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::{http_step, written_tables};

    #[test]
    fn a_statement_s_tables_are_those_it_writes() {
        for (sql, tables) in [
            ("SELECT id FROM orders WHERE id = $1 FOR UPDATE SKIP LOCKED", ""),
            ("SELECT id FROM orders FOR NO KEY UPDATE", ""),
            ("UPDATE intents SET plan = $2", "intents"),
            (
                "INSERT INTO subject_versions AS v (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
                "subject_versions",
            ),
            ("WITH r AS ( UPDATE intents SET a = 1 ) INSERT INTO outbox (a) SELECT 1", "intents+outbox"),
            ("DELETE FROM outbox WHERE id = ANY ($1)", "outbox"),
        ] {
            assert_eq!(super::joined(&written_tables(sql)), tables, "{sql}");
        }
    }

    #[test]
    fn a_request_is_a_step_where_it_changes_something() {
        for (line, step) in [
            ("GET /admin/user?uid=1 HTTP/1.1", None),
            ("PUT /admin/user?uid=1&access-key=2 HTTP/1.1", Some("PUT /admin/user access-key&uid")),
            ("PUT /a-bucket/a-file?x-id=PutObject HTTP/1.1", Some("PUT /*/* x-id")),
            ("DELETE /a-bucket HTTP/1.1", Some("DELETE /*")),
        ] {
            assert_eq!(http_step(line).as_deref(), step, "{line}");
        }
    }
}
