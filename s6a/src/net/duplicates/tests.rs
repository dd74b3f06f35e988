use super::*;
use crate::peer::Side;

fn header(end_to_end: u32, hop_by_hop: u32, t: bool) -> Header {
    let flags = CommandFlags::REQUEST;
    let flags = if t { flags.with(CommandFlags::RETRANSMITTED) } else { flags };
    Header { length: 0, flags, command: 318, application: 16_777_251, hop_by_hop, end_to_end }
}

fn encoded(header: &Header, body: usize) -> Vec<u8> {
    let mut out = Vec::new();
    Header { length: (20 + body) as u32, ..header.answer() }.encode(&mut out);
    out.resize(20 + body, header.end_to_end as u8);
    out
}

struct Test {
    duplicates: Duplicates,
    sender: Sender,
    content: &'static [u8],
    now: Instant,
    link: Arc<Link>,
}

fn test(octets: usize) -> Test {
    let duplicates = Duplicates::new(Duration::from_secs(240), octets * SHARDS);
    let mme = duplicates.host(b"mme.example");
    let sender = Sender { peer: mme, origin: mme };
    Test {
        duplicates,
        sender,
        content: b"AIR",
        now: Instant::now(),
        link: Arc::new(Link::new(1, Side::Responder, 0)),
    }
}

impl Test {
    fn begin(&self, header: &Header) -> (Begun, Vec<u8>) {
        let mut out = b"before".to_vec();
        let waiter = || Waiter { link: Arc::clone(&self.link), hop_by_hop: header.hop_by_hop };
        let begun = self.duplicates.begin(self.sender, header, self.content, self.now, waiter, &mut out);
        (begun, out.split_off(6))
    }

    /// Executes a request from beginning to end.
    fn execute(&self, header: &Header, body: usize) -> Vec<u8> {
        let (Begun::Execute(ticket, _), _) = self.begin(header) else { panic!("not executed") };
        let answer = encoded(header, body);
        self.duplicates.finish(&ticket, &answer, self.now);
        answer
    }

    fn mail(&self) -> crate::net::mailbox::Mail {
        let mut mail = crate::net::mailbox::Mail::default();
        self.link.mailbox.take(&mut mail, &std::task::Context::from_waker(std::task::Waker::noop()));
        mail
    }
}

#[test]
fn a_retransmission_gets_the_same_answer_with_its_own_hop_by_hop_id() {
    let test = test(4096);
    let first = test.execute(&header(7, 100, false), 40);
    let (begun, again) = test.begin(&header(7, 200, true));
    assert!(matches!(begun, Begun::Answered));
    assert_eq!(again[12..16], 200u32.to_be_bytes());
    assert_eq!((&again[..12], &again[16..]), (&first[..12], &first[16..]));
}

#[test]
fn only_the_same_origin_end_to_end_id_and_command_is_a_duplicate() {
    let test = test(4096);
    test.execute(&header(7, 1, false), 8);
    assert!(matches!(test.begin(&header(8, 1, true)).0, Begun::Execute(..)));
    let other = Header { command: 316, ..header(7, 1, true) };
    assert!(matches!(test.begin(&other).0, Begun::Execute(..)));
    assert!(
        matches!(test.begin(&header(7, 1, false)).0, Begun::Execute(..)),
        "without T it is a new request"
    );
    assert_eq!(test.duplicates.host(b"MME.example"), test.sender.origin);
    assert_ne!(test.duplicates.host(b"mme2.example"), test.sender.origin);
    let origin = test.duplicates.host(b"mme2.example");
    let elsewhere = Test { sender: Sender { origin, ..test.sender }, ..test };
    assert!(matches!(elsewhere.begin(&header(7, 1, true)).0, Begun::Execute(..)));
}

fn found(begun: &Begun) -> Option<Retransmission> {
    match begun {
        Begun::Execute(_, found) => *found,
        Begun::Answered | Begun::Waiting => Some(Retransmission::Known),
    }
}

#[test]
fn another_peer_gets_nothing_of_an_answer_and_puts_nothing_into_its_place() {
    let mut test = test(4096);
    let victim = test.sender;
    let answer = test.execute(&header(7, 1, false), 40);
    let thief = Sender { peer: test.duplicates.host(b"thief.example"), ..victim };
    test.sender = thief;
    // Exactly the victim's request, with T, while it runs and after it.
    assert_eq!(found(&test.begin(&header(7, 2, true)).0), Some(Retransmission::OfAnotherPeer));
    let (Begun::Execute(ticket, None), _) = test.begin(&header(7, 3, false)) else { panic!() };
    test.duplicates.finish(&ticket, &encoded(&header(7, 3, false), 8), test.now);
    // What the thief has caused to be answered is the thief's; the victim gets its own.
    test.sender = victim;
    let (begun, again) = test.begin(&header(7, 1, true));
    assert!(matches!(begun, Begun::Answered));
    assert_eq!(again, answer);
    test.sender = thief;
    assert_eq!(test.begin(&header(7, 3, true)).1.len(), 28);
    // Before the victim: planted answers do not reach it either.
    let (Begun::Execute(planted, _), _) = test.begin(&header(8, 1, false)) else { panic!() };
    test.duplicates.finish(&planted, &encoded(&header(8, 1, false), 8), test.now);
    let (Begun::Execute(..), _) = test.begin(&header(9, 1, false)) else { panic!() };
    test.sender = victim;
    for id in [8, 9] {
        let (begun, _) = test.begin(&header(id, 1, true));
        assert_eq!(found(&begun), Some(Retransmission::OfAnotherPeer), "it is executed");
    }
    assert_eq!(test.mail().answers, 0);
}

#[test]
fn another_request_under_the_same_ids_is_executed() {
    let mut test = test(4096);
    test.execute(&header(7, 1, false), 40);
    test.content = b"AIR for another subscriber";
    assert_eq!(found(&test.begin(&header(7, 2, true)).0), Some(Retransmission::Changed));
}

#[test]
fn who_waits_gets_the_answer_to_what_he_asked_though_the_ids_are_used_for_something_else() {
    let mut test = test(4096);
    let (Begun::Execute(first, _), _) = test.begin(&header(7, 1, false)) else { panic!() };
    assert!(matches!(test.begin(&header(7, 2, true)).0, Begun::Waiting));
    test.content = b"something else";
    let (Begun::Execute(second, _), _) = test.begin(&header(7, 3, false)) else { panic!() };
    test.duplicates.finish(&second, &encoded(&header(7, 3, false), 8), test.now);
    assert_eq!(test.mail().answers, 0);
    test.duplicates.finish(&first, &encoded(&header(7, 1, false), 16), test.now);
    let mail = test.mail();
    assert_eq!((mail.answers, mail.octets.len()), (1, 36));
}

#[test]
fn so_many_peers_under_one_key_are_kept_and_the_others_are_executed_and_forgotten() {
    let mut test = test(1 << 16);
    for peer in 0..20_u64 {
        test.sender.peer = peer;
        test.execute(&header(7, 1, false), 40);
    }
    let kept = (0..20_u64).filter(|peer| {
        test.sender.peer = *peer;
        matches!(test.begin(&header(7, 1, true)).0, Begun::Answered)
    });
    assert_eq!(kept.count(), usize::from(SAME_KEY));
}

#[test]
fn a_retransmission_of_what_is_under_way_waits_for_its_answer() {
    let test = test(4096);
    let (Begun::Execute(ticket, _), _) = test.begin(&header(7, 1, false)) else { panic!() };
    assert!(matches!(test.begin(&header(7, 2, true)).0, Begun::Waiting));
    assert!(matches!(test.begin(&header(7, 3, true)).0, Begun::Waiting));
    test.duplicates.finish(&ticket, &encoded(&header(7, 1, false), 8), test.now);
    let mail = test.mail();
    assert_eq!(mail.answers, 2);
    assert_eq!((&mail.octets[12..16], &mail.octets[40..44]), (&[0, 0, 0, 2][..], &[0, 0, 0, 3][..]));
}

#[test]
fn who_waits_is_answered_even_if_the_id_is_used_again() {
    let test = test(4096);
    let (Begun::Execute(first, _), _) = test.begin(&header(7, 1, false)) else { panic!() };
    test.begin(&header(7, 2, true));
    let (Begun::Execute(second, _), _) = test.begin(&header(7, 3, false)) else { panic!() };
    test.duplicates.finish(&first, &encoded(&header(7, 1, false), 8), test.now);
    test.duplicates.finish(&second, &encoded(&header(7, 3, false), 8), test.now);
    assert_eq!(test.mail().answers, 1);
}

#[test]
fn answers_are_forgotten_with_age() {
    let mut test = test(4096);
    test.execute(&header(7, 1, false), 8);
    test.now += Duration::from_secs(240);
    assert!(matches!(test.begin(&header(7, 1, true)).0, Begun::Answered));
    test.now += Duration::from_secs(1);
    assert!(matches!(test.begin(&header(7, 1, true)).0, Begun::Execute(..)));
}

#[test]
fn the_ring_keeps_the_latest_within_its_size_and_never_mixes_answers() {
    let test = test(1000);
    for id in 0..5000u32 {
        let body = 20 + (id as usize * 28) % 180;
        test.execute(&header(id, 1, false), body - body % 4);
        // The latest three always fit; whatever is still there is whole.
        let mut kept = 0;
        for old in id.saturating_sub(60)..=id {
            let (begun, answer) = test.begin(&header(old, 9, true));
            match begun {
                Begun::Answered => {
                    kept += 1;
                    assert_eq!(Header::decode(&answer).unwrap().length as usize, answer.len());
                    assert_eq!(answer[16..20], old.to_be_bytes());
                    assert!(answer[20..].iter().all(|octet| *octet == old as u8));
                }
                Begun::Execute(..) => {
                    assert!(old + 3 < id + 1, "{old} was forgotten at {id}");
                    // Not finished: as if it had never been asked for.
                    let key = Key { host: test.sender.origin, end_to_end: old, command: 318, nth: 0 };
                    test.duplicates.shard(key).entries.remove(&key);
                }
                Begun::Waiting => panic!("nothing is under way"),
            }
        }
        assert!(kept <= 1000 / 36);
        let shard =
            test.duplicates.shard(Key { host: test.sender.origin, end_to_end: 0, command: 0, nth: 0 });
        assert!(shard.ring.len() <= 1000 && shard.entries.len() == shard.order.len());
    }
    assert_eq!(test.execute(&header(9999, 1, false), 2000).len(), 2020, "too large to keep is no error");
}
