//! Why the trusted environment does not do something, for people and as a word for a report.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use schemas::{cbor::CborError, cose::CoseError, trust::TrustError};

use crate::rncp::RegistryError;

/// The storage key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageKeyError {
    /// Others can read it.
    #[error("{}: others than its owner may read the storage key; chmod 600 it", .0.display())]
    Open(PathBuf),
    /// It is no key.
    #[error("{}: not a storage key (64 hexadecimal digits); without it the device cannot be opened", .0.display())]
    Content(PathBuf),
}

/// The trusted environment cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum TreError {
    /// The disk is full; nothing was changed.
    #[error("{}: no room on the disk; nothing was changed; make room and try again", .0.display())]
    StorageFull(PathBuf),
    /// The disk fails.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no device.
    #[error("{}: no device is there; make one with Tre::manufacture", .0.display())]
    NotThere(PathBuf),
    /// There is one already.
    #[error("{}: a device is there already; take another folder, or open this one", .0.display())]
    AlreadyThere(PathBuf),
    /// Another program has it open.
    #[error("{}: another program has this device open; stop it, or take another folder", .0.display())]
    InUse(PathBuf),
    /// A write may be on disk or not.
    #[error("the disk did not confirm the last change; open the device again to see which state it is in")]
    Unsure,
    /// The storage key cannot be used.
    #[error(transparent)]
    Key(#[from] StorageKeyError),
    /// A sealed file does not open.
    #[error(
        "{0} does not open: it was changed, belongs to another device or operator, or is an older one put back"
    )]
    Sealed(String),
    /// A sealed file opens, and does not hold what it should.
    #[error("{0} cannot be read: written by another version of this program, or damaged")]
    Damaged(&'static str),
    /// Something embedded, or a certificate, is not good.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A signature or encryption cannot be made.
    #[error(transparent)]
    Cose(#[from] CoseError),
    /// Something has no form in CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// The platform certificate is another's.
    #[error("the platform certificate is not this TRE's: {0}")]
    WrongCertificate(&'static str),
    /// There is no platform certificate.
    #[error("there is no platform certificate yet; one is asked for with the call-home triple")]
    NotCertified,
    /// The measured state cannot be told.
    #[error("the measured state: {0}")]
    Measured(&'static str),
    /// A nonce of another length than RFC 9711 §4.1 allows.
    #[error("a nonce has 8 to 64 octets (RFC 9711 §4.1), this one {0}")]
    Nonce(usize),
    /// The registry does not allow it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No RNCP is active.
    #[error("no RNCP is active: the device has to be provisioned, or one to be activated")]
    NothingActive,
    /// No RNCP is selected, or another.
    #[error("no session is on with that RNCP; select it first")]
    NothingSelected,
    /// The RNCP does not have such a part.
    #[error("the RNCP has no part {0}")]
    NoPart(String),
    /// An RNCP cannot be taken, for this reason.
    #[error("{reason}: {detail}")]
    Refused {
        /// A word.
        reason: Reason,
        /// A sentence.
        detail: String,
    },
}

impl TreError {
    /// What the system said of `path`.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull(path),
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn refused(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Refused { reason, detail: detail.into() }
    }

    /// The word for a report.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused { reason, .. } => *reason,
            Self::StorageFull(_) => Reason::StorageFull,
            Self::Cose(CoseError::DoesNotOpen) => Reason::DoesNotOpen,
            Self::Registry(RegistryError::Full) => Reason::StorageFull,
            Self::Registry(RegistryError::Exists(_)) => Reason::Replayed,
            Self::Registry(_) => Reason::Lifecycle,
            _ => Reason::StorageFailed,
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $word:literal,)*) => {
        /// Why an RNCT or RNCP was not taken: the word of `InstallReport::reason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// The word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

reasons! {
    /// A part is not the one that the manifest means.
    WrongDigest "wrong-digest",
    /// The disk is full.
    StorageFull "storage-full",
    /// The disk fails.
    StorageFailed "storage-failed",
    /// It is for another device, TRE or PCID.
    NotForMe "not-for-me",
    /// It is by another operator than the RNCT named.
    WrongOperator "wrong-operator",
    /// It was made for another session.
    WrongSession "wrong-session",
    /// It is for something else than the RNCT said.
    WrongKind "wrong-kind",
    /// Its signer is not good for that, or it was changed.
    BadSignature "bad-signature",
    /// It cannot be read.
    Malformed "malformed",
    /// Of a version that is not known here.
    UnsupportedVersion "unsupported-version",
    /// It is too old.
    Expired "expired",
    /// It was taken before, or is older than one that was.
    Replayed "replayed",
    /// It takes the place of one that is not here.
    ReplacesUnknown "replaces-unknown",
    /// A part is neither here nor offered.
    PartsMissing "parts-missing",
    /// A sensitive part is not encrypted to this platform key for this place.
    DoesNotOpen "does-not-open",
    /// There are no credentials inside.
    NoCredentials "no-credentials",
    /// Another operator's RNCP is active.
    OtherOperatorActive "other-operator-active",
    /// The registry's rules do not allow it.
    Lifecycle "lifecycle",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
