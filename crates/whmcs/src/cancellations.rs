//! Requests to cancel a service. WHMCS's API can't take one back.

use chrono::NaiveDateTime;
use serde::Deserialize;

use crate::call::Call;
use crate::pages::page;
use crate::{CancellationId, Client, Error, ServiceId, lenient};

/// When a service is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelType {
    /// Now.
    Immediate,
    /// At the end of what is paid.
    EndOfBillingPeriod,
}

impl CancelType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "Immediate",
            Self::EndOfBillingPeriod => "End of Billing Period",
        }
    }
}

/// What a request to cancel has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is noted.
    Requested,
    /// There is one already, perhaps of the other type: this one changes nothing.
    AlreadyRequested,
}

/// A request to cancel a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cancellation {
    /// Its number.
    pub id: CancellationId,
    /// Of what.
    #[serde(rename = "relid")]
    pub service: ServiceId,
    /// When it was made, in WHMCS's time zone.
    #[serde(default, deserialize_with = "lenient::time")]
    pub date: Option<NaiveDateTime>,
    /// Why.
    #[serde(default, deserialize_with = "lenient::text")]
    pub reason: String,
    /// `Immediate` or `End of Billing Period`.
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    pub kind: String,
}

page!(Cancellations, packages, "lenient::packages", Cancellation);

impl Client {
    /// Asks to cancel a service. The same again does nothing.
    pub async fn add_cancel_request(
        &self,
        service: ServiceId,
        when: CancelType,
        reason: &str,
    ) -> Result<CancelOutcome, Error> {
        let call =
            Call::new("AddCancelRequest").with("serviceid", service).with("type", when.as_str()).with("reason", reason);
        match self.call_for_nothing(call).await {
            Ok(()) => Ok(CancelOutcome::Requested),
            Err(error) if error.is_refusal("Existing Cancellation Request Exists") => {
                Ok(CancelOutcome::AlreadyRequested)
            }
            Err(error) => Err(error),
        }
    }

    /// All requests to cancel, of all clients, through all pages.
    pub async fn get_cancelled_packages(&self) -> Result<Vec<Cancellation>, Error> {
        self.pages::<Cancellations>(Call::new("GetCancelledPackages")).await
    }
}
