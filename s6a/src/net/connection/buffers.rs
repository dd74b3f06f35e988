//! The two buffers of a connection.

/// Octets that were read and not yet handled. The memory is initialised once and reused.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    octets: Vec<u8>,
    start: usize,
    end: usize,
}

/// What a connection starts with: room for a few requests.
const FIRST: usize = 8 << 10;
/// What a busy one grows to: room for some hundred requests a read.
const LARGE: usize = 256 << 10;

impl ReadBuffer {
    pub(super) fn unread(&self) -> &[u8] {
        &self.octets[self.start..self.end]
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room to read into: never empty while less than `max_message` octets are unread.
    pub(super) fn room(&mut self, max_message: usize) -> &mut [u8] {
        if self.octets.is_empty() {
            self.octets.resize(FIRST, 0);
        }
        if self.end == self.octets.len() {
            if self.start > 0 {
                self.octets.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            // The last read filled it: more is to be expected.
            if self.octets.len() < LARGE.max(max_message) {
                self.octets.resize((self.octets.len() * 2).min(LARGE.max(max_message)), 0);
            }
        }
        &mut self.octets[self.end..]
    }

    pub(super) fn filled(&mut self, n: usize) {
        self.end += n;
    }

    pub(super) fn is_full(&self, max_message: usize) -> bool {
        self.start == 0 && self.end == self.octets.len() && self.end >= LARGE.max(max_message)
    }
}

/// Octets to be written.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    pub(super) octets: Vec<u8>,
    written: usize,
}

/// A buffer larger than this is given back once it is empty.
const KEEP: usize = 1 << 20;

impl WriteBuffer {
    pub(super) fn pending(&self) -> &[u8] {
        &self.octets[self.written..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written == self.octets.len()
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len() - self.written
    }

    pub(super) fn wrote(&mut self, n: usize) {
        self.written += n;
        if self.is_empty() {
            self.octets.clear();
            self.octets.shrink_to(KEEP);
            self.written = 0;
        } else if self.written > KEEP {
            self.octets.drain(..self.written);
            self.written = 0;
        }
    }

    /// Takes over a whole buffer of messages without copying, if it is empty itself; `octets` is left empty.
    pub(super) fn take(&mut self, octets: &mut Vec<u8>) {
        if self.octets.is_empty() {
            std::mem::swap(&mut self.octets, octets);
        } else {
            self.octets.extend_from_slice(octets);
            octets.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_buffer_grows_only_when_it_was_filled_and_keeps_what_is_unread() {
        let mut buffer = ReadBuffer::default();
        assert_eq!(buffer.room(1000).len(), FIRST);
        buffer.room(1000).fill(7);
        buffer.filled(FIRST);
        buffer.consume(FIRST - 10);
        assert_eq!(buffer.room(1000).len(), 2 * FIRST - 10);
        assert_eq!(buffer.unread(), [7; 10]);
        buffer.consume(10);
        assert!(buffer.unread().is_empty());
        for _ in 0..20 {
            let n = buffer.room(1000).len();
            buffer.filled(n);
        }
        assert!(buffer.is_full(1000));
        assert_eq!(buffer.unread().len(), LARGE);
    }

    #[test]
    fn a_write_buffer_takes_over_whole_buffers() {
        let mut buffer = WriteBuffer::default();
        let mut mail = vec![1, 2, 3];
        buffer.take(&mut mail);
        assert!(mail.is_empty());
        mail.extend([4, 5]);
        buffer.take(&mut mail);
        assert_eq!((buffer.pending(), buffer.len()), (&[1, 2, 3, 4, 5][..], 5));
        buffer.wrote(2);
        assert_eq!(buffer.pending(), [3, 4, 5]);
        buffer.wrote(3);
        assert!(buffer.is_empty());
    }
}
