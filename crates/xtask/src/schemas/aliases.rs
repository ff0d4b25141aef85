//! Other names under which parameters are taken, as serde knows them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use messages::Action;
use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// What each of the other names means.
const MEANINGS: [(&str, &str); 5] = [
    ("account_id", "s3uid"),
    ("bucket", "bucket_name"),
    ("file", "filename"),
    ("key_type", "s3_key"),
    ("limit", "max_keys"),
];

/// The other names of an action's parameters, with the names that its schema has.
pub(crate) fn of<A: Action>(schema_names: &[&str]) -> Result<BTreeMap<&'static str, &'static str>> {
    let mut fields: &[&str] = &[];
    // It always fails, once it has seen the names.
    let _ = A::deserialize(FieldNames(&mut fields));
    let others = fields.iter().filter(|name| !schema_names.contains(name));
    others
        .map(|alias| {
            let meaning = MEANINGS.iter().find(|(other, name)| other == alias && schema_names.contains(name));
            meaning.copied().with_context(|| format!("{}: it isn't said what {alias} means", A::NAME))
        })
        .collect()
}

/// Learns which fields a type asks for; gives it none.
struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only the names are wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
