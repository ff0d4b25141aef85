//! Services and requests to cancel them.

use serde_json::{Value, json};

use super::{Answer, Call, date, filled, money, success, time};
use crate::whmcs::books::{Books, CancelRequest, Service};
use crate::whmcs::parameters::Parameters;
use crate::whmcs::php;

pub(super) fn get(call: Call<'_>, books: &Books) -> Value {
    let parameters = call.parameters;
    let (client, id, product) = (parameters.id("clientid"), parameters.id("serviceid"), parameters.id("pid"));
    let (domain, username) = (parameters.filled("domain"), parameters.filled("username2"));
    let matches = |service: &&Service| {
        client.is_none_or(|client| service.client == client)
            && id.is_none_or(|id| service.id == id)
            && product.is_none_or(|product| service.product == product)
            && domain.is_none_or(|domain| service.domain == domain)
            && username.is_none_or(|username| service.username == username)
    };
    let found = books.services.values().filter(matches).map(|service| shown(call, books, service)).collect();
    let mut answer = call.page("products/product", found);
    for (name, asked) in [("clientid", client), ("serviceid", id), ("pid", product)] {
        answer[name] = json!(asked.map(|id| id.to_string()));
    }
    answer["domain"] = json!(domain);
    answer
}

fn shown(call: Call<'_>, books: &Books, service: &Service) -> Value {
    let product = books.products.get(&service.product);
    let name = product.map_or("", |product| product.name.as_str());
    let field_name = |id: &u32| product.and_then(|product| product.custom_fields.get(id)).cloned().unwrap_or_default();
    let custom_fields = service.custom_fields.iter().map(|(id, value)| {
        let name = field_name(id);
        json!({"id": id.to_string(), "name": name, "translated_name": name, "value": value})
    });
    filled(
        call.action.blank("/products/product/0"),
        json!({
            "id": service.id.to_string(),
            "qty": "1",
            "clientid": service.client.to_string(),
            "orderid": service.order.unwrap_or_default().to_string(),
            "pid": service.product.to_string(),
            "regdate": service.registered.to_string(),
            "name": name,
            "translated_name": name,
            "domain": service.domain,
            "suspensionreason": service.suspend_reason,
            "firstpaymentamount": money(service.first_payment_amount),
            "recurringamount": money(service.recurring_amount),
            "paymentmethod": service.payment_method,
            "billingcycle": service.billing_cycle,
            "nextduedate": date(service.next_due_date),
            "status": service.status,
            "username": service.username,
            "overideautosuspend": service.override_auto_suspend,
            "diskusage": service.megabytes.disk_usage.to_string(),
            "disklimit": service.megabytes.disk_limit.to_string(),
            "bwusage": service.megabytes.bandwidth_usage.to_string(),
            "bwlimit": service.megabytes.bandwidth_limit.to_string(),
            "customfields": {"customfield": custom_fields.collect::<Vec<_>>()},
        }),
    )
}

pub(super) fn update(call: Call<'_>, books: &mut Books) -> Answer {
    let id = call.parameters.id("serviceid").unwrap_or_default();
    let service = books.services.get_mut(&id).ok_or("Service ID Not Found")?;
    change(service, call.parameters)?;
    Ok(filled(success(), json!({"serviceid": id.to_string()})))
}

fn change(service: &mut Service, parameters: &Parameters) -> Result<(), String> {
    if let Some(status) = parameters.filled("status") {
        status.clone_into(&mut service.status);
    }
    if let Some(day) = parameters.filled("nextduedate") {
        service.next_due_date = day.parse().ok();
    }
    if let Some(day) = parameters.filled("terminationdate") {
        service.termination_date = day.parse().ok();
    }
    if let Some(amount) = parameters.amount("recurringamount") {
        service.recurring_amount = amount;
    }
    if let Some(username) = parameters.filled("serviceusername") {
        username.clone_into(&mut service.username);
    }
    if let Some(text) = parameters.filled("overideautosuspend") {
        text.clone_into(&mut service.override_auto_suspend);
    }
    if let Some(reason) = parameters.filled("suspendreason") {
        reason.clone_into(&mut service.suspend_reason);
    }
    if parameters.items("unset").iter().any(|(_, field)| *field == "suspendreason") {
        service.suspend_reason.clear();
    }
    let megabytes = &mut service.megabytes;
    for (name, place) in [
        ("diskusage", &mut megabytes.disk_usage),
        ("disklimit", &mut megabytes.disk_limit),
        ("bwusage", &mut megabytes.bandwidth_usage),
        ("bwlimit", &mut megabytes.bandwidth_limit),
    ] {
        if let Some(size) = parameters.parsed(name) {
            *place = size;
        }
    }
    if let Some(encoded) = parameters.filled("customfields") {
        fill(service, encoded)?;
    }
    Ok(())
}

/// Writes the custom fields that the service's product has; WHMCS leaves out others without a word.
pub(super) fn fill(service: &mut Service, encoded: &str) -> Result<(), String> {
    for (id, value) in php::custom_fields(encoded)? {
        service.custom_fields.entry(id).and_modify(|place| *place = value);
    }
    Ok(())
}

pub(super) fn add_cancel_request(call: Call<'_>, books: &mut Books) -> Answer {
    let parameters = call.parameters;
    let id = parameters.id("serviceid").unwrap_or_default();
    let (kind, reason) = (parameters.filled("type"), parameters.text("reason").unwrap_or_default());
    let service = books.services.get(&id).ok_or("Service ID Not Found")?;
    if books.cancel_requests.iter().any(|request| request.service == id) {
        return Err("Existing Cancellation Request Exists".to_owned());
    }
    books.cancel_requests.push(CancelRequest {
        id: i64::try_from(books.cancel_requests.len()).unwrap_or(i64::MAX - 1) + 1,
        service: id,
        kind: kind.unwrap_or("End of Billing Period").to_owned(),
        reason: reason.to_owned(),
        date: call.now,
    });
    Ok(filled(success(), json!({"serviceid": id.to_string(), "userid": service.client.to_string()})))
}

pub(super) fn get_cancelled(call: Call<'_>, books: &Books) -> Value {
    let shown = books.cancel_requests.iter().map(|request| {
        filled(
            call.action.blank("/packages/package/0"),
            json!({
                "id": request.id.to_string(),
                "date": time(Some(request.date)),
                "relid": request.service.to_string(),
                "reason": request.reason,
                "type": request.kind,
            }),
        )
    });
    call.page("packages/package", shown.collect())
}
