//! Separation: an operator's token never sees another operator's, on any path.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use service::config::Loader;
use uuid::Uuid;

use crate::harness::World;

#[tokio::test]
async fn an_operator_sees_its_own_sessions_and_no_others() {
    let world = World::new().await;
    let meter = world.meter();
    let mine = world.authorised(&meter).await;
    let (status, page) = world.rest("sho-a", Method::GET, "/v1/sessions", None).await;
    assert_eq!(
        (status, page["items"][0]["id"].as_str()),
        (StatusCode::OK, Some(mine.id.to_string().as_str()))
    );
    let path = format!("/v1/sessions/{}", mine.id);
    let (status, shown) = world.rest("sho-a", Method::GET, &path, None).await;
    assert_eq!((status, shown["state"].as_str()), (StatusCode::OK, Some("authorised")));
    assert_eq!(shown["history"][1]["step"], "evidence");
    assert!(shown["history"][1]["at"].as_str().unwrap().ends_with('Z'));

    // The other operator: every path, with and without asking for it by name.
    for path in ["/v1/sessions", "/v1/sessions?state=authorised", "/v1/sessions?pcid=999710000000001"] {
        let (status, page) = world.rest("sho-b", Method::GET, path, None).await;
        assert_eq!((status, page["items"].as_array().unwrap().len()), (StatusCode::OK, 0), "{path}");
    }
    let after = format!("/v1/sessions?after={}", Uuid::max());
    assert_eq!(world.rest("sho-b", Method::GET, &after, None).await.1["items"], json!([]));
    let asked = world.rest("sho-b", Method::GET, "/v1/sessions?operator=sho-a", None).await;
    assert_eq!(asked.0, StatusCode::FORBIDDEN);
    let (status, problem) = world.rest("sho-b", Method::GET, &path, None).await;
    let nothing = format!("/v1/sessions/{}", Uuid::nil());
    let (none, no_problem) = world.rest("sho-b", Method::GET, &nothing, None).await;
    assert_eq!((status, none), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(problem["title"], no_problem["title"]);
    // Who sees all, and who sees nothing of this.
    assert_eq!(world.rest("admin", Method::GET, &path, None).await.0, StatusCode::OK);
    assert_eq!(world.rest("other", Method::GET, &path, None).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.rest("sho-a", Method::GET, "/v1/audit", None).await.0, StatusCode::FORBIDDEN);
    // No key, nonce or evidence is in any answer.
    let text = shown.to_string();
    assert!(!text.contains("nonce") && !text.contains("evidence\":"), "{text}");
}

#[tokio::test]
async fn sessions_are_listed_in_pages_and_by_what_they_are() {
    let world = World::new().await;
    let (meter, other) = (world.meter(), world.device("meter-2", "999710000000002"));
    let mut opened = Vec::new();
    for device in [&meter, &other, &meter] {
        opened.push(world.open(device, Uuid::new_v4()).await.id.to_string());
    }
    let mut path = "/v1/sessions?limit=2&state=opened".to_owned();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let (status, page) = world.rest("sho-a", Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK);
        seen.extend(page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    opened.reverse();
    assert_eq!(seen, opened, "newest first");
    let by = |query: &'static str| world.rest("admin", Method::GET, query, None);
    assert_eq!(by("/v1/sessions?pcid=999710000000002").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(by("/v1/sessions?state=closed").await.1["items"], json!([]));
    assert_eq!(by("/v1/sessions?limit=0").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(by("/v1/sessions?pcid=x").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rules_are_their_operators_and_numbers_are_given_away_once() {
    let world = World::new().await;
    let rule = |first: &str, last: &str| json!({"first_imsi": first, "last_imsi": last, "home_plmn": "999-01", "apn": "iot"});
    let put =
        |who: &'static str, path: &'static str, body: Value| world.rest(who, Method::PUT, path, Some(body));
    let good = rule("999010000000100", "999010000000199");
    let mine = "/v1/operators/sho-a/rules/meters";
    assert_eq!(put("sho-a", mine, good.clone()).await.0, StatusCode::CREATED);
    assert_eq!(put("sho-a", mine, good.clone()).await.0, StatusCode::OK);
    assert_eq!(world.rest("sho-a", Method::GET, mine, None).await.1["rule"]["amf"], "8000");
    // Another operator neither reads nor writes it.
    assert_eq!(put("sho-b", mine, good.clone()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.rest("sho-b", Method::GET, mine, None).await.0, StatusCode::NOT_FOUND);
    // Nor may it give away the same numbers; whose they are it is not told.
    let (status, problem) =
        put("sho-b", "/v1/operators/sho-b/rules/x", rule("999010000000150", "999010000000150")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(!problem.to_string().contains("sho-a") && !problem.to_string().contains("meters"));
    assert_eq!(put("sho-a", "/v1/operators/sho-a/rules/y", good.clone()).await.0, StatusCode::CONFLICT);
    for (field, value) in [
        ("last_imsi", json!("999010000000099")),
        ("last_imsi", json!("99901000000100")),
        ("home_plmn", json!("999-02")),
        ("apn", json!("-x")),
        ("amf", json!("80")),
        ("k", json!("00")),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(put("sho-a", mine, bad).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
    }
    assert!(world.audited("rules.put", "done").await);
}

#[tokio::test]
async fn what_is_counted_names_nobody() {
    let world = World::new().await;
    let session = world.authorised(&world.meter()).await;
    let url = format!("{}/metrics", world.started().rest_url.as_ref().unwrap());
    let ask = |who: &str| world.http(None).get(&url).bearer_auth(crate::harness::token(who)).send();
    assert_eq!(ask("sho-a").await.unwrap().status(), StatusCode::FORBIDDEN);
    let text = ask("admin").await.unwrap().text().await.unwrap();
    assert!(text.contains("callhome_dpf_sessions{state=\"authorised\"} 1"), "{text}");
    assert!(text.contains("callhome_dpf_state_seconds_count{state=\"relaying\"} 1"), "{text}");
    for name in ["sho-a", "meter-1", "999710000000001", &session.id.to_string()] {
        assert!(!text.contains(name), "{name}");
    }
    let ready = world.http(None).get(url.replace("/metrics", "/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_token_says_for_which_operator_it_is() {
    let world = World::prepared("").await;
    let check = |scopes: &str| {
        let mut config = world.config.clone();
        let token = world.folder.path().join("sho-a");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ntokens = [{{ name = \"x\", token = {{ file = {token:?} }}, scopes = {scopes} }}]"
        );
        config.rest = Loader::text("rest.toml", text).load().unwrap();
        dpf::start::check(&config).map_err(|error| format!("{error:#}"))
    };
    check(r#"["sessions:read", "operator:sho-b"]"#).unwrap();
    check(r#"["audit:read", "metrics:read"]"#).unwrap();
    for (scopes, why) in [
        (r#"["sessions:read"]"#, "bound to no operator"),
        (r#"["sessions:read", "operator:sho-a", "operator:sho-b"]"#, "2 operators"),
        (r#"["audit:read", "operator:sho-a"]"#, "concerns all"),
        (r#"["sessions:read", "operator:nobody"]"#, "no scope `operator:nobody`"),
    ] {
        let error = check(scopes).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_configuration_that_would_not_do_is_refused_with_what_to_do() {
    let world = World::prepared("").await;
    let wrong = |change: fn(&mut dpf::config::DpfConfig)| {
        let mut config = world.config.clone();
        change(&mut config);
        format!("{:#}", dpf::start::check(&config).unwrap_err())
    };
    assert!(wrong(|config| config.operators[1].id = config.operators[0].id.clone()).contains("there twice"));
    assert!(wrong(|config| config.operators[0].sealing_key = None).contains("sealing_key"));
    assert!(wrong(|config| config.dpf.anchors = "nowhere.pem".into()).contains("dpf.anchors: nowhere.pem"));
    let other = wrong(|config| {
        let operators = &mut config.operators;
        operators[1].sealing_key = operators[0].sealing_key.clone();
        operators[1].payload_signing = operators[0].payload_signing.clone();
    });
    assert!(other.contains("sho-b") && other.contains("\"sho-a\"'s"), "{other}");
    dpf::start::check(&world.config).unwrap();
}
