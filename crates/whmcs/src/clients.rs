//! Clients.

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::call::Call;
use crate::{Client, ClientId, ClientStatus, Error, lenient};

/// A client, as far as Purser needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClientDetails {
    /// Its number.
    pub id: ClientId,
    /// Its state.
    pub status: ClientStatus,
    /// Whose first name it is.
    #[serde(default, rename = "firstname", deserialize_with = "lenient::text")]
    pub first_name: String,
    /// Whose last name it is.
    #[serde(default, rename = "lastname", deserialize_with = "lenient::text")]
    pub last_name: String,
    /// The company, empty for a person.
    #[serde(default, rename = "companyname", deserialize_with = "lenient::text")]
    pub company_name: String,
    /// Its address.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: String,
    /// ISO 3166, two letters.
    #[serde(default, rename = "countrycode", deserialize_with = "lenient::text")]
    pub country_code: String,
    /// ISO 4217, three letters: the currency of all its invoices.
    #[serde(default, deserialize_with = "lenient::text")]
    pub currency_code: String,
    /// What it has paid in advance.
    #[serde(default, deserialize_with = "lenient::money")]
    pub credit: Decimal,
    /// The payment method that it prefers, in WHMCS's system name.
    #[serde(default, rename = "defaultgateway", deserialize_with = "lenient::optional_text")]
    pub default_payment_method: Option<String>,
    /// Whether its invoices are without tax.
    #[serde(default, rename = "taxexempt", deserialize_with = "lenient::flag")]
    pub is_tax_exempt: bool,
}

#[derive(Deserialize)]
struct Answer {
    client: ClientDetails,
}

impl Client {
    /// The client, if there is one.
    pub async fn get_client_details(&self, id: ClientId) -> Result<Option<ClientDetails>, Error> {
        match self.call(Call::new("GetClientsDetails").with("clientid", id)).await {
            Ok(Answer { client }) => Ok(Some(client)),
            Err(error) if error.is_refusal("Client Not Found") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_is_read() {
        let Answer { client } = serde_json::from_value(json!({
            "result": "success",
            "client": {
                "id": "12", "userid": 12, "firstname": "Ada", "lastname": "Byte", "companyname": "", "countrycode": "NL",
                "email": "ada@example.com", "currency": 2, "currency_code": "EUR", "credit": "3.50", "status": "Closed",
                "defaultgateway": "", "taxexempt": true,
            },
            "stats": {"numdueinvoices": 1},
        }))
        .unwrap();
        let expected = ClientDetails {
            id: ClientId(12),
            status: ClientStatus::Closed,
            first_name: "Ada".into(),
            last_name: "Byte".into(),
            company_name: String::new(),
            email: "ada@example.com".into(),
            country_code: "NL".into(),
            currency_code: "EUR".into(),
            credit: Decimal::new(350, 2),
            default_payment_method: None,
            is_tax_exempt: true,
        };
        assert_eq!(client, expected);
    }
}
