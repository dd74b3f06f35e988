//! Where RAND comes from (TS 33.102 §6.3.2: "an unpredictable challenge").

use std::cell::RefCell;

use zeroize::Zeroize;

/// A source of challenges. Each call gives one that no call gave before.
///
/// A closure is one too, so a test can bring its own: `|| Ok([0x23; 16])`.
pub trait RandSource: Send + Sync {
    /// RAND, 16 octets.
    ///
    /// # Errors
    /// If there is no randomness to be had: no vector can be made then.
    fn rand(&self) -> Result<[u8; 16], RandUnavailable>;
}

impl<F> RandSource for F
where
    F: Fn() -> Result<[u8; 16], RandUnavailable> + Send + Sync,
{
    fn rand(&self) -> Result<[u8; 16], RandUnavailable> {
        self()
    }
}

/// The operating system's CSPRNG failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers, so no RAND can be made: {0}")]
pub struct RandUnavailable(pub getrandom::Error);

/// The operating system's CSPRNG. Each thread reads 64 challenges at a time, as a system call for each
/// would cost as much as the vector; what was handed out is wiped from the buffer and never comes again.
/// The process must not fork and go on in both halves: they would share what is left in the buffer.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRand;

const BUFFER: usize = 64 * 16;

struct Buffer {
    octets: [u8; BUFFER],
    used: usize,
}

impl Buffer {
    fn rand(&mut self) -> Result<[u8; 16], RandUnavailable> {
        if self.used == BUFFER {
            // `used` moves after success only: a failed read must not let old octets out.
            getrandom::fill(&mut self.octets).map_err(RandUnavailable)?;
            self.used = 0;
        }
        let mut rand = [0; 16];
        let next = &mut self.octets[self.used..self.used + 16];
        rand.copy_from_slice(next);
        next.zeroize();
        self.used += 16;
        Ok(rand)
    }
}

impl RandSource for OsRand {
    fn rand(&self) -> Result<[u8; 16], RandUnavailable> {
        thread_local! {
            static BUFFERED: RefCell<Buffer> = const { RefCell::new(Buffer { octets: [0; BUFFER], used: BUFFER }) };
        }
        BUFFERED.with_borrow_mut(Buffer::rand)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_rand_comes_twice_on_any_thread() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| OsRand.rand().unwrap()).collect::<Vec<_>>()))
            .collect();
        let rands: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(rands.iter().collect::<HashSet<_>>().len(), 40_000);
        assert!(!rands.contains(&[0; 16]));
    }

    #[test]
    fn a_rand_handed_out_is_wiped_from_the_buffer() {
        let mut buffer = Buffer { octets: [0; BUFFER], used: BUFFER };
        let first = buffer.rand().unwrap();
        assert_eq!(buffer.octets[..16], [0; 16]);
        assert_ne!(first, [0; 16]);
        assert_ne!(buffer.octets[16..32], [0; 16]);
    }

    #[test]
    fn a_test_brings_its_own_rand() {
        let source: &dyn RandSource = &|| Ok([0x23; 16]);
        assert_eq!(source.rand(), Ok([0x23; 16]));
    }
}
