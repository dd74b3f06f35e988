//! K, OP and OPc are taken and never given.

use serde_json::{Value, json};

use crate::harness::{Answer, Api, K, OP, OPC, profile};

/// Everything that a scenario is answered, headers too, is searched for the keys.
struct Watched {
    api: Api,
    answers: usize,
}

impl Watched {
    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let key = format!("key-{}", self.answers);
        let keyed = [("idempotency-key", key.as_str())];
        let headers: &[(&str, &str)] = if path == "/v1/credentials" { &keyed } else { &[] };
        let answer = self.api.ask("admin", method, path, headers, body).await;
        self.look(method, path, &answer);
        answer
    }

    fn look(&mut self, method: &str, path: &str, answer: &Answer) {
        let said = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
        for key in [K, OPC, OP] {
            // Not even a part of one: eight digits would tell 32 bits.
            for part in key.as_bytes().chunks(8) {
                let part = std::str::from_utf8(part).unwrap();
                assert!(!said.contains(part), "{method} {path}: {said}");
            }
        }
        self.answers += 1;
    }
}

#[tokio::test]
async fn no_answer_of_a_long_scenario_holds_a_key() {
    for api in [Api::memory(), Api::sqlite().await] {
        let mut it = Watched { api, answers: 0 };
        let one = "/v1/credentials/999710000000001";
        let good = json!({"imsi": "999710000000001", "k": K, "opc": OPC});
        it.ask("POST", "/v1/credentials", Some(good.clone())).await.ok(201);
        it.ask("POST", "/v1/credentials", Some(json!({"imsi": "999710000000002", "k": K, "op": OP})))
            .await
            .ok(201);
        it.ask("POST", "/v1/credentials", Some(good)).await.problem(409);
        // Keys in the wrong place, cut short, of another type, as the name of a field.
        let wrong = [
            json!({"imsi": K, "k": K, "opc": OPC}),
            json!({"imsi": "999710000000003", "k": format!("{K}0"), "opc": OPC}),
            json!({"imsi": "999710000000003", "k": [K], "opc": {"x": OPC}}),
            json!({"imsi": "999710000000003", "k": K, "opc": OPC, "op": OP}),
            json!({"imsi": "999710000000003", "k": K, "opc": OPC, "amf": K}),
            json!({"imsi": "999710000000003", "k": K, "opc": OPC, "msisdn": K}),
            json!({"imsi": "999710000000003", "k": K, "opc": OPC, "ind_bitlen": 99}),
        ];
        for body in wrong {
            it.ask("POST", "/v1/credentials", Some(body)).await.problem(422);
        }
        it.ask("GET", "/v1/credentials", None).await.ok(200);
        it.ask("GET", one, None).await.ok(200);
        it.ask("PATCH", one, Some(json!({"state": "blocked"}))).await.ok(200);
        it.ask("PUT", "/v1/profiles/slow", Some(profile("slow"))).await.ok(201);
        it.ask("PATCH", one, Some(json!({"profile": "slow", "state": "active"}))).await.ok(200);
        let lines = format!(
            "{{\"imsi\":\"999710000000004\",\"k\":\"{K}\",\"opc\":\"{OPC}\"}}\n{{\"imsi\":\"1\",\"k\":\"{K}\"}}\n{K}\n"
        );
        for kind in ["application/x-ndjson", "text/csv", "application/json"] {
            let answer = it.api.post_as("/v1/credentials/import", kind, lines.clone()).await;
            it.look("POST", "import", &answer);
            answer.problem(422);
        }
        for path in
            ["/v1/events", "/v1/audit", "/v1/registrations", "/v1/batches", "/v1/av-pools", "/v1/profiles"]
        {
            it.ask("GET", path, None).await.ok(200);
        }
        it.ask("DELETE", one, None).await.ok(204);
        it.ask("GET", "/v1/audit", None).await.ok(200);
        it.ask("GET", "/v1/events", None).await.ok(200);
        assert!(it.answers > 20);
    }
}

#[test]
fn no_answered_type_has_room_for_a_key() {
    let api = Api::memory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let document = runtime.block_on(api.get("/openapi.json")).ok(200);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let keys = ["k", "op", "opc"].iter().filter(|key| schema["properties"].get(**key).is_some()).count();
        assert_eq!(keys > 0, name == "NewCredential", "{name}");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let responses = operation["responses"].to_string();
            assert!(!responses.contains("NewCredential") && !responses.contains("SecretHex"), "{path}");
        }
    }
}
