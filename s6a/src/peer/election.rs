//! The election, RFC 6733 §5.6.4.

/// Whether the node `local` wins against `peer`: its Origin-Host lexicographically succeeds the other, where
/// upper and lower case letters are equal (RFC 6733 §5.6.4). The winner keeps the connection that the peer
/// has opened. Two equal names: nobody wins, as a node has no election with itself.
#[must_use]
pub fn wins_election(local: &str, peer: &str) -> bool {
    let folded = |name: &str| name.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    folded(local) > folded(peer)
}

#[cfg(test)]
mod tests {
    use super::wins_election;

    #[test]
    fn the_lexicographically_later_origin_host_wins_whatever_its_case() {
        assert!(wins_election("mme.example", "hss.example"));
        assert!(!wins_election("hss.example", "mme.example"));
        assert!(wins_election("MME.example", "hss.example"));
        assert!(!wins_election("HSS.example", "mme.example"));
        assert!(wins_election("hss.example.org", "hss.example"), "the longer of two equal beginnings");
        assert!(!wins_election("hss.example", "HSS.EXAMPLE"));
    }
}
