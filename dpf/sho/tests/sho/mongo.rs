//! A MongoDB, as far as the Open5GS connector asks one: OP_MSG and the OP_QUERY of a handshake, `find`, `insert`,
//! `update` and `delete` of one collection with unique `_id` and `imsi`.

use std::sync::{Arc, Mutex};

use mongodb::bson::{Bson, Document, doc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// OP_MSG, OP_QUERY and OP_REPLY of the wire protocol.
const MSG: i32 = 2013;
const QUERY: i32 = 2004;
const REPLY: i32 = 1;

/// How it answers what is no handshake.
#[derive(Debug, Clone, Copy, Default)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// Writing with this error, in words that repeat what was asked.
    Fails(i32),
    /// Writing with this error and this label.
    Labelled(i32, &'static str),
    /// It writes, and the write concern is not met, with this error.
    Concern(i32),
    /// Not at all.
    Mute,
}

/// What it has, and how it is.
#[derive(Default)]
pub struct Mongo {
    pub subscribers: Mutex<Vec<Document>>,
    pub mood: Mutex<Mood>,
}

impl Mongo {
    /// Serves it; gives its URL.
    pub async fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mongodb://{}", listener.local_addr().unwrap());
        let mongo = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mongo = mongo.clone();
                tokio::spawn(async move { mongo.talk(stream).await });
            }
        });
        url
    }

    /// The one document.
    pub fn only(&self) -> Document {
        let all = self.subscribers.lock().unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }

    async fn talk(&self, mut stream: TcpStream) {
        let mut head = [0; 16];
        // Ends when the driver hangs up.
        while stream.read_exact(&mut head).await.is_ok() {
            let word = |at: usize| i32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            let mut body = vec![0; usize::try_from(word(0)).unwrap() - 16];
            stream.read_exact(&mut body).await.unwrap();
            let (command, kind) = match word(12) {
                MSG => (message(&body), MSG),
                QUERY => (query(&body), REPLY),
                other => panic!("operation {other}"),
            };
            let Some(answer) = self.answer(&command) else { std::future::pending().await };
            let mut out = match kind {
                MSG => vec![0; 5],
                // Flags 8, cursor 0, from 0, one document.
                _ => [&[8, 0, 0, 0][..], &[0; 12], &[1, 0, 0, 0]].concat(),
            };
            answer.to_writer(&mut out).unwrap();
            let length = i32::try_from(out.len() + 16).unwrap();
            let header = [length, 1, word(4), kind].map(i32::to_le_bytes).concat();
            stream.write_all(&[header, out].concat()).await.unwrap();
        }
    }

    fn answer(&self, command: &Document) -> Option<Document> {
        let name = command.keys().next().unwrap().as_str();
        if ["hello", "isMaster", "ismaster"].contains(&name) {
            return Some(
                doc! {"ismaster": true, "isWritablePrimary": true, "helloOk": true, "minWireVersion": 0,
                "maxWireVersion": 21, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000, "ok": 1.0},
            );
        }
        match *self.mood.lock().unwrap() {
            Mood::Fails(code) if name != "find" => {
                let text = format!("cannot do {command}");
                return Some(doc! {"ok": 0.0, "code": code, "codeName": "X", "errmsg": text});
            }
            Mood::Labelled(code, label) if name != "find" => {
                return Some(
                    doc! {"ok": 0.0, "code": code, "codeName": "X", "errmsg": "x", "errorLabels": [label]},
                );
            }
            Mood::Concern(code) if name != "find" => {
                let concern = doc! {"code": code, "codeName": "X", "errmsg": "x"};
                return Some(doc! {"n": 1, "nModified": 1, "ok": 1.0, "writeConcernError": concern});
            }
            Mood::Mute => return None,
            _ => {}
        }
        let mut all = self.subscribers.lock().unwrap();
        let list = |name: &str| -> Vec<Document> {
            let list = command.get_array(name).unwrap();
            list.iter().map(|one| one.as_document().unwrap().clone()).collect()
        };
        Some(match name {
            "find" => {
                assert_eq!(command.get_str("find").unwrap(), "subscribers");
                assert_eq!(command.get_str("$db").unwrap(), "open5gs");
                let filter = command.get_document("filter").unwrap();
                let found: Vec<Document> = all.iter().filter(|one| selects(filter, one)).cloned().collect();
                doc! {"cursor": {"firstBatch": found, "id": 0_i64, "ns": "open5gs.subscribers"}, "ok": 1.0}
            }
            "insert" => {
                let [new] = list("documents").try_into().unwrap();
                if all
                    .iter()
                    .any(|one| one.get("_id") == new.get("_id") || one.get("imsi") == new.get("imsi"))
                {
                    let error =
                        doc! {"index": 0, "code": 11000, "errmsg": format!("E11000 duplicate key {new}")};
                    return Some(doc! {"n": 0, "writeErrors": [error], "ok": 1.0});
                }
                all.push(new);
                doc! {"n": 1, "ok": 1.0}
            }
            "update" => {
                let [update] = list("updates").try_into().unwrap();
                let filter = update.get_document("q").unwrap();
                let found = all.iter_mut().find(|one| selects(filter, one));
                let n = i32::from(found.is_some());
                if let Some(found) = found {
                    apply(found, update.get_document("u").unwrap());
                }
                doc! {"n": n, "nModified": n, "ok": 1.0}
            }
            "delete" => {
                let [delete] = list("deletes").try_into().unwrap();
                let before = all.len();
                all.retain(|one| !selects(delete.get_document("q").unwrap(), one));
                doc! {"n": i32::try_from(before - all.len()).unwrap(), "ok": 1.0}
            }
            "endSessions" => doc! {"ok": 1.0},
            other => panic!("command {other}"),
        })
    }
}

/// Sections of OP_MSG: 0 is the command, 1 a list that belongs to it.
fn message(body: &[u8]) -> Document {
    let flags = u32::from_le_bytes(body[..4].try_into().unwrap());
    let mut rest = &body[4..body.len() - if flags & 1 == 1 { 4 } else { 0 }];
    let (mut command, mut lists) = (Document::new(), Document::new());
    let length = |at: &[u8]| usize::try_from(i32::from_le_bytes(at[..4].try_into().unwrap())).unwrap();
    while let [kind, section @ ..] = rest {
        let (section, after) = section.split_at(length(section));
        rest = after;
        if *kind == 0 {
            command = Document::from_reader(section).unwrap();
            continue;
        }
        let end = section[4..].iter().position(|octet| *octet == 0).unwrap() + 4;
        let (mut documents, mut list) = (&section[end + 1..], Vec::new());
        while !documents.is_empty() {
            let (one, others) = documents.split_at(length(documents));
            list.push(Bson::Document(Document::from_reader(one).unwrap()));
            documents = others;
        }
        lists.insert(String::from_utf8(section[4..end].to_vec()).unwrap(), list);
    }
    command.extend(lists);
    command
}

/// OP_QUERY: flags, name of the collection, two numbers, the command.
fn query(body: &[u8]) -> Document {
    let end = body[4..].iter().position(|octet| *octet == 0).unwrap() + 4;
    Document::from_reader(&body[end + 9..]).unwrap()
}

/// A value by its path with dots.
pub fn at<'a>(document: &'a Document, path: &str) -> Option<&'a Bson> {
    match path.split_once('.') {
        None => document.get(path),
        Some((head, rest)) => at(document.get_document(head).ok()?, rest),
    }
}

fn selects(filter: &Document, document: &Document) -> bool {
    filter.iter().all(|(path, wanted)| match wanted.as_document() {
        Some(operator) => {
            assert_eq!(operator, &doc! {"$exists": false});
            at(document, path).is_none()
        }
        None => at(document, path) == Some(wanted),
    })
}

fn apply(document: &mut Document, update: &Document) {
    for (operator, fields) in update {
        for (path, value) in fields.as_document().unwrap() {
            let (inner, name) = match path.split_once('.') {
                None => (&mut *document, path.as_str()),
                Some((head, name)) => (document.get_document_mut(head).unwrap(), name),
            };
            match operator.as_str() {
                "$set" => drop(inner.insert(name, value.clone())),
                "$unset" => drop(inner.remove(name)),
                other => panic!("operator {other}"),
            }
        }
    }
}
