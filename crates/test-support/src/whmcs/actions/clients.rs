//! Clients.

use serde_json::json;

use super::{Answer, Call, filled};
use crate::whmcs::books::Books;

pub(super) fn get_details(call: Call<'_>, books: &Books) -> Answer {
    let (id, email) = (call.parameters.id("clientid"), call.parameters.filled("email"));
    if id.is_none() && email.is_none() {
        return Err("Either clientid Or email Is Required".to_owned());
    }
    let mut clients = books.clients.values();
    let client = clients.find(|client| id.map_or(email == Some(client.email.as_str()), |id| client.id == id));
    let client = client.ok_or("Client Not Found")?;
    let mut answer = call.success();
    answer["client"] = filled(
        call.action.blank("/client"),
        json!({
            "client_id": client.id,
            "owner_user_id": client.id,
            "userid": client.id,
            "id": client.id,
            "firstname": "Test",
            "lastname": "Client",
            "fullname": "Test Client",
            "email": client.email,
            "countrycode": client.country,
            "country": client.country,
            "status": client.status,
            "currency": 1,
            "currency_code": client.currency,
        }),
    );
    if call.parameters.flag("stats") {
        answer["stats"] = call.action.blank("/stats?");
    }
    Ok(answer)
}
