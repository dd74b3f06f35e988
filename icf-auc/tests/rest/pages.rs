//! Listings are walked from page to page.

use icf_auc::model::{AuthMaterial, Credential, CredentialState, IssuingMode, Timestamp};
use icf_auc::store::NewCredential;
use schemas::identity::Imsi;
use schemas::secret::Key128;

use crate::harness::Api;

fn many(count: u64) -> Vec<NewCredential> {
    let first: Imsi = "999710000000000".parse().unwrap();
    (0..count)
        .map(|n| NewCredential {
            credential: Credential {
                imsi: first.checked_add(n * 7).unwrap(),
                auth: AuthMaterial::Keys { k: Key128::new([1; 16]), opc: Key128::new([2; 16]) },
                amf: [0x80, 0],
                ind_bitlen: 5,
                state: CredentialState::Active,
                profile: "default".to_owned(),
                expires_at: None,
                attach_budget: None,
                attaches: 0,
                address: None,
                triple: None,
                msisdn: None,
                overrides: Default::default(),
                mode: IssuingMode::Supplier,
                batch: None,
                created_at: Timestamp(0),
                updated_at: Timestamp(0),
                version: 0,
            },
            next_seq: 1,
        })
        .collect()
}

/// Follows `next` to the end; gives what was listed, and how many pages there were.
async fn walk(api: &Api, start: &str, key: &str) -> (Vec<String>, usize) {
    let (mut next, mut seen, mut pages) = (Some(start.to_owned()), Vec::new(), 0);
    while let Some(path) = next {
        let answer = api.get(&path).await;
        let page = answer.ok(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item[key].to_string()));
        next = page["next"].as_str().map(str::to_owned);
        match &next {
            Some(next) => assert_eq!(answer.header("link"), format!("<{next}>; rel=\"next\"")),
            None => assert!(answer.headers.get("link").is_none()),
        }
        pages += 1;
    }
    (seen, pages)
}

async fn walks_all(api: Api) {
    for chunk in many(2500).chunks(500) {
        api.store.insert(chunk.to_vec()).await.unwrap();
    }
    let expected: Vec<String> = many(2500).iter().map(|new| format!("\"{}\"", new.credential.imsi)).collect();
    for (limit, pages) in [(100, 25), (333, 8), (500, 5)] {
        let start = format!("/v1/credentials?limit={limit}&prefix=99971&state=active");
        let (seen, read) = walk(&api, &start, "imsi").await;
        assert_eq!(read, pages, "{limit}");
        assert_eq!(seen, expected, "{limit}");
    }
}

#[tokio::test]
async fn two_thousand_five_hundred_credentials_are_listed_once_each_from_memory() {
    walks_all(Api::memory()).await;
}

#[tokio::test]
async fn two_thousand_five_hundred_credentials_are_listed_once_each_from_sqlite() {
    walks_all(Api::sqlite().await).await;
}

#[tokio::test]
async fn the_other_listings_are_walked_too() {
    for api in [Api::memory(), Api::sqlite().await] {
        for n in 0..5 {
            let imsi = format!("99971000000000{n}");
            api.credential(&imsi).await;
            api.register(&imsi, "999-71").await;
        }
        let imsis: Vec<String> = (0..5).map(|n| format!("\"99971000000000{n}\"")).collect();
        assert_eq!(walk(&api, "/v1/registrations?limit=2", "imsi").await, (imsis, 3));
        let (audit, pages) = walk(&api, "/v1/audit?limit=2", "id").await;
        assert_eq!((audit.len(), pages), (5, 3));
        let ids: Vec<i64> = audit.iter().map(|id| id.parse().unwrap()).collect();
        assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
        let (events, _) = walk(&api, "/v1/events?limit=2", "id").await;
        let ids: Vec<i64> = events.iter().map(|id| id.parse().unwrap()).collect();
        assert!(ids.len() >= 5 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }
}

#[tokio::test]
async fn a_cursor_that_is_none_gets_400() {
    let api = Api::memory();
    for path in ["credentials", "registrations", "av-pools", "audit", "events"] {
        api.get(&format!("/v1/{path}?after=xyz")).await.problem(400);
    }
}
