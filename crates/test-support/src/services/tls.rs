//! Certificates made on the spot, and services that speak TLS only.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use uuid::Uuid;

use super::process::write_private;

/// A certificate authority that nobody knows but those who are told.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and its key, with the certificate of its authority; all as PEM.
#[derive(Debug, Clone)]
pub struct ServerCertificate {
    pub(super) authority: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of one name are taken for each other until a signature fails.
        params.distinguished_name.push(DnType::CommonName, format!("authority {}", Uuid::new_v4()));
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its own certificate as PEM, for those who trust it.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server that is called by one of these names or addresses.
    pub fn issue(&self, names: &[&str]) -> Result<ServerCertificate> {
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate { authority: self.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Where a service finds its certificate.
pub(super) struct Files {
    pub(super) authority: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl ServerCertificate {
    /// Writes the files that a service reads, which runs as `user`.
    pub(super) fn write(&self, dir: &Path, user: Option<&str>) -> Result<Files> {
        let path = |name: &str| dir.join(name);
        let files =
            Files { authority: path("authority.pem"), certificate: path("server.pem"), key: path("server.key") };
        for (file, content) in
            [(&files.authority, &self.authority), (&files.certificate, &self.certificate), (&files.key, &self.key)]
        {
            write_private(file, user, 0o600, content).context("writing a certificate")?;
        }
        Ok(files)
    }
}
