//! Blocks of a body that does not fit one message (RFC 7959 §2).

use super::message::{number, uint};

/// A Block1 or Block2 option (RFC 7959 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Number of the block, from 0, 20 bits.
    pub number: u32,
    /// Whether more follow.
    pub more: bool,
    /// Size exponent, 0 to 6: blocks of 2^(szx + 4) octets.
    pub szx: u8,
}

/// Size exponent of blocks of 1024 octets.
pub const LARGEST: u8 = 6;

impl Block {
    /// Octets in a block.
    #[must_use]
    pub fn size(self) -> usize {
        16 << self.szx.min(LARGEST)
    }

    /// Reads the value; `None` if it is longer than three octets or has the reserved exponent 7.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let number = number(value).filter(|_| value.len() <= 3)?;
        let szx = (number & 7) as u8;
        (szx <= LARGEST).then_some(Self { number: number >> 4, more: number & 8 != 0, szx })
    }

    /// The option's value.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        uint(self.number << 4 | u32::from(self.more) << 3 | u32::from(self.szx & 7))
    }

    /// The octets of `body` in this block, and whether more follow; `None` if it begins behind the end.
    #[must_use]
    pub fn of(self, body: &[u8]) -> Option<(&[u8], bool)> {
        let start = usize::try_from(self.number).ok()?.checked_mul(self.size())?;
        let rest = body.get(start..).filter(|rest| !rest.is_empty() || start == 0)?;
        let end = rest.len().min(self.size());
        Some((&rest[..end], end < rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_rfc_read_and_write() {
        // RFC 7959 §3.1: 2:0/1/128, 2:1/1/64, 2:5/0/64.
        for (text, block) in [
            (&[0x0b][..], Block { number: 0, more: true, szx: 3 }),
            (&[0x1a], Block { number: 1, more: true, szx: 2 }),
            (&[0x52], Block { number: 5, more: false, szx: 2 }),
            (&[], Block { number: 0, more: false, szx: 0 }),
        ] {
            assert_eq!(Block::decode(text), Some(block));
            assert_eq!(block.encode(), text);
        }
        assert_eq!(Block::decode(&[7]), None, "exponent 7 is reserved");
        assert_eq!(Block::decode(&[1, 0, 0, 6]), None, "three octets at most");
    }

    #[test]
    fn blocks_cover_the_body_and_end_with_it() {
        let body: Vec<u8> = (0..100).collect();
        let block = |number| Block { number, more: false, szx: 1 };
        let joined: Vec<u8> = (0..4).flat_map(|n| block(n).of(&body).unwrap().0.to_vec()).collect();
        assert_eq!(joined, body);
        assert_eq!(block(2).of(&body).map(|(_, more)| more), Some(true));
        assert_eq!(block(3).of(&body).map(|(part, more)| (part.len(), more)), Some((4, false)));
        assert_eq!(block(4).of(&body), None);
        assert_eq!(block(u32::MAX >> 4).of(&body), None);
        assert_eq!(block(0).of(&[]), Some((&[][..], false)));
        assert_eq!(block(2).of(&body[..64]), None);
    }
}
