//! The parameters of a request, as PHP reads a form.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use rust_decimal::Decimal;
use url::form_urlencoded;

/// `a=1`, or `a[0]=1` and `a[]=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parameter {
    Text(String),
    List(BTreeMap<String, String>),
}

/// The parameters, and which of them were looked at.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    all: BTreeMap<String, Parameter>,
    read: RefCell<BTreeSet<String>>,
}

impl Parameters {
    /// From the parts behind `?` and in the body; the latter counts where both have a name.
    pub(super) fn parse(query: &str, body: &[u8]) -> Self {
        let mut all = BTreeMap::new();
        for part in [query.as_bytes(), body] {
            let mut found = BTreeMap::new();
            for (name, value) in form_urlencoded::parse(part) {
                add(&mut found, &name, value.into_owned());
            }
            all.extend(found);
        }
        Self { all, read: RefCell::default() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.all.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Parameter> {
        self.read.borrow_mut().insert(name.to_owned());
        self.all.get(name)
    }

    /// Those that nobody has looked at, but for `except`.
    pub(super) fn unread(&self, except: &[&str]) -> Vec<&str> {
        let read = self.read.borrow();
        self.iter().map(|(name, _)| name).filter(|name| !read.contains(*name) && !except.contains(name)).collect()
    }

    /// Begins anew to note what is looked at.
    pub(super) fn forget_reads(&self) {
        self.read.borrow_mut().clear();
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Parameter::Text(text) => Some(text),
            Parameter::List(_) => None,
        }
    }

    /// The same, but empty text is none.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A number or a date; none where it isn't one, which the check of the types has told already.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.filled(name)?.parse().ok()
    }

    pub(super) fn id(&self, name: &str) -> Option<i64> {
        self.parsed(name)
    }

    pub(super) fn amount(&self, name: &str) -> Option<Decimal> {
        self.parsed(name)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("1")
    }

    pub(super) fn is_list(&self, name: &str) -> bool {
        matches!(self.all.get(name), Some(Parameter::List(_)))
    }

    /// The item of a list under `key`.
    pub(super) fn item(&self, name: &str, key: &str) -> Option<&str> {
        match self.get(name)? {
            Parameter::List(items) => items.get(key).map(String::as_str),
            Parameter::Text(_) => None,
        }
    }

    /// The items of a list with their keys.
    pub(super) fn items(&self, name: &str) -> Vec<(&str, &str)> {
        match self.get(name) {
            Some(Parameter::List(items)) => items.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            _ => Vec::new(),
        }
    }
}

fn add(all: &mut BTreeMap<String, Parameter>, name: &str, value: String) {
    let Some((name, key)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        all.insert(name.to_owned(), Parameter::Text(value));
        return;
    };
    let list = all.entry(name.to_owned()).or_insert_with(|| Parameter::List(BTreeMap::new()));
    if !matches!(list, Parameter::List(_)) {
        *list = Parameter::List(BTreeMap::new());
    }
    if let Parameter::List(items) = list {
        let next = || items.keys().filter_map(|key| key.parse::<u64>().ok()).max().map_or(0, |highest| highest + 1);
        let key = if key.is_empty() { next().to_string() } else { key.to_owned() };
        items.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_php_does() {
        let form = Parameters::parse("action=AddOrder&x=1", b"pid%5B0%5D=5&pid[]=6&note=a+b%26c&x=2&flag=1&on=true");
        assert_eq!((form.text("action"), form.text("x")), (Some("AddOrder"), Some("2")));
        assert_eq!(form.items("pid"), [("0", "5"), ("1", "6")]);
        assert_eq!((form.item("pid", "1"), form.item("pid", "2"), form.text("pid")), (Some("6"), None, None));
        assert_eq!((form.text("note"), form.flag("flag")), (Some("a b&c"), true));
        assert_eq!(form.unread(&["none"]), ["on"]);
    }
}
