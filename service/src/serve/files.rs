//! How many files, and so connections, the process may have open.

use std::sync::Once;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files (RLIMIT_NOFILE) to the hard one, once: a shell's 1024 are fewer than the connections
/// that [`HttpLimits`](super::HttpLimits) lets in, and who has used them up keeps even the database from opening a file.
pub(super) fn raise_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current == limit.maximum {
            return;
        }
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files stays as it is (ulimit -n)");
        }
    });
}
