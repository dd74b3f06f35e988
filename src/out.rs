//! What the program says, and what becomes of it when nobody reads on: `callhome … | head` ends there, quietly, with the
//! exit code of a program that SIGPIPE has ended.
//!
//! The macros of this module stand in place of the standard library's, which panic then, in every module after it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, StdoutLock, Write};

/// 128 and the number of SIGPIPE. The signal itself is ignored: servers are not to die of a connection that breaks. It is
/// not 0, which would be a verdict that nobody has come to.
const NOBODY_READS: i32 = 141;

/// Standard output.
pub struct Out(StdoutLock<'static>);

impl Out {
    /// For one writer at a time.
    #[must_use]
    pub fn lock() -> Self {
        Self(io::stdout().lock())
    }
}

impl Write for Out {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        read(self.0.write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        read(self.0.flush())
    }
}

/// A result of writing; the program's end, if its reader has gone away.
fn read<T>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(NOBODY_READS),
        other => other,
    }
}

/// Writes to standard output.
pub fn print(text: Arguments<'_>) {
    if let Err(error) = Out::lock().write_fmt(text) {
        eprint(format_args!("error: standard output cannot be written: {error}\n"));
        std::process::exit(1);
    }
}

/// Writes to standard error. There is nowhere to say that it cannot be.
pub fn eprint(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

macro_rules! print {
    ($($what:tt)*) => { $crate::out::print(::std::format_args!($($what)*)) };
}

macro_rules! println {
    () => { $crate::out::print(::std::format_args!("\n")) };
    ($($what:tt)*) => { $crate::out::print(::std::format_args!("{}\n", ::std::format_args!($($what)*))) };
}

macro_rules! eprint {
    ($($what:tt)*) => { $crate::out::eprint(::std::format_args!($($what)*)) };
}

macro_rules! eprintln {
    () => { $crate::out::eprint(::std::format_args!("\n")) };
    ($($what:tt)*) => { $crate::out::eprint(::std::format_args!("{}\n", ::std::format_args!($($what)*))) };
}
