//! What a client of the CoAP server asks for, and what it is answered (RFC 7252 §5; RFC 6690; RFC 7959).

use schemas::{identity::Pcid, rnct};
use sha2::{Digest, Sha256};

use super::{
    block::{Block, LARGEST},
    message::{Code, Kind, MAX_PAYLOAD, Message, number, uint},
    option,
};

/// Content-Format of application/link-format (RFC 6690 §7.3).
pub const LINK_FORMAT: u16 = 40;
/// What `/.well-known/core` gives (RFC 6690 §4): the one resource. Short: it is given to whoever asks.
pub const LINKS: &[u8] = b"</rnct>;rt=\"callhome.rnct\";ct=18";
/// Max-Age of an RNCT, seconds: a newer one may be there at any time, and nobody else is to keep it (RFC 7252 §5.10.5).
const NOT_TO_BE_KEPT: u32 = 0;

/// A request that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `GET /.well-known/core`.
    Core,
    /// `GET /rnct?pcid=`.
    Rnct {
        /// Whose.
        pcid: Pcid,
        /// Which block, if it asks for one.
        block: Option<Block>,
    },
}

/// A request that cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Answered with this.
    Code(Code),
    /// Rejected (RFC 7252 §4.2, §4.3): reset, or ignored if it was not confirmable.
    Reject,
}

/// The options that are known, with the lengths that they may have (RFC 7252 §5.10; RFC 7959 §2.1).
fn known(number: u16) -> Option<(std::ops::RangeInclusive<usize>, bool)> {
    Some(match number {
        // (lengths, whether it may be repeated)
        option::URI_HOST => (1..=255, false),
        option::URI_PORT | option::ACCEPT => (0..=2, false),
        option::URI_PATH | option::URI_QUERY => (0..=255, true),
        option::BLOCK2 => (0..=3, false),
        option::PROXY_URI => (1..=1034, false),
        option::PROXY_SCHEME => (1..=255, false),
        option::ECHO => (1..=40, false),
        _ => return None,
    })
}

/// Reads a request; says nothing of whether the client may have what it asks for.
///
/// # Errors
/// What it is answered.
pub fn read(message: &Message) -> Result<Asked, Refusal> {
    let code = |code| Err(Refusal::Code(code));
    let mut before = None;
    for (number, value) in &message.options {
        let good = known(*number).is_some_and(|(lengths, repeatable)| {
            lengths.contains(&value.len()) && (repeatable || before != Some(*number))
        });
        before = Some(*number);
        // §5.4.1, §5.4.3, §5.4.5: a critical option that is unknown, of a wrong length, or there once too often. In a
        // message that is not confirmable it makes the recipient reject the message.
        if !good && option::is_critical(*number) {
            return match message.kind {
                Kind::Confirmable => code(Code::BAD_OPTION),
                _ => Err(Refusal::Reject),
            };
        }
    }
    // §5.10.2: no proxy here.
    if message.option(option::PROXY_URI).is_some() || message.option(option::PROXY_SCHEME).is_some() {
        return code(Code::NO_PROXYING);
    }
    let path: Vec<&[u8]> = message.values(option::URI_PATH).collect();
    let format = match path.as_slice() {
        [b".well-known", b"core"] => LINK_FORMAT,
        [path] if *path == rnct::COAP_PATH.as_bytes() => rnct::CONTENT_FORMAT,
        _ => return code(Code::NOT_FOUND),
    };
    // §5.8: also for methods that nobody knows.
    if message.code != Code::GET {
        return code(Code::METHOD_NOT_ALLOWED);
    }
    // §5.10.4.
    if message.option(option::ACCEPT).is_some_and(|accept| number(accept) != Some(u32::from(format))) {
        return code(Code::NOT_ACCEPTABLE);
    }
    if format == LINK_FORMAT {
        // RFC 6690 §4.1 lets a server ignore the filter.
        return Ok(Asked::Core);
    }
    let block = match message.option(option::BLOCK2) {
        None => None,
        // RFC 7959 §2.2: exponent 7 is to be answered with 4.00.
        Some(value) => Some(Block::decode(value).ok_or(Refusal::Code(Code::BAD_REQUEST))?),
    };
    let mut queries = message.values(option::URI_QUERY);
    let pcid = match (queries.next(), queries.next()) {
        (Some(query), None) => query.strip_prefix(b"pcid=").and_then(|pcid| Pcid::from_digits(pcid).ok()),
        _ => None,
    };
    pcid.map(|pcid| Asked::Rnct { pcid, block }).ok_or(Refusal::Code(Code::BAD_REQUEST))
}

/// A response without a body; `id` is for a request that was not confirmable (RFC 7252 §5.2.1, §5.2.3).
#[must_use]
pub fn response(request: &Message, code: Code, id: u16) -> Message {
    let (kind, id) = match request.kind {
        Kind::Confirmable => (Kind::Acknowledgement, request.id),
        _ => (Kind::NonConfirmable, id),
    };
    Message { kind, code, id, token: request.token.clone(), options: vec![], payload: vec![] }
}

/// 4.01 with an Echo value that is to be sent back (RFC 9175 §2.3).
#[must_use]
pub fn challenge(request: &Message, value: Vec<u8>, id: u16) -> Message {
    let mut response = response(request, Code::UNAUTHORIZED, id);
    response.options = vec![(option::ECHO, value)];
    response
}

/// The links (RFC 6690 §4).
#[must_use]
pub fn links(request: &Message, id: u16) -> Message {
    let mut response = response(request, Code::CONTENT, id);
    response.options = vec![(option::CONTENT_FORMAT, uint(u32::from(LINK_FORMAT)))];
    response.payload = LINKS.to_vec();
    response
}

/// The RNCT, or the block of it that is asked for; the first one if it is longer than [`MAX_PAYLOAD`]
/// (RFC 7959 §2.4).
#[must_use]
pub fn rnct(request: &Message, block: Option<Block>, body: &[u8], id: u16) -> Message {
    let mut answer = response(request, Code::CONTENT, id);
    let block =
        block.or((body.len() > MAX_PAYLOAD).then_some(Block { number: 0, more: false, szx: LARGEST }));
    // The same for every block of the same body: so a client finds out that it changed under way (§2.4).
    let etag = Sha256::digest(body)[..8].to_vec();
    answer.options = vec![
        (option::ETAG, etag),
        (option::CONTENT_FORMAT, uint(u32::from(rnct::CONTENT_FORMAT))),
        (option::MAX_AGE, uint(NOT_TO_BE_KEPT)),
    ];
    match block {
        None => answer.payload = body.to_vec(),
        Some(block) => match block.of(body) {
            None => return response(request, Code::BAD_REQUEST, id),
            Some((part, more)) => {
                answer.options.push((option::BLOCK2, Block { more, ..block }.encode()));
                let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
                answer.options.push((option::SIZE2, uint(size)));
                answer.payload = part.to_vec();
            }
        },
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(options: &[(u16, &[u8])]) -> Message {
        let mut options: Vec<_> = options.iter().map(|(n, value)| (*n, value.to_vec())).collect();
        options.sort_by_key(|(n, _)| *n);
        Message {
            kind: Kind::Confirmable,
            code: Code::GET,
            id: 7,
            token: vec![1, 2],
            options,
            payload: vec![],
        }
    }

    const PATH: (u16, &[u8]) = (option::URI_PATH, b"rnct");
    const QUERY: (u16, &[u8]) = (option::URI_QUERY, b"pcid=999710000000001");

    #[test]
    fn requests_are_answered_as_section_5_says() {
        let refused = |code| Err(Refusal::Code(code));
        let pcid: Pcid = "999710000000001".parse().unwrap();
        let rnct = |block| Ok(Asked::Rnct { pcid, block });
        type Case<'a> = (&'a [(u16, &'a [u8])], Result<Asked, Refusal>);
        let cases: &[Case<'_>] = &[
            (&[PATH, QUERY], rnct(None)),
            (&[PATH, QUERY, (option::URI_HOST, b"drf"), (option::URI_PORT, &[0x16, 0x33])], rnct(None)),
            (&[PATH, QUERY, (option::ACCEPT, &[18])], rnct(None)),
            (&[PATH, QUERY, (option::ACCEPT, &[40])], refused(Code::NOT_ACCEPTABLE)),
            (&[PATH, QUERY, (option::BLOCK2, &[0x12])], rnct(Some(Block { number: 1, more: false, szx: 2 }))),
            (&[PATH, QUERY, (option::BLOCK2, &[7])], refused(Code::BAD_REQUEST)),
            (&[PATH, QUERY, (option::BLOCK2, &[2]), (option::BLOCK2, &[2])], refused(Code::BAD_OPTION)),
            (&[PATH, QUERY, (option::BLOCK2, &[0, 0, 0, 2])], refused(Code::BAD_OPTION)),
            (&[PATH, QUERY, (option::BLOCK1, &[2])], refused(Code::BAD_OPTION)),
            // If-Match and an option that nobody has heard of, both critical; Observe and another, both elective.
            (&[PATH, QUERY, (1, b"x")], refused(Code::BAD_OPTION)),
            (&[PATH, QUERY, (65_001, b"x")], refused(Code::BAD_OPTION)),
            (&[PATH, QUERY, (6, b""), (65_000, b"x")], rnct(None)),
            (&[PATH, QUERY, (option::PROXY_URI, b"coap://x/")], refused(Code::NO_PROXYING)),
            (&[PATH, QUERY, (option::PROXY_SCHEME, b"coap")], refused(Code::NO_PROXYING)),
            (&[PATH], refused(Code::BAD_REQUEST)),
            (&[PATH, (option::URI_QUERY, b"pcid=12")], refused(Code::BAD_REQUEST)),
            (&[PATH, (option::URI_QUERY, b"imsi=999710000000001")], refused(Code::BAD_REQUEST)),
            (&[PATH, QUERY, QUERY], refused(Code::BAD_REQUEST)),
            (&[PATH, PATH, QUERY], refused(Code::NOT_FOUND)),
            (&[], refused(Code::NOT_FOUND)),
            (&[(option::URI_PATH, b".well-known"), (option::URI_PATH, b"core")], Ok(Asked::Core)),
        ];
        for (options, answer) in cases {
            assert_eq!(read(&get(options)), *answer, "{options:?}");
        }
        for method in 2..32 {
            let message = Message { code: Code(method), ..get(&[PATH, QUERY]) };
            assert_eq!(read(&message), refused(Code::METHOD_NOT_ALLOWED), "0.{method:02}");
        }
        let non = Message { kind: Kind::NonConfirmable, ..get(&[PATH, QUERY, (1, b"x")]) };
        assert_eq!(read(&non), Err(Refusal::Reject));
    }

    #[test]
    fn a_long_rnct_comes_in_blocks_that_fit_together() {
        let body: Vec<u8> = (0..2500_u32).map(|n| n as u8).collect();
        let request = get(&[PATH, QUERY]);
        let first = rnct(&request, None, &body, 0);
        assert_eq!(Block::decode(first.option(option::BLOCK2).unwrap()).map(|b| b.more), Some(true));
        assert_eq!(first.option(option::SIZE2), Some(&uint(2500)[..]));
        let mut joined = first.payload.clone();
        for number in 1.. {
            let asked = Block { number, more: false, szx: 6 };
            let next = rnct(&request, Some(asked), &body, 0);
            assert_eq!(next.option(option::ETAG), first.option(option::ETAG));
            joined.extend(&next.payload);
            assert!(next.encode().is_some(), "fits a datagram");
            if !Block::decode(next.option(option::BLOCK2).unwrap()).unwrap().more {
                break;
            }
        }
        assert_eq!(joined, body);
        let beyond = rnct(&request, Some(Block { number: 3, more: false, szx: 6 }), &body, 0);
        assert_eq!(beyond.code, Code::BAD_REQUEST);
        let short = rnct(&request, None, &body[..1024], 0);
        assert_eq!((short.option(option::BLOCK2), short.payload.len()), (None, 1024));
    }

    #[test]
    fn strangers_get_no_more_than_three_times_what_they_sent() {
        let request = get(&[(option::URI_PATH, b".well-known"), (option::URI_PATH, b"core")]);
        let sent = request.encode().unwrap().len();
        assert!(links(&request, 0).encode().unwrap().len() <= 3 * sent);
        assert!(response(&request, Code::FORBIDDEN, 0).encode().unwrap().len() <= sent);
        let rnct = get(&[PATH, QUERY]);
        let challenged = challenge(&rnct, vec![0xff; 12], 0).encode().unwrap().len();
        assert!(challenged <= rnct.encode().unwrap().len());
    }
}
