//! `/storage/…`: which action a method and a path mean.

use axum::http::Method;
use messages::{ActionSpec, find_action};
use percent_encoding::percent_decode_str;

use super::fault::Fault;

/// What stands behind `/storage/`.
struct Route {
    segment: &'static str,
    action: &'static str,
    methods: &'static [Method],
    allow: &'static str,
    takes_name: bool,
}

/// Deleting takes POST, too, for clients that can't send DELETE.
const ROUTES: [Route; 6] = [
    Route { segment: "prices", action: "storage_prices", methods: &[Method::GET], allow: "GET", takes_name: false },
    Route { segment: "info", action: "storage_info", methods: &[Method::GET], allow: "GET", takes_name: true },
    Route { segment: "create", action: "storage_create", methods: &[Method::POST], allow: "POST", takes_name: false },
    Route {
        segment: "delete",
        action: "storage_delete",
        methods: &[Method::DELETE, Method::POST],
        allow: "DELETE, POST",
        takes_name: true,
    },
    Route {
        segment: "undelete",
        action: "storage_undelete",
        methods: &[Method::DELETE, Method::POST],
        allow: "DELETE, POST",
        takes_name: true,
    },
    Route {
        segment: "newpassword",
        action: "storage_newpassword",
        methods: &[Method::GET, Method::POST],
        allow: "GET, POST",
        takes_name: true,
    },
];

/// The action, and the package's name where the path has one.
pub(crate) fn resolve(method: &Method, path: &str) -> Result<(&'static ActionSpec, Option<String>), Fault> {
    let rest = path.strip_prefix("/storage/").ok_or(Fault::NotFound)?;
    let (segment, name) = rest.split_once('/').unwrap_or((rest, ""));
    let route = ROUTES.iter().find(|route| route.segment == segment).ok_or(Fault::NotFound)?;
    if name.contains('/') || !(name.is_empty() || route.takes_name) {
        return Err(Fault::NotFound);
    }
    if !route.methods.contains(method) {
        return Err(Fault::MethodNotAllowed { action: None, allow: route.allow });
    }
    let spec = find_action(route.action).ok_or(Fault::NotFound)?;
    if name.is_empty() {
        return Ok((spec, None));
    }
    let name = percent_decode_str(name)
        .decode_utf8()
        .map_err(|_| Fault::BadRequest("the name in the path is no UTF-8".to_owned()))?;
    Ok((spec, Some(name.into_owned())))
}

#[cfg(test)]
mod tests {
    use messages::{ACTIONS, Api};

    use super::*;

    fn shown(method: &Method, path: &str) -> String {
        match resolve(method, path) {
            Ok((spec, name)) => format!("{} {}", spec.name, name.unwrap_or_default()),
            Err(Fault::MethodNotAllowed { allow, .. }) => format!("allow {allow}"),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn method_and_path_mean_an_action() {
        for (method, path, expected) in [
            (Method::GET, "/storage/prices", "storage_prices "),
            (Method::GET, "/storage/info", "storage_info "),
            (Method::GET, "/storage/info/", "storage_info "),
            (Method::GET, "/storage/info/st-7", "storage_info st-7"),
            (Method::GET, "/storage/info/a%2Fb%20c+d", "storage_info a/b c+d"),
            (Method::POST, "/storage/create", "storage_create "),
            (Method::DELETE, "/storage/delete/st-7", "storage_delete st-7"),
            (Method::POST, "/storage/delete/st-7", "storage_delete st-7"),
            (Method::DELETE, "/storage/undelete/st-7", "storage_undelete st-7"),
            (Method::POST, "/storage/undelete", "storage_undelete "),
            (Method::GET, "/storage/newpassword/st-7", "storage_newpassword st-7"),
            (Method::POST, "/storage/newpassword/st-7", "storage_newpassword st-7"),
            (Method::GET, "/storage/create", "allow POST"),
            (Method::GET, "/storage/delete/st-7", "allow DELETE, POST"),
            (Method::GET, "/storage/undelete/st-7", "allow DELETE, POST"),
            (Method::PUT, "/storage/newpassword/st-7", "allow GET, POST"),
            (Method::POST, "/storage/info", "allow GET"),
            (Method::GET, "/storage", "NotFound"),
            (Method::GET, "/storage/", "NotFound"),
            (Method::GET, "/storage/Prices", "NotFound"),
            (Method::GET, "/storage/prices/x", "NotFound"),
            (Method::POST, "/storage/create/PS100", "NotFound"),
            (Method::GET, "/storage/info/a/b", "NotFound"),
            (Method::GET, "/storage/info/%ff", "BadRequest(\"the name in the path is no UTF-8\")"),
        ] {
            assert_eq!(shown(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn every_action_of_this_api_has_a_path() {
        let actions: Vec<_> = ACTIONS.iter().filter(|spec| spec.api == Api::Storage).map(|spec| spec.name).collect();
        assert_eq!(actions.len(), ROUTES.len());
        assert!(actions.iter().all(|name| ROUTES.iter().any(|route| route.action == *name)), "{actions:?}");
    }
}
