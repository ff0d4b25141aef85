//! Which parked messages are meant, and in which order.

use bus::{ParkedMessage, WORKER_ROLES};
use chrono::TimeDelta;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use history::ANSWERS_KEPT;
use messages::{ActionKind, Encoding, RoleName, find_action};
use model::{S3Uid, Timestamp};
use serde_json::Value;

use crate::command::duration;

/// Before an answer is forgotten, a command's message is treated as if it were: clocks differ.
const FORGETTING_MARGIN: TimeDelta = TimeDelta::days(1);

/// Which of the messages are meant; all conditions must hold
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only this role's
    #[arg(long, value_parser = role())]
    role: Option<RoleName>,
    /// Only those that came from this queue, such as s3.billing.events
    #[arg(long)]
    queue: Option<String>,
    /// Only those that were parked for this reason, such as out-of-attempts
    #[arg(long)]
    reason: Option<String>,
    /// Only this action or event, such as `create_bucket`
    #[arg(long)]
    action: Option<String>,
    /// Only those that name this account
    #[arg(long, value_name = "S3UID")]
    account: Option<S3Uid>,
    /// Only those that were parked longer ago, such as 2h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<TimeDelta>,
    /// Only those that were parked since then, such as 2h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    younger_than: Option<TimeDelta>,
}

fn role() -> impl TypedValueParser<Value = RoleName> {
    PossibleValuesParser::new(WORKER_ROLES.map(RoleName::as_str))
        .try_map(|name| WORKER_ROLES.into_iter().find(|role| role.as_str() == name).ok_or("no such role"))
}

impl Filter {
    /// Whose messages have to be looked at.
    pub(super) fn roles(&self) -> Vec<RoleName> {
        self.role.map_or_else(|| WORKER_ROLES.to_vec(), |role| vec![role])
    }

    pub(super) fn is_empty(&self) -> bool {
        let Self { role, queue, reason, action, account, older_than, younger_than } = self;
        role.is_none()
            && (queue.is_none() && reason.is_none() && action.is_none() && account.is_none())
            && (older_than.is_none() && younger_than.is_none())
    }

    pub(super) fn takes(&self, parked: &Parked<'_>) -> bool {
        let Self { role, queue, reason, action, account, older_than, younger_than } = self;
        let message = parked.message;
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|text| found == Some(text));
        // A message of unknown age is neither old nor young.
        let aged = |wanted: &Option<TimeDelta>, holds: fn(&TimeDelta, &TimeDelta) -> bool| {
            wanted.as_ref().is_none_or(|limit| parked.age().is_some_and(|age| holds(&age, limit)))
        };
        role.is_none_or(|role| role == message.role)
            && is(queue, Some(&message.delivery.queue))
            && is(reason, Some(&message.reason))
            && is(action, message.delivery.message_type.as_deref())
            && account.as_ref().is_none_or(|account| parked.account.as_ref() == Some(account))
            && aged(older_than, TimeDelta::gt)
            && aged(younger_than, TimeDelta::lt)
    }
}

/// A parked message with what its body says.
pub(super) struct Parked<'a> {
    pub(super) message: &'a ParkedMessage,
    /// The body, where it can be read.
    pub(super) body: Option<Value>,
    /// The account that it names.
    pub(super) account: Option<S3Uid>,
    now: Timestamp,
}

impl<'a> Parked<'a> {
    pub(super) fn new(message: &'a ParkedMessage, now: Timestamp) -> Self {
        let encoding = Encoding::from_content_type(message.delivery.content_type.as_deref()).ok();
        let body = encoding.and_then(|encoding| encoding.decode::<Value>(&message.delivery.body).ok());
        let account = body.as_ref().and_then(account);
        Self { message, body, account, now }
    }

    /// How long ago it was parked.
    pub(super) fn age(&self) -> Option<TimeDelta> {
        Some(self.now - self.message.parked_at?)
    }

    /// By the first failure, then by the time of parking: those of an account come as they came once.
    pub(super) fn order(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.message.first_error.at.or(self.message.parked_at), self.message.parked_at)
    }

    /// Whether it is a command that may have been done so long ago that its answer is forgotten: it would be done again.
    pub(super) fn is_forgotten(&self) -> bool {
        let name = self.message.delivery.message_type.as_deref().unwrap_or_default();
        let spec = find_action(name.strip_suffix(".v1").unwrap_or(name));
        let since = self.order().0;
        spec.is_some_and(|spec| spec.kind == ActionKind::Command)
            && since.is_none_or(|since| self.now - since > ANSWERS_KEPT - FORGETTING_MARGIN)
    }
}

/// The account of a command's parameters, or of an event.
fn account(body: &Value) -> Option<S3Uid> {
    let named = ["s3uid", "account_id"].iter().find_map(|name| body.get(name)?.as_str());
    let of_event = || body.get("data")?.get("s3uid")?.as_str();
    let subject = || body.get("subject")?.as_str()?.strip_prefix("account/");
    named.or_else(of_event).or_else(subject)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use bus::NotedFailure;
    use messages::Delivery;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const S3UID: &str = "c67625e4c209ad0b8898dae5733909be";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp_secs(1_767_268_800 + seconds).unwrap()
    }

    fn message(first: i64, parked: i64) -> ParkedMessage {
        let delivery = Delivery {
            queue: "s3.provisioner".to_owned(),
            message_type: Some("delete_bucket".to_owned()),
            content_type: Some("application/json".to_owned()),
            body: json!({"s3uid": S3UID}).to_string().into_bytes(),
            ..Delivery::default()
        };
        ParkedMessage {
            id: Uuid::nil(),
            role: RoleName::Provisioner,
            delivery,
            reason: "out-of-attempts".to_owned(),
            detail: String::new(),
            parked_at: Some(at(parked)),
            first_error: NotedFailure { error: None, at: Some(at(first)) },
            last_error: NotedFailure::default(),
            headers: serde_json::Map::new(),
            user_id: None,
        }
    }

    #[test]
    fn all_conditions_of_a_filter_must_hold() {
        let message = message(0, 3_600);
        let parked = Parked::new(&message, at(7_200));
        let hour = |minutes| Some(TimeDelta::minutes(minutes));
        let text = |text: &str| Some(text.to_owned());
        let other = || S3UID.replace('c', "0").parse().ok();
        for (filter, takes) in [
            (Filter::default(), true),
            (Filter { role: Some(RoleName::Provisioner), ..Filter::default() }, true),
            (Filter { role: Some(RoleName::Billing), ..Filter::default() }, false),
            (Filter { queue: text("s3.provisioner"), ..Filter::default() }, true),
            (Filter { queue: text("s3.provisioner.events"), ..Filter::default() }, false),
            (Filter { reason: text("out-of-attempts"), ..Filter::default() }, true),
            (Filter { reason: text("untrusted"), ..Filter::default() }, false),
            (Filter { action: text("delete_bucket"), ..Filter::default() }, true),
            (Filter { action: text("create_bucket"), ..Filter::default() }, false),
            (Filter { account: S3UID.parse().ok(), ..Filter::default() }, true),
            (Filter { account: other(), ..Filter::default() }, false),
            (Filter { older_than: hour(59), ..Filter::default() }, true),
            (Filter { older_than: hour(61), ..Filter::default() }, false),
            (Filter { younger_than: hour(61), ..Filter::default() }, true),
            (Filter { younger_than: hour(59), ..Filter::default() }, false),
            (Filter { action: text("delete_bucket"), reason: text("untrusted"), ..Filter::default() }, false),
        ] {
            assert_eq!(filter.takes(&parked), takes, "{filter:?}");
        }
    }

    #[test]
    fn the_first_failure_decides_the_order() {
        let messages = [message(10, 20), message(5, 30), message(10, 15)];
        let mut sorted: Vec<_> = messages.iter().map(|message| Parked::new(message, at(40))).collect();
        sorted.sort_by_key(Parked::order);
        let parked_at: Vec<_> = sorted.iter().map(|parked| parked.message.parked_at).collect();
        assert_eq!(parked_at, [30, 15, 20].map(|seconds| Some(at(seconds))));
    }

    #[test]
    fn a_command_is_forgotten_before_its_answer_is() {
        let command = message(0, 100);
        let query = ParkedMessage {
            delivery: Delivery { message_type: Some("get_files".to_owned()), ..command.delivery.clone() },
            ..command.clone()
        };
        let unknown = ParkedMessage { parked_at: None, first_error: NotedFailure::default(), ..command.clone() };
        let day = 86_400;
        for (message, now, forgotten) in
            [(&command, 5 * day, false), (&command, 6 * day + 1, true), (&query, 60 * day, false), (&unknown, 0, true)]
        {
            assert_eq!(Parked::new(message, at(now)).is_forgotten(), forgotten, "{now}");
        }
    }

    #[test]
    fn commands_and_events_name_their_account() {
        for (body, named) in [
            (json!({"s3uid": S3UID}), true),
            (json!({"account_id": S3UID}), true),
            (json!({"data": {"s3uid": S3UID}}), true),
            (json!({"subject": format!("account/{S3UID}")}), true),
            (json!({"s3uid": "not one"}), false),
            (json!([S3UID]), false),
            (json!(null), false),
        ] {
            assert_eq!(account(&body).is_some(), named, "{body}");
        }
    }
}
