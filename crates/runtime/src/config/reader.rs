//! A section that is read key by key, and remembers what was wrong and what was never asked for.

use ::config::{Map, Value};

use super::Problem;
use super::values::Parsed;

/// One table of the file.
pub(super) struct Section<'p> {
    path: String,
    table: Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Section<'p> {
    /// The table at `path`; anything but a table is a problem.
    pub(super) fn new(path: impl Into<String>, value: Value, problems: &'p mut Vec<Problem>) -> Self {
        let path = path.into();
        let table = value.into_table().unwrap_or_else(|_| {
            problems.push(Problem::new(&path, format!("must be a section: [{path}]")));
            Map::new()
        });
        Self { path, table, known: Vec::new(), problems }
    }

    fn key(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// Notes a problem with a key of this section, or with the section itself where the key is empty.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = Problem::new(self.key(key), message);
        self.problems.push(problem);
    }

    /// Whether the key is there, asked for or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The key's value, where it is there and right.
    pub(super) fn optional<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        parse(&value).map_err(|message| self.problem(key, message)).ok()
    }

    /// The key's value; its absence is a problem.
    pub(super) fn required<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Parsed<T>) -> Option<T> {
        if !self.has(key) {
            self.problem(key, "is required");
        }
        self.optional(key, parse)
    }

    /// The key's value, or the default where it is absent.
    pub(super) fn or<T>(&mut self, key: &'static str, default: T, parse: impl Fn(&Value) -> Parsed<T>) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// A table within this one, absent ones as empty.
    pub(super) fn table(&mut self, key: &'static str) -> Section<'_> {
        self.known.push(key);
        let value = self.table.remove(key).unwrap_or_else(|| Value::from(Map::<String, Value>::new()));
        Section::new(self.key(key), value, self.problems)
    }

    /// A table within this one, where it is there.
    pub(super) fn optional_table(&mut self, key: &'static str) -> Option<Section<'_>> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        Some(Section::new(self.key(key), value, self.problems))
    }

    /// All that is left, sorted by key, and where to note problems with it.
    pub(super) fn into_entries(self) -> (Vec<(String, Value)>, &'p mut Vec<Problem>) {
        let mut entries: Vec<_> = self.table.into_iter().collect();
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        (entries, self.problems)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.join(", ");
        let prefix = if self.path.is_empty() { String::new() } else { format!("{}.", self.path) };
        let (entries, problems) = self.into_entries();
        for (key, _) in entries {
            problems.push(Problem::new(format!("{prefix}{key}"), format!("is unknown; there are: {known}")));
        }
    }
}
