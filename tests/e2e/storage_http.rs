//! `/storage/…` as its clients use it.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::http::HttpCaller;
use test_support::world::World;

use crate::text;

async fn call(world: &World, token: &str, method: Method, path: &str) -> (u16, Value) {
    let reply = HttpCaller::send(world.http_caller(Some(token)).request_to(method, path)).await.unwrap();
    assert_eq!(reply.body["code"], json!(reply.status), "{path}: {}", reply.body);
    (reply.status, reply.body["result"].clone())
}

#[tokio::test]
async fn a_package_is_ordered_shown_cancelled_and_kept() {
    let world = World::start().await;
    let own = async |method, path: &str| call(&world, &world.customer_token, method, path).await;
    let (status, prices) = own(Method::GET, "/storage/prices").await;
    let plan = text(&prices[0]["name"]);
    assert!(status == 200 && prices[0]["price"]["ground"]["net"].is_string(), "{prices}");
    assert_eq!(own(Method::GET, "/storage/info").await, (200, json!({})));

    let form = world.http_caller(Some(&world.customer_token)).request_to(Method::POST, "/storage/create");
    let created = HttpCaller::send(form.form(&[("name", plan.as_str())])).await.unwrap();
    assert_eq!((created.status, &created.body["code"]), (201, &json!(201)), "{}", created.body);
    let name = text(&created.body["result"]["name"]);

    let (status, info) = own(Method::GET, &format!("/storage/info/{name}")).await;
    assert_eq!(
        (status, &info[&name]["tariff"], &info[&name]["state"]),
        (200, &json!(plan), &json!("running")),
        "{info}"
    );
    let (status, secret) = own(Method::GET, &format!("/storage/newpassword/{name}")).await;
    assert!(status == 200 && secret["password"].is_string());
    let (status, cancelled) = own(Method::DELETE, &format!("/storage/delete/{name}")).await;
    assert!(status == 200 && cancelled["expiry"].is_string(), "{cancelled}");
    assert_eq!(own(Method::DELETE, &format!("/storage/undelete/{name}")).await, (200, json!({})));

    for (method, path) in [
        (Method::GET, format!("/storage/info/{name}")),
        (Method::DELETE, format!("/storage/delete/{name}")),
        (Method::GET, format!("/storage/newpassword/{name}")),
    ] {
        assert_eq!(call(&world, &world.other_token, method, &path).await.0, 404, "somebody else's: {path}");
    }
}

#[tokio::test]
async fn mistakes_have_their_status() {
    let world = World::start().await;
    for (method, path, status) in [
        (Method::GET, "/storage/nothing", 404),
        (Method::GET, "/storage/info/nothing", 404),
        (Method::DELETE, "/storage/delete/nothing", 404),
        (Method::GET, "/storage/create", 405),
        (Method::POST, "/storage/create", 422),
        (Method::POST, "/storage/create?name=nothing", 404),
        (Method::POST, "/storage/create?name=nothing&wait=soon", 422),
    ] {
        assert_eq!(call(&world, &world.customer_token, method.clone(), path).await.0, status, "{method} {path}");
    }
    assert_eq!(call(&world, "ps_nonsense", Method::GET, "/storage/prices").await, (401, json!({})));
}
