//! Lists that come in pages, read to their end.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::{Client, Error};

/// How many items to ask for at once; WHMCS may send fewer.
const PAGE_SIZE: usize = 100;

/// One page of a list.
pub(crate) trait Page: DeserializeOwned {
    type Item;

    /// How many items the list has in all.
    fn total(&self) -> u64;
    /// The items of this page.
    fn into_items(self) -> Vec<Self::Item>;
    /// What tells items apart.
    fn id(item: &Self::Item) -> i64;
}

impl Client {
    /// All items of a list, each once. A list that changes while it is read, so that items may be missing, is an error.
    pub(crate) async fn pages<P: Page>(&self, call: Call) -> Result<Vec<P::Item>, Error> {
        let (mut items, mut seen, mut start) = (Vec::new(), HashSet::new(), 0);
        loop {
            let page: P = self.call(call.clone().with("limitstart", start).with("limitnum", PAGE_SIZE)).await?;
            let total = page.total();
            let (page, known) = (page.into_items(), seen.len());
            start += page.len();
            items.extend(page.into_iter().filter(|item| seen.insert(P::id(item))));
            if seen.len() as u64 >= total {
                return Ok(items);
            }
            if seen.len() == known {
                let reason = format!("{known} of {total} items came");
                return Err(Error::unknown(call.action, reason));
            }
        }
    }
}

/// A page's type: its name, the list's field and how to read it, what the list holds.
macro_rules! page {
    ($name:ident, $field:ident, $list:literal, $item:ty) => {
        #[derive(serde::Deserialize)]
        struct $name {
            #[serde(deserialize_with = "crate::lenient::count")]
            totalresults: u64,
            #[serde(default, deserialize_with = $list)]
            $field: Vec<$item>,
        }

        impl crate::pages::Page for $name {
            type Item = $item;

            fn total(&self) -> u64 {
                self.totalresults
            }

            fn into_items(self) -> Vec<$item> {
                self.$field
            }

            fn id(item: &$item) -> i64 {
                item.id.0
            }
        }
    };
}
pub(crate) use page;
