//! The readable page: complete in itself, without script; it links to the documents beside it.

mod action;
mod html;
mod words;

use std::fmt::Write;

use anyhow::Result;
use messages::Api;

use super::contract::{ActionEntry, Contract};
use html::{escape, prose};

/// The whole page.
pub(crate) fn render(contract: &Contract) -> Result<String> {
    let of_api = |api| contract.actions.iter().filter(move |action| action.spec.api == api).collect::<Vec<_>>();
    let (s3_php, storage, internal) = (of_api(Api::S3Php), of_api(Api::Storage), of_api(Api::Internal));
    let mut body = String::new();
    write!(body, "{}", include_str!("page/intro.html"))?;
    section(&mut body, "s3-php", "s3.php", include_str!("page/s3_php.html"), &s3_php)?;
    section(&mut body, "storage", "/storage", include_str!("page/storage.html"), &storage)?;
    write!(body, "{}", include_str!("page/amqp.html"))?;
    section(&mut body, "internal", "Between roles", include_str!("page/internal.html"), &internal)?;
    events(&mut body, contract)?;
    let navigation = navigation(&[("s3-php", "s3.php", &s3_php), ("storage", "/storage", &storage)])?;
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Purser: API</title>\n<style>\n{}</style>\n\
         </head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n{navigation}\
         <main id=\"content\">\n{body}</main>\n</body>\n</html>\n",
        include_str!("page/style.css"),
    ))
}

fn navigation(groups: &[(&str, &str, &Vec<&ActionEntry>)]) -> Result<String> {
    let mut text =
        String::from("<nav aria-label=\"Contents\">\n<details open>\n<summary>Purser: API</summary>\n<ul>\n");
    for (id, title) in [
        ("start", "Start"),
        ("tokens", "Tokens"),
        ("idempotency", "Doing things once"),
        ("callbacks", "Long commands"),
        ("errors", "Errors"),
    ] {
        writeln!(text, "<li><a href=\"#{id}\">{title}</a></li>")?;
    }
    for (id, title, actions) in groups {
        writeln!(text, "<li><a href=\"#{id}\">{title}</a>\n<ul>")?;
        for action in *actions {
            writeln!(text, "<li><a href=\"#{0}\"><code>{0}</code></a></li>", action.spec.name)?;
        }
        writeln!(text, "</ul></li>")?;
    }
    for (id, title) in [("amqp", "RabbitMQ"), ("internal", "Between roles"), ("events", "Events")] {
        writeln!(text, "<li><a href=\"#{id}\">{title}</a></li>")?;
    }
    text.push_str("</ul>\n</details>\n</nav>\n");
    Ok(text)
}

fn section(body: &mut String, id: &str, title: &str, intro: &str, actions: &[&ActionEntry]) -> Result<()> {
    writeln!(body, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{intro}")?;
    for action in actions {
        action::render(body, action)?;
    }
    writeln!(body, "</section>")?;
    Ok(())
}

fn events(body: &mut String, contract: &Contract) -> Result<()> {
    writeln!(
        body,
        "<section aria-labelledby=\"events\">\n<h2 id=\"events\">Events</h2>\n{}",
        include_str!("page/events.html")
    )?;
    for event in &contract.events {
        let name = event.name;
        write!(
            body,
            "<article aria-labelledby=\"event-{name}\">\n<h3 id=\"event-{name}\"><code>{name}</code> \
             <span class=\"tag\">{}</span></h3>\n<p>{}</p>\n",
            event.role,
            prose(&event.description),
        )?;
        if let Some(data) = event.schema.get("properties").and_then(|properties| properties["data"].as_object()) {
            action::fields(body, data)?;
        }
        writeln!(
            body,
            "<details><summary>Example</summary><pre><code>{}</code></pre></details>\n\
             <p class=\"links\"><a href=\"../json-schema/events/{name}.json\">JSON Schema</a> \
             <a href=\"../samples/event.{name}.json\">JSON</a> \
             <a href=\"../samples/event.{name}.msgpack\">MessagePack</a></p>\n</article>",
            escape(&html::json(&event.sample)?),
        )?;
    }
    writeln!(body, "</section>")?;
    Ok(())
}
