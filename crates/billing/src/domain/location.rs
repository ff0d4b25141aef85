//! Locations by name and by alias.

use std::collections::BTreeMap;

use messages::Refusal;
use model::Location;

/// The operator's locations, their other names, and the default.
#[derive(Debug, Clone)]
pub struct LocationBook {
    default: Location,
    /// Name or alias to location.
    names: BTreeMap<Location, Location>,
}

impl LocationBook {
    /// A book of the default location, and of all locations with their aliases.
    pub fn new(default: Location, locations: impl IntoIterator<Item = (Location, Vec<Location>)>) -> Self {
        let mut names = BTreeMap::from([(default.clone(), default.clone())]);
        for (location, aliases) in locations {
            for alias in aliases {
                names.insert(alias, location.clone());
            }
            names.insert(location.clone(), location);
        }
        Self { default, names }
    }

    /// The location that is meant where none is named.
    pub(crate) fn default_location(&self) -> &Location {
        &self.default
    }

    /// The location that a caller means; the default where they name none.
    pub(crate) fn resolve(&self, name: Option<&str>) -> Result<Location, Refusal> {
        let Some(name) = name else { return Ok(self.default.clone()) };
        name.parse::<Location>().ok().and_then(|name| self.names.get(&name).cloned()).ok_or_else(|| {
            let known: Vec<&str> = self.known().iter().map(|location| location.as_str()).collect();
            Refusal::new(format!("unknown location {name:?}; S3 is available in {}", known.join(", ")))
        })
    }

    fn known(&self) -> Vec<&Location> {
        self.names.iter().filter(|(name, location)| name == location).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_read_in_any_case() {
        let location = |name: &str| name.parse::<Location>().unwrap();
        let book = LocationBook::new(
            location("NL"),
            [(location("NL"), vec![]), (location("US"), vec![location("us-east-1")])],
        );
        for (name, resolved) in [(None, "NL"), (Some("nl"), "NL"), (Some("US"), "US"), (Some("us-east-1"), "US")] {
            assert_eq!(book.resolve(name).unwrap().as_str(), resolved, "{name:?}");
        }
        for bad in ["XX", "", "nowhere at all", "../"] {
            let message = book.resolve(Some(bad)).unwrap_err().message;
            assert!(message.ends_with("S3 is available in NL, US"), "{message}");
        }
    }
}
