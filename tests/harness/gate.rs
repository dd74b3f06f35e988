//! A gate in the way between two programs: octets go through as they come, until what it looks for is next. That waits at
//! the gate until it is opened, so that a test holds a flow between "sent" and "arrived", where no program's own state says
//! where it is.
//!
//! It reads frames, not messages inside TLS: Diameter by its header, TLS by its record header. That is enough.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::Result;

use crate::ports;

/// What waits at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Diameter: requests of this command code.
    Request(u32),
    /// Diameter: answers of this command code.
    Answer(u32),
    /// TLS: whatever the client begins to say on a new connection.
    Hello,
    /// TLS 1.3: what the server says after the client has sent more than the end of its handshake.
    TlsAnswer,
}

/// Octets of a TLS record that is more than a client's Finished (RFC 8446 §4.4.4: a hash, a tag, headers).
const MORE_THAN_FINISHED: usize = 150;
/// TLS record of type application_data (RFC 8446 §5.1): everything encrypted.
const APPLICATION_DATA: u8 = 23;

#[derive(Debug, Default)]
struct State {
    wanted: Option<Held>,
    /// How many frames wait now.
    waiting: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    over: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the gate lets such a frame through.
    fn pass(&self, is_held: impl Fn(Held) -> bool) {
        let mut state = self.lock();
        if !state.wanted.is_some_and(&is_held) {
            return;
        }
        state.waiting += 1;
        while state.wanted.is_some_and(&is_held) && !self.over.load(Ordering::SeqCst) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }
}

/// A gate before a server. It is open at first.
#[derive(Debug)]
pub struct Gate {
    /// Where clients connect.
    pub port: u16,
    shared: Arc<Shared>,
}

impl Gate {
    /// A gate before what listens at `server` on loopback, whether it does already or not.
    ///
    /// # Errors
    /// If there is no port for it.
    pub fn before(server: u16) -> Result<Self> {
        Self::at(ports::free()?, server)
    }

    /// As [`Gate::before`], at a port of its own.
    ///
    /// # Errors
    /// If it is taken.
    pub fn at(port: u16, server: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let shared = Arc::new(Shared::default());
        let of_gate = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if of_gate.over.load(Ordering::SeqCst) {
                    return;
                }
                // A client without a server is told so by its end.
                if let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) {
                    let _ = between(client, server, &of_gate);
                }
            }
        });
        Ok(Self { port, shared })
    }

    /// From now on such a frame waits, and what comes behind it.
    pub fn hold(&self, what: Held) {
        self.shared.lock().wanted = Some(what);
        // What waits for another reason goes on.
        self.shared.changed.notify_all();
    }

    /// Whether one waits.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.shared.lock().waiting > 0
    }

    /// Lets everything through.
    pub fn open(&self) {
        self.shared.lock().wanted = None;
        self.shared.changed.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.open();
        // So that the listener's thread looks.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Two threads, one a direction; the end of one is the end of both.
fn between(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    // Whether the client has said more on this connection than belongs to the handshake.
    let asked = Arc::new(AtomicBool::new(false));
    let first = Arc::new(AtomicBool::new(true));
    for (mut from, mut to, of_client) in
        [(client.try_clone()?, server.try_clone()?, true), (server, client, false)]
    {
        let (shared, asked, first) = (shared.clone(), asked.clone(), first.clone());
        thread::spawn(move || {
            while let Ok(frame) = read(&mut from) {
                if of_client {
                    let first = first.swap(false, Ordering::SeqCst);
                    shared.pass(|held| match held {
                        Held::Request(command) => diameter(&frame) == Some((true, command)),
                        Held::Hello => first,
                        _ => false,
                    });
                    if frame.first() == Some(&APPLICATION_DATA) && frame.len() > MORE_THAN_FINISHED {
                        asked.store(true, Ordering::SeqCst);
                    }
                } else {
                    let asked = asked.load(Ordering::SeqCst);
                    shared.pass(|held| match held {
                        Held::Answer(command) => diameter(&frame) == Some((false, command)),
                        Held::TlsAnswer => asked,
                        _ => false,
                    });
                }
                if to.write_all(&frame).is_err() {
                    break;
                }
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
    Ok(())
}

/// The next frame: a Diameter message begins with its version, 1 (RFC 6733 §3), and its length; a TLS record with its
/// type, 20 to 24 (RFC 8446 §5.1), its version and its length.
fn read(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 5];
    from.read_exact(&mut frame)?;
    let whole = match frame[0] {
        1 => usize::from(frame[1]) << 16 | usize::from(frame[2]) << 8 | usize::from(frame[3]),
        _ => 5 + usize::from(u16::from_be_bytes([frame[3], frame[4]])),
    };
    frame.resize(whole.max(5), 0);
    from.read_exact(&mut frame[5..])?;
    Ok(frame)
}

/// Whether it is a request, and its command code (RFC 6733 §3).
fn diameter(frame: &[u8]) -> Option<(bool, u32)> {
    match frame {
        [1, _, _, _, flags, code @ ..] if code.len() >= 3 => {
            Some((flags & 0x80 != 0, u32::from_be_bytes([0, code[0], code[1], code[2]])))
        }
        _ => None,
    }
}
