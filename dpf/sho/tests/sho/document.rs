//! The description is checked in; `UPDATE_GOLDENS=1 cargo test -p sho --test sho document` refreshes it. Routes over HTTP.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use schemas::rncp::Kind;
use serde_json::{Value, json};
use service::auth::{Guard, Scope, Token, TokenConfig, Tokens};
use sho::{
    connector::ConnectorError,
    machine::Sho,
    model::NumberKind,
    rest::{SCOPES, document, router},
};
use tower::ServiceExt;
use uuid::Uuid;

use crate::rig::Rig;

struct Api {
    router: Router,
    guard: Guard,
    admin: Token,
    reader: Token,
}

impl Api {
    fn new(sho: &Arc<Sho>) -> Self {
        let (admin, reader) = (Token::generate().unwrap(), Token::generate().unwrap());
        let entry = |name: &str, token: &Token, scope| {
            let scopes = vec![Scope::parse(scope).unwrap()];
            TokenConfig { name: name.into(), hash: Some(token.hash()), token: None, scopes }
        };
        let tokens = [entry("root", &admin, "admin"), entry("reader", &reader, "subscriptions:read")];
        let guard = Guard::new(Tokens::new(&tokens, SCOPES).unwrap());
        Self { router: router(sho.clone(), &guard), guard, admin, reader }
    }

    async fn send(
        &self,
        token: &Token,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
            .header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let answer = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, body) = (answer.status(), to_bytes(answer.into_body(), 16 << 20).await.unwrap());
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The `Link` header of what is listed.
    async fn link(&self, path: &str) -> Option<String> {
        let request =
            Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", self.admin.expose()));
        let answer = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        answer.headers().get(header::LINK).map(|link| link.to_str().unwrap().to_owned())
    }

    async fn put(&self, path: &str, body: Value) -> StatusCode {
        self.send(&self.admin, Method::PUT, path, Some(body)).await.0
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(&self.admin, Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

#[tokio::test]
async fn the_description_is_the_one_that_is_checked_in() {
    let rig = Rig::new().await;
    let api = Api::new(&rig.sho);
    let mut served = document(&rig.sho, &api.guard);
    if !served.ends_with('\n') {
        served.push('\n');
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi/sho.json");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, &served).unwrap();
    }
    let golden = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        golden == served,
        "UPDATE_GOLDENS=1 cargo test -p sho --test sho document, if the change is meant"
    );
}

#[tokio::test]
async fn an_operator_is_set_up_over_rest_and_its_dpf_is_served() {
    let rig = Rig::bare(sho::policy::Policy::default()).await;
    let api = Api::new(&rig.sho);
    let device = crate::platform::Device::new(&rig.root, "meter-1");
    rig.pva.knows(&device);
    let range = json!({"kind": "imsi", "first": "999010000000001", "count": 10});
    assert_eq!(api.put("/v1/number-ranges/imsis", range.clone()).await, 201);
    assert_eq!(api.put("/v1/number-ranges/imsis", range.clone()).await, 200);
    assert_eq!(api.put("/v1/number-ranges/twice", range).await, 409);
    let foreign = json!({"kind": "imsi", "first": "001010000000001", "count": 10});
    assert_eq!(api.put("/v1/number-ranges/foreign", foreign).await, 422);
    let msisdns = json!({"kind": "msisdn", "first": "88210000001", "count": 10});
    assert_eq!(api.put("/v1/number-ranges/msisdns", msisdns).await, 201);
    let terms = json!({"terms": {"plan": "meter", "parts": ["applet"], "msisdn": true}});
    assert_eq!(api.put("/v1/contracts/meter-1", terms.clone()).await, 422, "no such part");
    assert_eq!(api.put("/v1/parts/credentials?kind=data", json!({})).await, 400);
    assert_eq!(api.put("/v1/parts/applet?kind=executable&shared=true&sensitive=true", json!({})).await, 400);
    assert_eq!(api.put("/v1/parts/applet?kind=executable&shared=true", json!({"code": 1})).await, 201);
    assert_eq!(api.put("/v1/contracts/meter-1", terms).await, 201);
    let (status, _) = api.send(&api.admin, Method::DELETE, "/v1/parts/applet", None).await;
    assert_eq!(status, 409, "the contract names it");

    let session = Uuid::now_v7();
    let path = format!("/v1/provisioning/{session}");
    let request = serde_json::to_value(device.request(session, Kind::Initial)).unwrap();
    *rig.hss.away.lock().unwrap() = Some(ConnectorError::Away("down".into()));
    assert_eq!(api.put(&path, request.clone()).await, 202);
    *rig.hss.away.lock().unwrap() = None;
    let (status, answer) = api.send(&api.admin, Method::PUT, &path, Some(request.clone())).await;
    assert_eq!((status.as_u16(), answer["decision"].as_str()), (200, Some("authorised")));
    assert_eq!(answer["package"]["parts"].as_array().unwrap().len(), 3);
    let mut other = request;
    other["device_id"] = json!("meter-2");
    assert_eq!(api.put(&path, other).await, 409);
    assert_eq!(api.get(&path).await["state"], "answered");

    let subscriptions = api.get("/v1/subscriptions").await["items"].clone();
    assert_eq!(subscriptions[0]["imsi"], "999010000000001");
    assert_eq!(
        (&subscriptions[0]["msisdn"], &subscriptions[0]["state"]),
        (&json!("88210000001"), &json!("prepared"))
    );
    assert_eq!(api.get("/v1/policy").await["max_age"], 300);
    let audit = api.get("/v1/audit").await.to_string();
    assert!(audit.contains("numbers.put") && audit.contains("provisioning.authorise"), "{audit}");
    assert_eq!(api.send(&api.reader, Method::GET, "/v1/subscriptions", None).await.0, 200);
    for (method, path) in
        [(Method::PUT, path.as_str()), (Method::GET, "/v1/audit"), (Method::GET, "/v1/contracts")]
    {
        assert_eq!(api.send(&api.reader, method, path, Some(json!({}))).await.0, 403, "{path}");
    }
    let imsi = "/v1/subscriptions/999010000000001/update";
    assert_eq!(
        api.send(&api.admin, Method::POST, imsi, Some(json!({}))).await.0,
        409,
        "no DPF is configured"
    );
}

/// Follows `next` to the end; gives the key of each item.
async fn walk(api: &Api, start: &str, key: &str) -> Vec<String> {
    let (mut next, mut seen) = (Some(start.to_owned()), Vec::new());
    while let Some(path) = next {
        let page = api.get(&path).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2, "{path}: {page}");
        seen.extend(items.iter().map(|item| item[key].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
        let link = api.link(&path).await;
        assert_eq!(link, next.as_ref().map(|next| format!("<{next}>; rel=\"next\"")), "{path}");
    }
    seen
}

#[tokio::test]
async fn listings_are_walked_from_page_to_page() {
    let rig = Rig::bare(sho::policy::Policy::default()).await;
    let api = Api::new(&rig.sho);
    for n in 0..5 {
        let range = json!({"kind": "imsi", "first": format!("99901000000{n}001"), "count": 10});
        assert_eq!(api.put(&format!("/v1/number-ranges/range-{n}"), range).await, 201);
        assert_eq!(api.put(&format!("/v1/parts/part-{n}?kind=data"), json!(n)).await, 201);
        let terms = json!({"terms": {"plan": "meter"}});
        assert_eq!(api.put(&format!("/v1/contracts/meter-{n}"), terms).await, 201);
    }
    for (path, key, name) in [
        ("/v1/number-ranges", "id", "range"),
        ("/v1/parts", "name", "part"),
        ("/v1/contracts", "device_id", "meter"),
    ] {
        let all: Vec<String> = (0..5).map(|n| format!("{name}-{n}")).collect();
        assert_eq!(walk(&api, &format!("{path}?limit=2"), key).await, all, "{path}");
        assert_eq!(api.send(&api.admin, Method::GET, &format!("{path}?limit=0"), None).await.0, 400);
    }
    // Newest first; each of the writes above is there once.
    let actions = walk(&api, "/v1/audit?limit=2", "action").await;
    assert_eq!(actions.len(), 15);
    assert_eq!((actions[0].as_str(), actions[14].as_str()), ("contracts.put", "numbers.put"));

    let rig = Rig::new().await;
    let api = Api::new(&rig.sho);
    let mut imsis = Vec::new();
    for n in 0..3 {
        let device = rig.device(&format!("meter-{n}")).await;
        imsis.push(rig.provisioned(&device, Uuid::now_v7(), Kind::Initial).await.imsi.to_string());
    }
    imsis.sort();
    assert_eq!(walk(&api, "/v1/subscriptions?limit=2", "imsi").await, imsis);
    // The conditions stay from page to page.
    assert_eq!(walk(&api, "/v1/subscriptions?state=active&limit=1", "imsi").await, imsis);
    assert!(walk(&api, "/v1/subscriptions?state=withdrawn&limit=1", "imsi").await.is_empty());
    assert_eq!(walk(&api, "/v1/subscriptions?device_id=meter-1&limit=1", "imsi").await.len(), 1);
}

/// No key leaves by REST, in the audit log or in the clear in the file.
#[tokio::test]
async fn no_key_is_shown_or_stored_in_the_clear() {
    let rig = Rig::new().await;
    let device = rig.device("meter-1").await;
    let session = Uuid::now_v7();
    let credentials = rig.provisioned(&device, session, Kind::Initial).await;
    let k = *credentials.k().expose();
    let api = Api::new(&rig.sho);
    let shown = [
        api.get("/v1/subscriptions").await.to_string(),
        api.get(&format!("/v1/provisioning/{session}")).await.to_string(),
        api.get("/v1/audit").await.to_string(),
        format!("{:?}", rig.hss.of(credentials.imsi).unwrap()),
    ];
    for text in shown {
        assert!(!text.contains(&hex::encode(k)) && !text.contains(&format!("{:?}", &k[..4])), "{text}");
    }
    for file in std::fs::read_dir(rig.folder.path()).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!octets.windows(16).any(|window| window == k));
    }
    let mut reader = rig.sho.store.db.readers.acquire().await.unwrap();
    assert_eq!(sho::store::numbers::free(&mut reader, NumberKind::Imsi, 0).await.unwrap(), 999);
}
