use std::fmt::Write as _;

use secrecy::ExposeSecret;

use super::*;

const COMPLETE: &str = r#"
    [database]
    url = "postgres://owner:pw@localhost/purser"
    [amqp]
    url = "amqp://admin:pw@localhost/purser"
    trusted_publishers = ["php-frontend", "shop"]
    own_users = { gateway = "gw", provisioner = "p", metering = "m", billing = "b" }
    [gateway]
    amqp_url = "amqp://gw:pw@localhost/purser"
    database_url = "postgres://gw:pw@localhost/purser"
    [provisioner]
    amqp_url = "amqp://p:pw@localhost/purser"
    database_url = "postgres://p:pw@localhost/purser"
    sealing_key_file = "Cargo.toml"
    [metering]
    amqp_url = "amqp://m:pw@localhost/purser"
    database_url = "postgres://m:pw@localhost/purser"
    [billing]
    amqp_url = "amqp://b:pw@localhost/purser"
    database_url = "postgres://b:pw@localhost/purser"
    free_accounts_max = 3
    tax_percent = { DE = { "2020-07-01" = 16, "2021-01-01" = "19.0" }, ch = 8.1 }
    dunning = { reminder_after_days = 3, lock_after_days = 10 }
    [locations.NL]
    rgw_url = "http://127.0.0.1:7480"
    s3_url = "https://s3.example.net"
    admin_access_key = "AK"
    admin_secret_key = "hidden"
    aliases = ["eu-west-1"]
    default = true
    [locations.US]
    rgw_url = "http://127.0.0.1:7481"
    admin_access_key = "AK"
    admin_secret_key = "hidden"
    [telemetry]
    log_format = "json"
    otlp_endpoint = "http://collector:4318"
"#;

const ROLES: [RoleName; 4] = [RoleName::Gateway, RoleName::Provisioner, RoleName::Metering, RoleName::Billing];

fn read(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_sources(toml, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// The problems as a table: one line each.
fn problems(toml: &str, variables: &[(&str, &str)]) -> String {
    let error = read(toml, variables).expect_err("a broken configuration");
    error.problems().iter().fold(String::new(), |mut lines, problem| {
        let _ = writeln!(lines, "{problem}");
        lines
    })
}

#[test]
fn a_complete_file_has_everything_that_all_roles_need() {
    let config = read(COMPLETE, &[]).unwrap();
    config.validate(&ROLES).unwrap();
    assert_eq!(config.configured_roles(), ROLES);
    let gateway = config.gateway.unwrap();
    assert_eq!(gateway.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((gateway.reply_wait_seconds, gateway.body_bytes_max), (25, 1_048_576));
    let billing = config.billing.unwrap();
    assert_eq!(billing.free_accounts_max, 3);
    let rates = billing.tax_percent.iter().flat_map(|(country, rates)| rates.values().map(move |rate| (country, rate)));
    let rates: Vec<_> = rates.map(|(country, percent)| format!("{country} {percent}")).collect();
    assert_eq!(rates, ["CH 8.1", "DE 16", "DE 19.0"]);
    assert_eq!((billing.dunning.lock_after_days, billing.dunning.termination_after_days), (Some(10), None));
    assert_eq!((billing.payment_term_days, billing.usage_patience_hours), (14, 72));
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert_eq!(config.telemetry.otlp_endpoint.as_ref().map(url::Url::as_str), Some("http://collector:4318/"));
    assert_eq!(config.amqp.own_users.of(RoleName::Gateway), "gw");
    assert_eq!(config.amqp.own_users.of(RoleName::Billing), "b");
    assert_eq!(config.amqp.trusted_publishers, ["php-frontend", "shop"]);
}

#[test]
fn aliases_and_the_default_lead_to_locations() {
    let locations = read(COMPLETE, &[]).unwrap().locations;
    let code = |name: &str| locations.resolve(&name.parse().unwrap()).map(model::Location::as_str);
    assert_eq!((code("nl"), code("eu-west-1"), code("US"), code("DE")), (Some("NL"), Some("NL"), Some("US"), None));
    assert_eq!(locations.default_code().unwrap().as_str(), "NL");
    let us = locations.get(&"US".parse().unwrap()).unwrap();
    assert_eq!(us.s3_url.as_str(), "http://127.0.0.1:7481/", "the RGW's own address stands in");
}

#[test]
fn variables_override_the_file() {
    let config = read(
        COMPLETE,
        &[
            ("PURSER__GATEWAY__LISTEN", "127.0.0.1:9000"),
            ("PURSER__GATEWAY__REPLY_WAIT_SECONDS", "3"),
            ("PURSER__GATEWAY__TRUSTED_PROXIES", "10.0.0.1, ::1"),
            ("PURSER__LOCATIONS__NL__ADMIN_SECRET_KEY", "other"),
            ("PURSER__LOCATIONS__NL__ALIASES", "eu-1, eu-2"),
            ("PURSER__AMQP__TRUSTED_PUBLISHERS", "a,b"),
            ("PURSER_CONFIG", "ignored"),
            ("HOME", "ignored"),
        ],
    )
    .unwrap();
    let gateway = config.gateway.unwrap();
    assert_eq!((gateway.listen.port(), gateway.reply_wait_seconds), (9000, 3));
    assert_eq!(gateway.trusted_proxies, ["10.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap()));
    let nl = config.locations.get(&"NL".parse().unwrap()).unwrap();
    assert_eq!(nl.rgw.as_ref().unwrap().admin_secret_key.expose_secret(), "other");
    assert_eq!(nl.aliases.len(), 2);
    assert_eq!(config.amqp.trusted_publishers, ["a", "b"]);
}

#[test]
fn variables_alone_suffice() {
    let config = read(
        "",
        &[
            ("PURSER__GATEWAY__AMQP_URL", "amqp://purser-gateway:b@localhost"),
            ("PURSER__GATEWAY__DATABASE_URL", "postgres://a:b@localhost/db"),
        ],
    )
    .unwrap();
    config.validate(&[RoleName::Gateway]).unwrap();
    let error = config.validate(&ROLES).unwrap_err();
    let keys: Vec<_> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["provisioner", "locations", "metering", "billing"]);
}

#[test]
fn all_problems_are_named_at_once_with_what_would_be_right() {
    let toml = r#"
        colour = "red"
        [gateway]
        listen = "8080"
        amqp_url = "http://localhost"
        reply_wait_seconds = 0
        listn = 1
        trusted_proxies = ["10.0.0.0/8"]
        [billing]
        amqp_url = "amqp://b:pw@localhost"
        database_url = "postgres://b:pw@localhost/purser"
        free_accounts_max = -1
        tax_percent = { Germany = 19, FR = 200, IT = { soon = 22 } }
        dunning = { lock_after_days = 10, suspension_after_days = 5 }
        prefetch = "many"
        [telemetry]
        log_format = "xml"
        otlp_endpoint = "collector:4317"
        [locations.nl]
        rgw_url = "127.0.0.1:7480"
    "#;
    assert_eq!(
        problems(toml, &[]),
        "gateway.listen: must be an address and a port, for example 127.0.0.1:8080, not \"8080\"\n\
         gateway.amqp_url: must be a URL like amqp://user:password@host:5672/purser\n\
         gateway.database_url: is required\n\
         gateway.reply_wait_seconds: must be an integer from 1 to 30\n\
         gateway.trusted_proxies: must be a list of addresses, for example [\"10.0.0.1\"], not \"10.0.0.0/8\"\n\
         gateway.listn: is unknown; there are: listen, amqp_url, database_url, reply_wait_seconds, body_bytes_max, \
         requests_max, requests_per_customer_max, trusted_proxies\n\
         billing.free_accounts_max: must be an integer from 0 to 1000\n\
         billing.dunning.suspension_after_days: must be an integer from 10 to 3650\n\
         billing.tax_percent.FR: must be a percentage from 0 to 100, for example \"19.0\"\n\
         billing.tax_percent.GERMANY: countries are two letters of ISO 3166, for example DE\n\
         billing.tax_percent.IT: must be a percentage, or percentages by day: { \"2021-01-01\" = \"19.0\" }\n\
         billing.prefetch: must be an integer from 1 to 2000\n\
         locations.nl: must be named by 2 to 16 characters of A-Z, 0-9 and -, for example [locations.NL]\n\
         locations.nl.rgw_url: must be a URL like https://s3.example.net, without user and query\n\
         telemetry.log_format: must be \"pretty\" or \"json\", not \"xml\"\n\
         telemetry.otlp_endpoint: must be a URL like http://collector:4318, without user and query\n\
         colour: is unknown; there are: database, amqp, gateway, provisioner, metering, billing, whmcs, locations, telemetry, \
         health\n"
    );
}

#[test]
fn names_of_locations_are_unique_and_one_is_the_default() {
    let two = |nl: &str, us: &str| {
        format!("[locations.NL]\ns3_url = \"http://nl\"\n{nl}\n[locations.US]\ns3_url = \"http://us\"\n{us}\n")
    };
    for (nl, us, problem) in [
        ("", "", "locations: exactly one location must have default = true, but it is none\n"),
        (
            "default = true",
            "default = true",
            "locations: exactly one location must have default = true, but it is NL and US\n",
        ),
        (
            "default = true\naliases = [\"eu\"]",
            "aliases = [\"EU\"]",
            "locations.US.aliases: EU means NL already; a name stands for one location\n",
        ),
        (
            "default = true\naliases = [\"us\"]",
            "",
            "locations.NL.aliases: US means US already; a name stands for one location\n",
        ),
    ] {
        assert_eq!(problems(&two(nl, us), &[]), problem);
    }
}

#[test]
fn whoever_talks_to_an_rgw_needs_its_keys() {
    assert_eq!(
        problems("[locations.NL]\ns3_url = \"http://nl\"\nadmin_access_key = \"AK\"", &[]),
        "locations.NL.rgw_url: is required\nlocations.NL.admin_secret_key: is required\n"
    );
    let config = read("[locations.NL]\ns3_url = \"http://nl\"", &[]).unwrap();
    let error = config.validate(&[RoleName::Metering]).unwrap_err().to_string();
    assert!(error.contains("locations.NL: metering needs rgw_url, admin_access_key"), "{error}");
}

#[test]
fn a_role_logs_in_as_the_user_that_the_others_trust() {
    for (url, sound) in [
        ("amqp://b:pw@localhost/purser", true),
        ("amqp://%62:pw@localhost/purser", true),
        ("amqp://somebody:pw@localhost/purser", false),
    ] {
        let config = read(COMPLETE, &[("PURSER__BILLING__AMQP_URL", url)]).unwrap();
        let checked = config.validate(&[RoleName::Billing]).map_err(|error| error.to_string());
        assert_eq!(checked.is_ok(), sound, "{url}");
        if let Err(error) = checked {
            let hint = "billing.amqp_url: logs in as somebody, but the other roles trust b";
            assert!(error.contains(hint), "{error}");
        }
    }
}

#[test]
fn a_key_file_that_is_not_there_is_named() {
    let config = read(COMPLETE, &[("PURSER__PROVISIONER__SEALING_KEY_FILE", "/nonexistent/key")]).unwrap();
    let error = config.validate(&[RoleName::Provisioner]).unwrap_err().to_string();
    assert!(error.contains("provisioner.sealing_key_file: /nonexistent/key can't be read: No such file"), "{error}");
}

#[test]
fn with_an_authority_the_broker_is_reached_over_tls_only() {
    let ca_file = ("PURSER__AMQP__CA_FILE", "/nonexistent/ca.pem");
    let urls = ["amqp", "gateway", "provisioner", "metering", "billing"];
    let plain = problems(COMPLETE, &[ca_file]);
    for section in urls {
        let key = if section == "amqp" { "amqp.url".to_owned() } else { format!("{section}.amqp_url") };
        assert!(plain.contains(&format!("{key}: must begin with amqps://, because amqp.ca_file is set")), "{plain}");
    }
    let encrypted = COMPLETE.replace("amqp://", "amqps://");
    let config = read(&encrypted, &[ca_file]).unwrap();
    let error = config.validate(&ROLES).unwrap_err().to_string();
    assert!(error.contains("amqp.ca_file: /nonexistent/ca.pem can't be read: No such file"), "{error}");
}

#[test]
fn no_secret_is_shown() {
    let config = read(COMPLETE, &[]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hidden") && !shown.contains(":pw@"), "{shown}");
    let broken = problems("[locations.NL]\nadmin_secret_key = \"hidden\nrgw_url = 1", &[]);
    assert!(broken.contains("line 2") && !broken.contains("hidden"), "{broken}");
    let broken = problems("[gateway]\namqp_url = \"mqtt://user:hidden@host\"", &[]);
    assert!(!broken.contains("hidden"), "{broken}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/nonexistent/purser.toml"))).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/purser.toml: can't be read"), "{error}");
}
