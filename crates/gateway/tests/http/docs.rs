//! The description of the APIs.

use reqwest::{Method, StatusCode};

use crate::fixture::{Settings, refusal, send, with_gateway};

#[tokio::test]
async fn the_description_is_served_and_nothing_else() {
    with_gateway(Settings::default(), async |gateway| {
        let get = async |path| gateway.request(Method::GET, path).send().await.unwrap();
        for path in ["/docs", "/docs/", "/docs/docs/index.html"] {
            let page = get(path).await;
            assert_eq!((page.status(), page.url().path()), (StatusCode::OK, "/docs/docs/index.html"), "{path}");
            assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
            assert_eq!(page.headers()["cache-control"], "no-cache");
            let etag = page.headers()["etag"].clone();
            assert!(page.text().await.unwrap().contains("Purser"));
            let again = gateway.request(Method::GET, path).header("if-none-match", etag).send().await.unwrap();
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        }
        let nothing = || refusal(404, "no such path; the API is at /s3.php");
        for path in ["/docs/nothing.json", "/docs/docs", "/docs/%2e%2e/Cargo.toml", "/docs/docs/..%2f..%2fCargo.toml"] {
            assert_eq!(send(gateway.request(Method::GET, path)).await, nothing(), "{path}");
        }
        let posted = send(gateway.request(Method::POST, "/docs/docs/index.html")).await;
        assert_eq!(posted, refusal(405, "this path must be called by GET"));
    })
    .await;
}
