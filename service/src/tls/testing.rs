//! Certificates for tests.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

/// A certification authority in a folder of its own, which goes when it and all its files are dropped.
pub(crate) struct Authority {
    folder: Arc<tempfile::TempDir>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
    _folder: Arc<tempfile::TempDir>,
}

impl Authority {
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn issue(&self, name: &str) -> Files {
        self.issue_for(name, 2000..4000)
    }

    /// A certificate valid from the first of January of one year to that of another.
    pub fn issue_for(&self, name: &str, years: Range<i32>) -> Files {
        self.issue_between(name, date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1), &[])
    }

    /// A certificate valid until then.
    pub fn issue_until(&self, name: &str, end: std::time::SystemTime) -> Files {
        self.issue_between(name, date_time_ymd(2000, 1, 1), end.into(), &[])
    }

    /// A certificate of localhost that names these URIs as well.
    pub fn issue_with_uris(&self, uris: &[String]) -> Files {
        self.issue_between("localhost", date_time_ymd(2000, 1, 1), date_time_ymd(4000, 1, 1), uris)
    }

    fn issue_between(
        &self,
        name: &str,
        begin: time::OffsetDateTime,
        end: time::OffsetDateTime,
        uris: &[String],
    ) -> Files {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.not_before, params.not_after) = (begin, end);
        if name != "localhost" {
            // One name only: what a Diameter peer's certificate says.
            params.subject_alt_names.truncate(1);
        }
        for uri in uris {
            params.subject_alt_names.push(rcgen::SanType::URI(uri.as_str().try_into().unwrap()));
        }
        let count = std::fs::read_dir(self.folder.path()).unwrap().count();
        let path = |suffix: &str| self.folder.path().join(format!("{count}.{suffix}"));
        let (cert_file, key_file) = (path("crt"), path("key"));
        std::fs::write(&cert_file, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        Files { cert: cert_file, key: key_file, _folder: Arc::clone(&self.folder) }
    }
}
