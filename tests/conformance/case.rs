//! The cases as they stand in `cases/*.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use messages::{ActionKind, find_action};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A case, or one of the calls that follow in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Its name: a sentence.
    #[serde(default, rename = "case")]
    pub(crate) name: String,
    /// What the API's document shows. For readers.
    #[serde(default, rename = "quote")]
    pub(crate) _quote: Option<String>,
    /// What was decided where the document is silent. For readers.
    #[serde(default, rename = "rule")]
    pub(crate) _rule: Option<String>,
    /// What there is before the call.
    #[serde(default)]
    pub(crate) given: Given,
    /// Over which transports it is made.
    #[serde(default)]
    pub(crate) over: Over,
    /// Who calls; in a call that follows: the same as before, where it says nothing.
    #[serde(rename = "as")]
    pub(crate) caller: Option<Caller>,
    /// What is called: an action, or `<page>/<action>`.
    pub(crate) call: Option<String>,
    /// Instead of a call: a request as it stands.
    pub(crate) raw: Option<RawRequest>,
    /// The HTTP methods; the documented one where it says nothing.
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    /// The parameters.
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    /// `Idempotency-Key` or `message_id`; an empty one leaves the latter out.
    pub(crate) key: Option<String>,
    /// Further HTTP headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The HTTP status: 200, or `/storage`'s code, where it says nothing.
    pub(crate) status: Option<u16>,
    /// What comes back.
    pub(crate) answer: Option<Value>,
    /// Instead of an answer: the message of `{"code":-1,"message":…}`.
    pub(crate) refused: Option<Value>,
    /// Fields that may stand in the answer beside those that it names.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// HTTP headers that come back.
    #[serde(default)]
    pub(crate) answer_headers: BTreeMap<String, String>,
    /// Parts of the answer that later calls use: name to path.
    #[serde(default)]
    pub(crate) remember: BTreeMap<String, String>,
    /// Whether the answer may need a while to become the right one.
    #[serde(default)]
    pub(crate) eventually: bool,
    /// The calls that follow.
    #[serde(default)]
    pub(crate) then: Vec<Case>,
}

/// A request that no transport makes: broken, too large, of another method.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRequest {
    pub(crate) method: String,
    /// With its query string.
    pub(crate) path: String,
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) body: String,
    /// A body of this length, instead.
    pub(crate) body_bytes: Option<usize>,
}

/// The named fixtures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Given {
    /// Shared by all cases: without any account, for ever.
    #[default]
    #[serde(rename = "a customer")]
    Customer,
    #[serde(rename = "a new customer")]
    NewCustomer,
    #[serde(rename = "a new customer in Germany")]
    GermanCustomer,
    #[serde(rename = "a new customer who pays in RUB")]
    RoubleCustomer,
    #[serde(rename = "a new customer who pays in USD")]
    DollarCustomer,
    #[serde(rename = "a new customer who pays in GBP")]
    PoundCustomer,
    #[serde(rename = "two new customers")]
    TwoCustomers,
    #[serde(rename = "a new customer with an API key")]
    ApiKey,
    #[serde(rename = "an administrator's API key")]
    AdminApiKey,
    #[serde(rename = "an account")]
    Account,
    #[serde(rename = "an account without a minimum term")]
    AccountWithoutTerm,
    #[serde(rename = "two accounts")]
    TwoAccounts,
    #[serde(rename = "another customer's account")]
    OthersAccount,
    #[serde(rename = "an account and another customer's account")]
    AccountAndOthers,
    #[serde(rename = "an account with 3 files")]
    ThreeFiles,
    #[serde(rename = "an account with 120 files")]
    ManyFiles,
    #[serde(rename = "a cancelled account")]
    CancelledAccount,
    #[serde(rename = "a deleted account")]
    DeletedAccount,
    #[serde(rename = "a package")]
    Package,
    #[serde(rename = "another customer's package")]
    OthersPackage,
    #[serde(rename = "a cancelled package")]
    CancelledPackage,
    #[serde(rename = "a deleted package")]
    DeletedPackage,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Caller {
    Customer,
    #[serde(rename = "other customer")]
    OtherCustomer,
    Admin,
    Nobody,
    #[serde(rename = "bad token")]
    BadToken,
}

/// Over which transports a case goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Over {
    #[default]
    Everything,
    /// The gateway and the PHP drop-in.
    Http,
    /// The gateway only.
    Gateway,
    Amqp,
}

/// How a call travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    HttpForm,
    HttpQuery,
    HttpJson,
    HttpRaw,
    AmqpMessagePack,
    AmqpJson,
    Php,
}

impl Transport {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HttpForm => "HTTP form",
            Self::HttpQuery => "HTTP query string",
            Self::HttpJson => "HTTP JSON",
            Self::HttpRaw => "HTTP as written",
            Self::AmqpMessagePack => "AMQP MessagePack",
            Self::AmqpJson => "AMQP JSON",
            Self::Php => "PHP drop-in",
        }
    }

    pub(crate) const fn is_amqp(self) -> bool {
        matches!(self, Self::AmqpMessagePack | Self::AmqpJson)
    }
}

/// Which front door a call goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    /// `/<page>` with a parameter `action`.
    Page { page: String, action: String },
    /// `/storage/<verb>`.
    Storage { verb: String },
}

impl Case {
    pub(crate) fn call(&self) -> &str {
        self.call.as_deref().unwrap_or_default()
    }

    pub(crate) fn door(&self) -> Door {
        match (self.call().split_once('/'), self.call().strip_prefix("storage_")) {
            (Some((page, action)), _) => Door::Page { page: page.to_owned(), action: action.to_owned() },
            (None, Some(verb)) => Door::Storage { verb: verb.to_owned() },
            (None, None) => Door::Page { page: "s3.php".to_owned(), action: self.call().to_owned() },
        }
    }

    /// The methods that the case names, or else the documented one.
    pub(crate) fn http_methods(&self) -> Vec<&str> {
        if !self.methods.is_empty() {
            return self.methods.iter().map(String::as_str).collect();
        }
        match self.door() {
            Door::Page { .. } => vec!["POST"],
            Door::Storage { verb } => match verb.as_str() {
                "create" => vec!["POST"],
                "delete" | "undelete" => vec!["DELETE"],
                _ => vec!["GET"],
            },
        }
    }

    /// The transports that the case goes over.
    pub(crate) fn transports(&self) -> Vec<Transport> {
        use Transport::{AmqpJson, AmqpMessagePack, HttpForm, HttpJson, HttpQuery, HttpRaw, Php};
        if self.raw.is_some() {
            return vec![HttpRaw];
        }
        let methods = self.http_methods();
        let has_body = methods != ["GET"];
        let is_storage = matches!(self.door(), Door::Storage { .. });
        let is_s3_php = matches!(self.door(), Door::Page { page, .. } if page == "s3.php");
        let http = self.over != Over::Amqp;
        let amqp = matches!(self.over, Over::Everything | Over::Amqp);
        let php = matches!(self.over, Over::Everything | Over::Http) && is_s3_php;
        [
            (HttpForm, http && has_body),
            (HttpQuery, http),
            // Where there is no body it is the one that sends the token as a Bearer.
            (HttpJson, http && (has_body || is_storage)),
            (AmqpMessagePack, amqp),
            (AmqpJson, amqp),
            (Php, php),
        ]
        .into_iter()
        .filter_map(|(transport, wanted)| wanted.then_some(transport))
        .collect()
    }

    /// Whether nothing in it changes anything, so that all transports can use the same fixture.
    pub(crate) fn only_reads(&self) -> bool {
        let is_query = find_action(self.call()).is_some_and(|spec| spec.kind == ActionKind::Query);
        is_query && self.then.iter().all(Self::only_reads)
    }

    /// The answer that is expected.
    pub(crate) fn expected(&self) -> Value {
        match (&self.answer, &self.refused) {
            (Some(answer), _) => answer.clone(),
            (None, message) => serde_json::json!({"code": -1, "message": message}),
        }
    }

    fn check(&self) -> Result<()> {
        ensure!(self.call.is_some() != self.raw.is_some(), "either call or raw is needed");
        ensure!(self.answer.is_some() != self.refused.is_some(), "either answer or refused is needed");
        for next in &self.then {
            ensure!(next.name.is_empty() && next.raw.is_none(), "a call that follows has no name and isn't raw");
            let plain = next.given == Given::default() && next.over == Over::default();
            ensure!(plain, "given and over belong to the whole case");
            next.check().with_context(|| format!("then {}", next.call()))?;
        }
        Ok(())
    }
}

/// All cases of all files, in the files' order, each with the name of its file.
pub(crate) fn load(folder: &Path) -> Result<Vec<(String, Case)>> {
    let mut files = std::fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut all: Vec<(String, Case)> = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file)?;
        let cases: Vec<Case> = serde_saphyr::from_str(&text).with_context(|| format!("reading {name}.yaml"))?;
        for case in cases {
            ensure!(!case.name.is_empty(), "{name}.yaml: a case has no name");
            case.check().with_context(|| format!("{name}.yaml: {}", case.name))?;
            if all.iter().any(|(_, other)| other.name == case.name) {
                bail!("{name}.yaml: two cases are called {:?}", case.name);
            }
            all.push((name.clone(), case));
        }
    }
    Ok(all)
}
